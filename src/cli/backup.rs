//! `holdstill backup`: one run from the configuration to its report.

use std::path::Path;

use super::{ConfigFile, drill, lock, login, machine, offsite, prune, read, shown, tell};
use crate::aftermath;
use crate::config::{self, Config, StateDir};
use crate::error::{Code, Stop};
use crate::history::{Attempt, Figures};
use crate::hooks::{self, Moment};
use crate::host::linux::service::Service;
use crate::host::linux::wall_clock;
use crate::host::{Act, Ask, Host};
use crate::plan::{self, Asking, Plan, Refusal};
use crate::recover;
use crate::run::Outcome;
use crate::ui::{Manner, Screen, Sheet, Streams};
use crate::{ledger, run};

/// What is typed.
#[derive(Debug, clap::Args)]
pub(super) struct Typed {
    #[command(flatten)]
    file: ConfigFile,
    #[command(flatten)]
    telling: Telling,
    /// Prove the backup once it is published: a private server starts on a throw-away copy of it.
    /// If it finds something wrong the exit code is 8, and no old backup is removed.
    #[arg(long)]
    drill: bool,
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
    whole(typed, &screen).unwrap_or_else(|stop| {
        screen.stopped(&stop);
        stop.code()
    })
}

/// Lock, settle the dead, plan, run, follow up, report.
fn whole(typed: &Typed, screen: &Screen) -> Result<Code, Stop> {
    let file = typed.file.config.as_path();
    let mut host = shown(screen, machine()?);
    let attempt = Attempt::begin(&host)?;
    screen.named(attempt.run());
    let config = read(&host, file).inspect_err(|stop| unread(&mut host, file, &attempt, stop))?;
    let attempt = attempt.of(&config);
    let made = made(&mut host, &config, screen, &attempt, typed);
    let (plan, outcome) = made.inspect_err(|stop| stopped(&mut host, &config, &attempt, stop))?;
    drop(host);
    screen.outcome(&plan, &outcome);
    Ok(match Code::of(&outcome) {
        // The host is gone, and the run lock with it: a slow network holds up no other run.
        Code::Clean => offsite::after(&config, &plan.run, screen),
        code => code,
    })
}

/// The run itself, unless something stops it before it begins.
fn made(
    host: &mut dyn Host,
    config: &Config,
    screen: &Screen,
    attempt: &Attempt,
    typed: &Typed,
) -> Result<(Plan, Outcome), Stop> {
    let login = login(host, config)?;
    if host.entry(&config.state_dir).map_err(Refusal::from)?.is_some() {
        lock(host, &config.state_dir, recover::STILL_PLANS)?;
        settle_the_dead(host, config, screen, attempt)?;
    }
    let asking = Asking::ToAct(attempt.run());
    let plan = plan::make::plan(host, config, &login, asking).map_err(Stop::Refused)?;
    lock(host, &config.state_dir, &format!("run {}", plan.run))?;
    screen.begin(&plan);
    before(host, config, attempt)?;
    host.act(&Act::MakeDir(ledger::directory(&config.state_dir)))?;
    let mut figures = Figures::default();
    let mut outcome = run::backup(host, &plan, &mut |event| {
        figures.note(&event);
        screen.event(&event);
    });
    if typed.drill && outcome.result.is_ok() {
        outcome.drilled = drill::after(host, config, &plan.run, screen);
    }
    tell(&aftermath::of_run(host, config, attempt, &outcome, &figures));
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

/// What follows a run that did not begin. Only one who has the run lock is alone.
fn stopped(host: &mut dyn Host, config: &Config, attempt: &Attempt, stop: &Stop) {
    let beside = matches!(stop, Stop::Busy { .. });
    let alone = if beside { Ok(()) } else { alone(host, &config.state_dir) };
    tell(&match alone {
        Ok(()) if !beside => aftermath::of_stop(host, config, attempt, stop),
        Ok(()) | Err(Stop::Busy { .. }) => {
            aftermath::only_noted(host, &config.state_dir, attempt, stop)
        }
        Err(_) => aftermath::without_lock(host, config, attempt, stop),
    });
}

/// Takes the run lock, but where there is no state directory: there nobody has ever run.
fn alone(host: &mut dyn Host, state_dir: &Path) -> Result<(), Stop> {
    match host.entry(state_dir) {
        Ok(None) => Ok(()),
        _ => lock(host, state_dir, "a run that was refused"),
    }
}

/// What follows where the configuration cannot be read: it may still say where outcomes are noted.
fn unread(host: &mut dyn Host, file: &Path, attempt: &Attempt, stop: &Stop) {
    if let (StateDir::Told(state_dir), _) = config::state_dir(host, file) {
        tell(&aftermath::only_noted(host, &state_dir, attempt, stop));
    }
}

/// What dead runs left is settled before a new plan looks at the machine.
fn settle_the_dead(
    host: &mut dyn Host,
    config: &Config,
    screen: &Screen,
    attempt: &Attempt,
) -> Result<(), Stop> {
    let all = recover::recover(host, &config.state_dir)?;
    screen.recovered(&all);
    // Prometheus is told with this run's own end.
    let by = format!("run {}", attempt.run());
    tell(&aftermath::of_recovery(host, &config.state_dir, None, &all, &by));
    let Some(one) = all.iter().find(|one| !one.end.is_clean()) else { return Ok(()) };
    let refusal = Refusal::new(
        format!("a dead run is not settled: its ledger '{}' is kept", one.path.display()),
        "Run 'holdstill recover' and do what it says, then try again.",
    );
    Err(Stop::Unsettled { refusal, server: recover::server(&all) })
}
