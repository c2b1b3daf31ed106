//! `holdstill drill`, and what a backup does of the same kind once it is published.

use std::path::Path;

use super::{ConfigFile, destination, machine, read, shown, tell};
use crate::config::Config;
use crate::drill::{self, Drill, Event, Outcome, Report, Settled};
use crate::error::{Code, Stop};
use crate::host::linux::service::Service;
use crate::host::{Act, Ask, Cmd, Fault, Host, Overrun};
use crate::run::{self, Drilled, Lap};
use crate::store::RECORD;
use crate::ui::{self, Manner, Screen, Streams};
use crate::units::Millis;

/// How long loading the kernel's module may take.
const MODPROBE_MS_MAX: Millis = Millis(30_000);

#[derive(Debug, clap::Args)]
pub(super) struct Typed {
    #[command(flatten)]
    file: ConfigFile,
    /// Tell everything as JSON, one object a line. The shipped 'json-lines.md' explains each.
    #[arg(long)]
    json: bool,
    /// The backup's run, as 'holdstill list' shows it; the newest one if none is named.
    run: Option<String>,
}

/// One drill from the configuration to its verdict; 8 if the backup is not proven.
pub(super) fn drill(typed: &Typed, verbose: bool) -> Result<Code, Stop> {
    let manner = if verbose && !typed.json { Manner::Lines } else { Manner::Quiet };
    let screen = Screen::new(manner, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &typed.file.config)?;
    let mut begun = |drill: &Drill| {
        ui::tell(&if typed.json { ui::drill::begun_json(drill) } else { ui::drill::begun(drill) });
    };
    let mut event = |event: &Event| {
        let text = if typed.json { ui::drill::event_json(event) } else { ui::drill::event(event) };
        if let Some(text) = text {
            ui::tell(&text);
        }
    };
    let run = typed.run.as_deref();
    let Outcome { result, left } = carried(&mut host, &config, run, &mut begun, &mut event)?;
    let signal = host.signal()?.and_then(|signal| u8::try_from(signal).ok());
    drop(host);
    if let Ok(report) = &result {
        let told = if typed.json { ui::drill::report_json } else { ui::drill::report };
        ui::tell(&told(report));
    }
    if let Some(fault) = &left {
        tell(&[
            format!("left: {fault}"),
            "the next drill, or 'holdstill recover', removes it".into(),
        ]);
    }
    code(result, left, signal)
}

fn code(
    result: Result<Report, Fault>,
    left: Option<Fault>,
    signal: Option<u8>,
) -> Result<Code, Stop> {
    let sound = match (result, signal) {
        (Ok(report), _) => report.is_sound(),
        (Err(fault), Some(signal)) => {
            tell(&[fault.to_string()]);
            return Ok(Code::Interrupted(signal));
        }
        (Err(fault), None) => return Err(fault.into()),
    };
    Ok(match (sound, left) {
        (false, _) => Code::Unproven,
        (true, Some(_)) => Code::PublishedLeft,
        (true, None) => Code::Clean,
    })
}

/// After a backup was published, in the same process and under its run lock.
pub(super) fn after(host: &mut dyn Host, config: &Config, run: &str, screen: &Screen) -> Drilled {
    screen.event(&run::Event::Phase(run::DRILL));
    let began = host.now().unwrap_or_default();
    let ended = carried(host, config, Some(run), &mut |_| {}, &mut |_| {});
    let drilled = match ended {
        Err(stop) => Drilled::Failed(stop.to_string()),
        Ok(Outcome { result: Err(fault), .. }) => Drilled::Failed(fault.to_string()),
        Ok(Outcome { result: Ok(report), left }) => {
            tell(&left.iter().map(|fault| format!("left: {fault}")).collect::<Vec<_>>());
            verdict(&report)
        }
    };
    let nanos = host.now().unwrap_or(began).saturating_sub(began);
    screen.event(&run::Event::Drilled(drilled.clone()));
    if matches!(drilled, Drilled::Sound(..)) {
        let lap = Lap { phase: run::DRILL, ms: Millis(nanos / 1_000_000) };
        screen.event(&run::Event::Ended(lap));
    }
    drilled
}

fn verdict(report: &Report) -> Drilled {
    match (report.ready_ms, report.problems.first()) {
        (Some(ready), None) => Drilled::Sound(ready, report.tables.checked),
        (_, Some(first)) if report.problems_found > 1 => {
            Drilled::Failed(format!("{first}; and {} more", report.problems_found - 1))
        }
        (_, Some(first)) => Drilled::Failed(first.clone()),
        (None, None) => Drilled::Failed("no server came up".into()),
    }
}

/// Takes the drill lock, clears up behind a dead drill, plans, carries it through and remembers.
fn carried(
    host: &mut dyn Host,
    config: &Config,
    run: Option<&str>,
    begun: &mut dyn FnMut(&Drill),
    event: &mut dyn FnMut(&Event),
) -> Result<Outcome, Stop> {
    // First by looking alone: what is refused is refused before anything is touched.
    destination(host, config)?;
    load_overlay(host)?;
    drill::plan(host, config, run)?;
    let who = format!("a drill of {}", run.unwrap_or("the newest backup"));
    match drill::begin(host, &config.state_dir, &who)? {
        Settled::Nothing => {}
        Settled::Removed(home) => removed(&home),
        Settled::Alive(holder) => return Err(Stop::Busy { holder }),
    }
    let plan = drill::plan(host, config, run)?;
    begun(&plan);
    let mut outcome = drill::drill(host, &plan, &mut |one| event(&one));
    if host.entry(&plan.directory.join(RECORD))?.is_none() {
        outcome.result = Err(Fault::refused("the backup was removed while it was drilled"));
    }
    if let Ok(report) = &outcome.result
        && let Err(fault) = drill::remember(host, &config.state_dir, report)
    {
        tell(&[format!("cannot note what was found: {fault}")]);
    }
    Ok(outcome)
}

/// A kernel that has overlays as a module says nothing of them until it is loaded.
pub(super) fn load_overlay(host: &mut dyn Host) -> Result<(), Stop> {
    let known = host.file(Path::new("/proc/filesystems"))?.unwrap_or_default();
    if known.split_ascii_whitespace().any(|word| word == "overlay") || host.machine()?.uid != 0 {
        return Ok(());
    }
    if let Some(program) = host.program("modprobe")? {
        let (args, ms_max) = (vec!["overlay".into()], MODPROBE_MS_MAX);
        let cmd = Cmd { program, args, ms_max, overrun: Overrun::End };
        let _or_it_is_copied = host.act(&Act::Run(cmd));
    }
    Ok(())
}

/// Removes what a dead drill left, for a recovery. What goes wrong is told.
pub(super) fn settle(host: &mut dyn Host, state_dir: &Path) {
    match drill::settle(host, state_dir) {
        Ok(Settled::Nothing | Settled::Alive(_)) => {}
        Ok(Settled::Removed(home)) => removed(&home),
        Err(fault) => tell(&[format!("a dead drill is not cleared up: {fault}")]),
    }
}

pub(super) fn removed(home: &Path) {
    tell(&[format!("a drill had died: '{}' is removed", home.display())]);
}
