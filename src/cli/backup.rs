//! `holdstill backup`: one run from the configuration to its report.

use std::path::Path;

use super::{ConfigFile, load, lock, machine, shown};
use crate::config::Config;
use crate::error::{Code, Stop};
use crate::host::linux::service::Service;
use crate::host::linux::wall_clock;
use crate::host::{Act, Ask, Host};
use crate::plan::{self, Asking, Refusal};
use crate::recover::{self, Recovered};
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

/// Lock, settle the dead, plan, run, report.
fn whole(file: &Path, screen: &Screen) -> Result<Code, Stop> {
    let mut host = shown(screen, machine()?);
    let (config, login) = load(&host, file)?;
    if host.entry(&config.state_dir).map_err(Refusal::from)?.is_some() {
        lock(&mut host, &config.state_dir, "a run that still plans")?;
        settle_the_dead(&mut host, &config, screen)?;
    }
    let plan = plan::make::plan(&host, &config, &login, Asking::ToAct).map_err(Stop::Refused)?;
    lock(&mut host, &config.state_dir, &format!("run {}", plan.run))?;
    host.act(&Act::MakeDir(ledger::directory(&config.state_dir)))?;
    screen.begin(&plan);
    let outcome = run::backup(&mut host, &plan, &mut |event| screen.event(&event));
    drop(host);
    screen.outcome(&plan, &outcome);
    Ok(Code::of(&outcome))
}

/// What dead runs left is settled before a new plan looks at the machine.
fn settle_the_dead(host: &mut dyn Host, config: &Config, screen: &Screen) -> Result<(), Stop> {
    let all = recover::recover(host, &config.state_dir)?;
    let unsettled: Vec<&Recovered> = all.iter().filter(|one| !one.end.is_clean()).collect();
    screen.recovered(&all);
    match unsettled.first() {
        None => Ok(()),
        Some(one) => Err(Stop::Unsettled(Refusal::new(
            format!("a dead run is not settled: its ledger '{}' is kept", one.path.display()),
            "Run 'holdstill recover' and do what it says, then try again.",
        ))),
    }
}
