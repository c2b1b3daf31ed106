//! `holdstill backup`: one run from the configuration to its report.

use std::path::Path;

use super::{ConfigFile, lock, login, machine, prune, read, shown, tell};
use crate::aftermath;
use crate::config::{self, Config, StateDir};
use crate::error::{Code, Stop};
use crate::history::{Attempt, Figures};
use crate::hooks::{self, Moment};
use crate::host::linux::service::Service;
use crate::host::linux::wall_clock;
use crate::host::{Act, Ask, Host};
use crate::plan::{self, Asking, Plan, Refusal};
use crate::recover::{self, End, Recovered};
use crate::run::Outcome;
use crate::settle::{self, Server};
use crate::ui::{Manner, Screen, Sheet, Streams};
use crate::{ledger, run};

/// What is typed.
#[derive(Debug, clap::Args)]
pub(super) struct Typed {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    telling: Telling,
}

/// How it is told: on a terminal as a display, otherwise in one line, unless one of these says so.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct Telling {
    /// Say nothing of a success; errors and warnings go to standard error.
    #[arg(long)]
    quiet: bool,
    /// Tell every phase and act on a line of its own, with its milliseconds.
    #[arg(long)]
    lines: bool,
    /// Tell everything as JSON, one object a line. The shipped 'json-lines.md' explains each.
    #[arg(long)]
    json: bool,
}

impl Telling {
    /// What `--verbose` shows, the looks, belongs between the acts.
    fn manner(&self, verbose: bool) -> Manner {
        match self {
            Self { quiet: true, .. } => Manner::Quiet,
            Self { json: true, .. } => Manner::Json(Box::new(wall_clock)),
            Self { lines: true, .. } => Manner::Lines,
            _ if verbose => Manner::Lines,
            _ => Sheet::of_stdout().map_or(Manner::Brief, Manner::Terminal),
        }
    }
}

/// One backup, or why there is none, told in the manner that is asked for.
pub(super) fn backup(typed: &Typed, verbose: bool) -> Code {
    let manner = typed.telling.manner(verbose);
    let screen = Screen::new(manner, Streams::standard(), Service::of_process());
    whole(&typed.file.config, &screen).unwrap_or_else(|stop| {
        screen.stopped(&stop);
        stop.code()
    })
}

/// Lock, settle the dead, plan, run, follow up, report.
fn whole(file: &Path, screen: &Screen) -> Result<Code, Stop> {
    let mut host = shown(screen, machine()?);
    let attempt = Attempt::begin(&host)?;
    let config = read(&host, file).inspect_err(|stop| unread(&mut host, file, &attempt, stop))?;
    let made = made(&mut host, &config, screen, &attempt);
    let (plan, outcome) = made.inspect_err(|stop| stopped(&mut host, &config, &attempt, stop))?;
    drop(host);
    screen.outcome(&plan, &outcome);
    Ok(Code::of(&outcome))
}

/// The run itself, unless something stops it before it begins.
fn made(
    host: &mut dyn Host,
    config: &Config,
    screen: &Screen,
    attempt: &Attempt,
) -> Result<(Plan, Outcome), Stop> {
    let login = login(host, config)?;
    if host.entry(&config.state_dir).map_err(Refusal::from)?.is_some() {
        lock(host, &config.state_dir, "a run that still plans")?;
        settle_the_dead(host, config, screen)?;
    }
    let plan = plan::make::plan(host, config, &login, Asking::ToAct).map_err(Stop::Refused)?;
    lock(host, &config.state_dir, &format!("run {}", plan.run))?;
    screen.begin(&plan);
    let attempt = attempt.planned(&plan);
    before(host, config, &attempt)?;
    host.act(&Act::MakeDir(ledger::directory(&config.state_dir)))?;
    let mut figures = Figures::default();
    let outcome = run::backup(host, &plan, &mut |event| {
        figures.note(&event);
        screen.event(&event);
    });
    tell(&aftermath::of_run(host, config, &attempt, &outcome, &figures));
    tell(&prune::after(host, config, &plan.run, &outcome, screen));
    Ok((plan, outcome))
}

/// The hook before the run; without its consent nothing is touched.
fn before(host: &mut dyn Host, config: &Config, attempt: &Attempt) -> Result<(), Stop> {
    let Err(fault) = hooks::run(host, config, Moment::Before, attempt, None) else { return Ok(()) };
    if let Some(signal) = host.signal()?.and_then(|signal| u8::try_from(signal).ok()) {
        return Err(Stop::Interrupted(signal));
    }
    let hint = "Look at what it says, or take 'before' out of [hooks].";
    Err(Refusal::new(format!("the hook 'before' failed: {fault}"), hint).into())
}

/// What follows a run that did not begin. Only one who has the run lock is alone; where there is no
/// state directory nobody has ever run.
fn stopped(host: &mut dyn Host, config: &Config, attempt: &Attempt, stop: &Stop) {
    let there = !matches!(host.entry(&config.state_dir), Ok(None));
    let beside = matches!(stop, Stop::Busy { .. })
        || there && lock(host, &config.state_dir, "a run that was refused").is_err();
    tell(&if beside {
        aftermath::only_noted(host, &config.state_dir, attempt, stop)
    } else {
        aftermath::of_stop(host, config, attempt, stop)
    });
}

/// What follows where the configuration cannot be read: it may still say where outcomes are noted.
fn unread(host: &mut dyn Host, file: &Path, attempt: &Attempt, stop: &Stop) {
    if let (StateDir::Told(state_dir), _) = config::state_dir(host, file) {
        tell(&aftermath::only_noted(host, &state_dir, attempt, stop));
    }
}

/// What dead runs left is settled before a new plan looks at the machine.
fn settle_the_dead(host: &mut dyn Host, config: &Config, screen: &Screen) -> Result<(), Stop> {
    let all = recover::recover(host, &config.state_dir)?;
    let unsettled: Vec<&Recovered> = all.iter().filter(|one| !one.end.is_clean()).collect();
    screen.recovered(&all);
    let Some(one) = unsettled.first() else { return Ok(()) };
    let refusal = Refusal::new(
        format!("a dead run is not settled: its ledger '{}' is kept", one.path.display()),
        "Run 'holdstill recover' and do what it says, then try again.",
    );
    Err(Stop::Unsettled { refusal, server: server(&unsettled) })
}

/// Whether the server goes on, whatever the dead left.
fn server(unsettled: &[&Recovered]) -> Server {
    let stands = |one: &&Recovered| match &one.end {
        End::Kept { left, .. } => settle::server(left) == Server::MayStandStill,
        End::Clean { .. } | End::Unusable { .. } => false,
    };
    if unsettled.iter().any(stands) { Server::MayStandStill } else { Server::GoesOn }
}
