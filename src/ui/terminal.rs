//! The run for a person at a terminal: one line a phase, the bar of the copy, the window at the end
//! as a drawing.
//!
//! A phase's name is written when it begins and its time behind it when it has ended, so during
//! `hold still` its name is all there is. Nothing ticks: the bar is drawn when the run tells how
//! far the copy is, and at no other time. Deliberately absent: the acts, which `--lines` shows.

use std::io::IsTerminal as _;

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::voice::{Done, Ending, PushedTo, SoFar, Streams, Voice, Words};
use super::words::{Text, fit, wrap};
use super::{report, timeline};
use crate::plan::Plan;
use crate::recover::Recovered;
use crate::retention::{Pruned, Pruning};
use crate::run::{Drilled, Event, Filling, Lap};
use crate::units::{Bytes, Millis};

/// How the bar looks, and how where the terminal is narrower than [`BAR_COLUMNS_MIN`].
const BAR: &str =
    "  {prefix} [{wide_bar}] {percent:>3} % {bytes:>10} {bytes_per_sec:>12} {eta:>3} left{msg}";
const NARROW_BAR: &str = "  {prefix} {percent:>3} %, {eta} left{msg}";
const BAR_COLUMNS_MIN: usize = 76;

/// How wide a terminal is taken to be that does not say.
const COLUMNS: usize = 80;

/// The columns of a phase's name and of its time.
const NAME_COLUMNS: usize = 27;
const TIME_COLUMNS: usize = 11;

/// Goes to the beginning of the line and clears it (ECMA-48, EL).
pub(super) const CLEAR: &str = "\r\x1b[K";

/// What is written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// How wide it is.
    pub columns: usize,
    /// Whether it has colours.
    pub colours: Colours,
    /// Whether what is written can be written over.
    pub paper: Paper,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// Three, for what matters.
    Few,
    /// None.
    None,
}

/// Whether what is written can be written over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paper {
    /// A terminal that understands its control sequences.
    Erasable,
    /// One that does not, such as `TERM=dumb`.
    Plain,
}

impl Sheet {
    /// The terminal that standard output is; nothing if it is none.
    pub fn of_stdout() -> Option<Self> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let size = terminal_size::terminal_size();
        let columns = size.map_or(COLUMNS, |(width, _)| usize::from(width.0).max(1));
        let able = anstyle_query::term_supports_ansi_color();
        let colourful = able && !anstyle_query::no_color();
        let colours = if colourful { Colours::Few } else { Colours::None };
        let paper = if able { Paper::Erasable } else { Paper::Plain };
        Some(Self { columns, colours, paper })
    }
}

/// A colour by its number (ECMA-48, SGR).
#[derive(Clone, Copy)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// The line of a phase that has not ended.
#[derive(Clone, Copy)]
enum Line {
    /// Its name stands there and nothing behind it.
    Begun(&'static str),
    /// Something else was written since.
    Broken(&'static str),
}

/// The display.
pub(super) struct Terminal {
    streams: Streams,
    sheet: Sheet,
    line: Option<Line>,
    bar: Option<ProgressBar>,
    fill: String,
}

impl Terminal {
    /// An empty display.
    pub(super) fn new(streams: Streams, sheet: Sheet) -> Self {
        Self { streams, sheet, line: None, bar: None, fill: String::new() }
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        match self.sheet.colours {
            Colours::Few => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
            Colours::None => text.to_owned(),
        }
    }

    fn phase(&mut self, name: &'static str) {
        self.close(Colour::Red, "failed");
        self.fill.clear();
        self.line = Some(Line::Begun(name));
        self.streams.out(&fit(&begun(name), self.sheet.columns));
    }

    fn phase_ended(&mut self, lap: &Lap, so_far: &SoFar) {
        let took = lap.ms.lasting();
        let detail = detail(lap.phase, so_far);
        let end = format!("{took:>TIME_COLUMNS$}{detail}");
        let room = self.sheet.columns.saturating_sub(NAME_COLUMNS);
        self.close_with(fit(&end, room).trim_end());
    }

    /// Ends the line of a phase that did not end by itself.
    fn close(&mut self, colour: Colour, word: &str) {
        let end = format!("{:>1$}", "", TIME_COLUMNS - word.len()) + &self.paint(colour, word);
        self.close_with(&end);
    }

    fn close_with(&mut self, end: &str) {
        self.end_bar();
        let Some(line) = self.line.take() else { return };
        let (Line::Begun(name) | Line::Broken(name)) = line;
        let begun = begun(name);
        let gap = " ".repeat(NAME_COLUMNS.saturating_sub(begun.len()));
        match line {
            Line::Begun(_) => self.streams.out(&format!("{gap}{end}\n")),
            Line::Broken(_) => self.streams.out(&format!("{begun}{gap}{end}\n")),
        }
    }

    /// Says something between the phases, above what is not finished.
    fn note(&mut self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.suspend(|| self.streams.out(&format!("    {text}\n")));
            return;
        }
        match (self.line, self.sheet.paper) {
            (None | Some(Line::Broken(_)), _) => self.streams.out(&format!("    {text}\n")),
            (Some(Line::Begun(name)), Paper::Erasable) => {
                self.streams.out(&format!("{CLEAR}    {text}\n{}", begun(name)));
            }
            (Some(Line::Begun(name)), Paper::Plain) => {
                self.line = Some(Line::Broken(name));
                self.streams.out(&format!("\n    {text}\n"));
            }
        }
    }

    fn warn(&mut self, text: &str) {
        let text = self.paint(Colour::Yellow, text);
        self.note(&text);
    }

    /// Draws how far something is; what is expected may turn out to be too little.
    fn further(&mut self, what: &'static str, bytes: Bytes, expected: Bytes) {
        if self.sheet.paper == Paper::Plain {
            return;
        }
        let total = expected.max(bytes).0;
        if self.bar.is_none() {
            self.begin_bar(what, total);
        }
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_message(self.fill.clone());
            bar.set_position(bytes.0);
        }
    }

    /// The bar takes the place of the phase's line.
    fn begin_bar(&mut self, what: &'static str, total: u64) {
        let narrow = self.sheet.columns < BAR_COLUMNS_MIN;
        let style = ProgressStyle::with_template(if narrow { NARROW_BAR } else { BAR });
        let style = style.map(|style| style.progress_chars("=> "));
        if let Some(Line::Begun(name)) = self.line {
            self.streams.out(CLEAR);
            self.line = Some(Line::Broken(name));
        }
        let bar = ProgressBar::with_draw_target(Some(total), self.streams.bar(self.sheet.columns));
        let bar = bar.with_prefix(what).with_message(self.fill.clone());
        self.bar = Some(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Shown with the next progress of the copy, so that the line is drawn once for both.
    fn filling(&mut self, filling: &Filling) {
        let until = filling
            .full_in
            .map_or_else(String::new, |ms| format!(", full in {:#}", HumanDuration(ms.into())));
        self.fill = format!(", COW {} %{until}", filling.percent);
    }

    /// What was published, and how the server was held still.
    fn closing(&self, end: &Ending<'_>, so_far: &SoFar) -> String {
        let mut text = Text::default();
        if let Ending::Run(_, outcome) = end
            && let Some(path) = outcome.published()
        {
            let published = self.paint(Colour::Green, "published");
            text.line(format!("\n{published} {}", path.display()));
            let copied = so_far.copied.unwrap_or_default();
            let took = outcome.laps.total().lasting();
            text.line(format!("{} in {} files, {took} in all", copied.bytes, copied.files));
        }
        if let Some(times) = &so_far.window {
            text.line(format!("\n{}", timeline::draw(times, self.sheet.columns).trim_end()));
        }
        text.0
    }
}

impl Voice for Terminal {
    fn recovered(&mut self, all: &[Recovered], _: &SoFar) {
        report::recovered(all).lines().for_each(|line| self.warn(line));
    }

    fn begin(&mut self, plan: &Plan, _: &SoFar) {
        let (version, run, login) = (env!("CARGO_PKG_VERSION"), &plan.run, &plan.login);
        let columns = self.sheet.columns;
        let mut head = wrap(&format!("holdstill {version}: run {run}"), columns);
        head.extend(wrap(&format!("server {login}"), columns));
        self.streams.out(&(head.join("\n") + "\n\n"));
    }

    fn act(&mut self, _: &Done<'_>, _: &SoFar) {}

    fn event(&mut self, event: &Event, so_far: &SoFar) {
        match event {
            Event::Phase(phase) => self.phase(phase),
            Event::Ended(lap) => self.phase_ended(lap, so_far),
            Event::Copying(progress) => self.further("copy", progress.bytes, so_far.expected),
            Event::Reading(progress) => self.further("read", progress.bytes, progress.total),
            Event::Linked(all, run) => {
                self.note(&format!("linked {} in {} files to {run}", all.bytes, all.files));
            }
            Event::Lingers(why) => self.warn(&format!("{}: {why}", report::LINGERS)),
            Event::BadPages(one) => self.warn(&one.to_string()),
            Event::Filling(filling) => self.filling(filling),
            Event::Extended(what) => self.note(&format!("extended {what}")),
            Event::NotExtended(why) => self.warn(why),
            Event::Waiting(what) => self.note(&format!("waiting for {what}")),
            Event::Killed(one) => self.warn(&format!("ended {one}")),
            Event::Again(why) => self.note(&format!("once more: {why}")),
            Event::First(why) => self.note(&format!("the lock comes first: {why}")),
            Event::Drilled(Drilled::Sound(ready, tables)) => {
                self.note(&format!("a server was ready after {ready}, {tables} tables are whole"));
            }
            Event::Drilled(_) | Event::Copied(..) | Event::ReadBack(..) | Event::Window(_) => {}
        }
    }

    fn pruned(&mut self, all: &Pruning, done: &Pruned, _: &SoFar) {
        for one in all.goes().filter(|one| done.removed.contains(&one.backup.name)) {
            self.note(&format!(
                "removed {}: {}",
                one.backup.name,
                one.verdict.reasons().join("; ")
            ));
        }
    }

    fn pushed(&mut self, to: &PushedTo<'_>, _: &SoFar) {
        let words = to.words();
        self.streams.out(&words.out);
        self.streams.err(&words.err);
    }

    fn ended(&mut self, end: &Ending<'_>, so_far: &SoFar) -> Option<Words> {
        self.close(Colour::Red, "failed");
        Some(Words { out: self.closing(end, so_far), err: report::trouble(end) })
    }
}

/// A phase's line before its time is known.
fn begun(name: &str) -> String {
    format!("  {name}")
}

/// What is said of a phase behind its time.
fn detail(phase: &str, so_far: &SoFar) -> String {
    let locked = |ms: Millis| format!("   locked {ms}");
    match (phase, &so_far.window, so_far.copied) {
        ("hold still", Some(times), _) if times.proof.asked_ns.is_some() => locked(times.locked_ms),
        ("copy", _, Some(all)) => format!("   {} in {} files", all.bytes, all.files),
        _ => String::new(),
    }
}
