//! The run on a terminal or in a log: phases, acts with their milliseconds, the bar of the copy.
//!
//! While the window is open nothing is printed: standard output may lead to the very filesystem
//! that is frozen. `Traced` hands its acts over after the window has closed.

use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::{complain, report};
use crate::copy::rsync::{Progress, Stats};
use crate::host::Fault;
use crate::plan::Plan;
use crate::recover::Recovered;
use crate::run::{Event, Filling, Outcome};
use crate::store::WindowTimes;
use crate::units::Millis;

/// How the bar looks; it hides itself where there is no terminal.
const BAR: &str =
    "  [{bar:24}] {percent:>3} %  {bytes:>10}  {bytes_per_sec:>12}  {eta:>4} left{msg}";

/// Without a terminal a line is printed each time the copy has come this many percent further.
const LINE_PERCENT: u8 = 10;

/// Where a run is shown. Clones share one screen.
#[derive(Clone, Debug, Default)]
pub struct Screen(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    copy_bytes: u64,
    told_percent: u8,
    window: Option<WindowTimes>,
}

impl Screen {
    /// A screen on standard output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows an act that is over, with how long it took and how it failed, if it did.
    pub fn act(&self, line: &str, nanos: u64, fault: Option<&Fault>) {
        let mut state = self.0.borrow_mut();
        state.end_bar();
        let ms = nanos / 1_000_000;
        match fault {
            None => say(&format!("  {ms:>6} ms  {line}")),
            Some(fault) => say(&format!("  {ms:>6} ms  {line}\n             failed: {fault}")),
        }
    }

    /// Says which run begins.
    pub fn begin(&self, plan: &Plan) {
        self.0.borrow_mut().copy_bytes = plan.copy_bytes.0;
        let (version, run, login) = (env!("CARGO_PKG_VERSION"), &plan.run, &plan.login);
        say(&format!("holdstill {version}: run {run}, server {login}"));
    }

    /// Shows what the run tells.
    pub fn event(&self, event: &Event) {
        let mut state = self.0.borrow_mut();
        match event {
            Event::Phase(phase) => {
                state.end_bar();
                say(phase);
            }
            Event::Copying(progress) => state.copying(*progress),
            Event::Copied(all, took) => state.copied(*all, *took),
            Event::Filling(filling) => state.filling(filling),
            Event::Extended(what) => state.say(&format!("  extended {what}")),
            Event::NotExtended(why) => state.say(&format!("  {why}")),
            Event::Waiting(what) => say(&format!("  waiting for {what}")),
            Event::Killed(one) => say(&format!("  ended {one}")),
            Event::Again(why) => say(&format!("  once more: {why}")),
            Event::First(why) => say(&format!("  the lock comes first: {why}")),
            Event::Window(times) => state.window = Some(times.clone()),
        }
    }

    /// Shows what became of dead runs; nothing if there were none.
    pub fn recovered(&self, all: &[Recovered]) {
        if !all.is_empty() {
            say(report::recovered(all).trim_end());
        }
    }

    /// Shows how the run ended.
    pub fn outcome(&self, plan: &Plan, outcome: &Outcome) {
        let mut state = self.0.borrow_mut();
        state.end_bar();
        let (out, err) = report::outcome(plan, outcome, state.window.as_ref());
        complain(&err);
        say(out.trim_end());
    }
}

impl State {
    fn copying(&mut self, progress: Progress) {
        let total = self.copy_bytes.max(progress.bytes.0);
        let bar = self.bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template(BAR).map(|s| s.progress_chars("=> "));
            ProgressBar::new(total)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_length(total);
        bar.set_position(progress.bytes.0);
        if bar.is_hidden() && progress.percent >= self.told_percent + LINE_PERCENT {
            self.told_percent = progress.percent;
            say(&format!("  copied {} ({} %)", progress.bytes, progress.percent));
        }
    }

    fn copied(&mut self, stats: Stats, took: Millis) {
        self.end_bar();
        say(&format!("  copied {} files, {} in {took}", stats.files, stats.bytes));
    }

    fn filling(&mut self, filling: &Filling) {
        let Some(bar) = &self.bar else { return };
        let until = filling
            .full_in
            .map_or_else(String::new, |ms| format!(", full in {:#}", HumanDuration(ms.into())));
        bar.set_message(format!("  COW {} %{until}", filling.percent));
    }

    /// Says something above the bar.
    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.suspend(|| say(line)),
            _ => say(line),
        }
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn say(line: &str) {
    let _nobody_reads = writeln!(std::io::stdout(), "{line}");
}
