//! The command line: what is typed becomes one call each. Only this file knows clap.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use crate::config::{self, Config, StateDir};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::linux::{self, Linux, deadman};
use crate::host::traced::Traced;
use crate::host::{Act, Ask, Fault, Host, Login};
use crate::plan::{self, Refusal};
use crate::recover::{self, Recovered};
use crate::ui::{self, Screen};
use crate::{ledger, run, store};

/// Where the configuration is looked for.
const CONFIG: &str = "/etc/holdstill/holdstill.toml";

/// Online backups of MySQL and MariaDB from an LVM snapshot.
#[derive(Debug, Parser)]
#[command(version, about, after_help = EXIT_CODES)]
struct Args {
    /// Print what is looked at, too, on standard error.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// The table of `error.rs`, for people.
const EXIT_CODES: &str = "\
Exit codes:
  0 done and clean            4 failed, rolled back clean
  1 unexpected                5 published, something is left (ledger kept)
  2 usage or configuration    6 failed, something is left (ledger kept)
  3 refused, nothing touched  75 another run is alive
  129, 130, 143 interrupted by SIGHUP, SIGINT, SIGTERM; rolled back clean";

#[derive(Debug, Subcommand)]
enum Command {
    /// Make one backup.
    Backup(ConfigFile),
    /// Show what a backup would look at and do, and touch nothing.
    Audit(ConfigFile),
    /// Settle what dead runs left behind. Safe to run at any time.
    Recover(Ledgers),
    /// List the backups of the destination.
    List(ConfigFile),
    /// Thaw and let go if the parent dies. Started by a backup, never by hand.
    #[command(hide = true, name = deadman::COMMAND)]
    DeadMan {
        /// What the parent hands over.
        charge: String,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = CONFIG)]
    config: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Ledgers {
    #[command(flatten)]
    file: ConfigFile,
    /// Settle what this directory tells of, and read no configuration at all.
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
}

/// Runs the program and tells its exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(told) => return usage(&told).into(),
    };
    ui::log_to_stderr(args.verbose);
    let ended = match &args.command {
        Command::DeadMan { charge } => return deadman::run(charge).into(),
        Command::Backup(file) => backup(&file.config),
        Command::Audit(file) => audit(&file.config),
        Command::Recover(ledgers) => recover(ledgers),
        Command::List(file) => list(&file.config),
    };
    let code = ended.unwrap_or_else(|stop| {
        ui::complain(&stop.message());
        stop.code()
    });
    code.into()
}

/// The machine, with the lab's switches where they are compiled in.
#[cfg(feature = "wrong-designs")]
fn machine() -> Result<impl Host, Stop> {
    Ok(crate::host::lab::Lab::new(linux()?))
}

/// The machine.
#[cfg(not(feature = "wrong-designs"))]
fn machine() -> Result<impl Host, Stop> {
    linux()
}

fn linux() -> Result<Linux, Stop> {
    Ok(Linux::new().context("cannot prepare the process")?)
}

/// A host that shows its acts on the screen.
fn shown(screen: &Screen, host: impl Host) -> Traced<impl Host> {
    let screen = screen.clone();
    Traced::new(host, move |event| {
        screen.act(&event.what.to_string(), event.nanos, event.outcome.as_ref().err());
    })
}

/// clap prints help and version to standard output and complaints to standard error.
fn usage(told: &clap::Error) -> Code {
    let _nobody_reads = told.print();
    if told.use_stderr() { Code::Usage } else { Code::Clean }
}

/// One backup: lock, settle the dead, plan, run, report.
fn backup(file: &Path) -> Result<Code, Stop> {
    let screen = Screen::new();
    let mut host = shown(&screen, machine()?);
    let (config, login) = load(&host, file)?;
    if host.entry(&config.state_dir).map_err(Refusal::from)?.is_some() {
        lock(&mut host, &config.state_dir, "a run that still plans")?;
        settle_the_dead(&mut host, &config, &screen)?;
    }
    let plan = plan::make::plan(&host, &config, &login)?;
    lock(&mut host, &config.state_dir, &format!("run {}", plan.run))?;
    host.act(&Act::MakeDir(ledger::directory(&config.state_dir)))?;
    screen.begin(&plan);
    let outcome = run::backup(&mut host, &plan, &mut |event| screen.event(&event));
    drop(host);
    screen.outcome(&plan, &outcome);
    Ok(Code::of(&outcome))
}

/// The plan and what was found, printed; every act is refused by the decorator.
fn audit(file: &Path) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let (config, login) = load(&host, file)?;
    let dead = ledger::find(&host, &config.state_dir)?;
    let plan = plan::make::plan(&host, &config, &login)?;
    ui::tell(&ui::audit(&plan, &dead));
    Ok(Code::Clean)
}

/// Settles every dead run; 6 if something is left. A ledger says by itself what is to be done, so
/// a configuration that cannot be read does not stop it; but then it is never a success, since the
/// ledgers may be elsewhere.
fn recover(from: &Ledgers) -> Result<Code, Stop> {
    let screen = Screen::new();
    let mut host = shown(&screen, linux()?);
    let (state_dir, complaints) = match &from.state_dir {
        Some(told) => (StateDir::Told(told.clone()), Vec::new()),
        None => config::state_dir(&host, &from.file.config),
    };
    let (StateDir::Told(path) | StateDir::Assumed(path)) = &state_dir;
    if !complaints.is_empty() {
        ui::complain(&Stop::Usage(complaints).message());
        ui::complain(&format!("settling what is in '{}' all the same\n", path.display()));
    }
    let code = settle(&mut host, path)?;
    drop(host);
    match (state_dir, code) {
        (StateDir::Assumed(_), Code::Clean) => Ok(Code::Usage),
        (_, code) => Ok(code),
    }
}

fn settle(host: &mut dyn Host, state_dir: &Path) -> Result<Code, Stop> {
    if host.entry(state_dir)?.is_none() {
        ui::tell("nothing to recover\n");
        return Ok(Code::Clean);
    }
    lock(host, state_dir, "a recovery")?;
    let all = recover::recover(host, state_dir)?;
    ui::tell(&ui::recovered(&all));
    let clean = all.iter().all(|one| one.end.is_clean());
    Ok(if clean { Code::Clean } else { Code::FailedLeft })
}

fn list(file: &Path) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, file)?;
    ui::tell(&ui::list(&store::list(&host, &config.destination.directory)?));
    Ok(Code::Clean)
}

fn read(host: &dyn Host, file: &Path) -> Result<Config, Stop> {
    config::load(host, file).map_err(Stop::Usage)
}

fn load(host: &dyn Host, file: &Path) -> Result<(Config, Login), Stop> {
    let config = read(host, file)?;
    let login = config::login(host, &config, linux::credentials_directory());
    let login = login.map_err(|complaint| Stop::Usage(vec![complaint]))?;
    Ok((config, login))
}

/// Takes the run lock, or tells who has it; taken again by the same process it only says more.
fn lock(host: &mut dyn Host, state_dir: &Path, who: &str) -> Result<(), Stop> {
    host.act(&Act::MakeDir(state_dir.into()))?;
    let machine = host.machine()?;
    let text = format!("{who}, process {}, since {}", machine.pid, machine.began());
    match host.act(&Act::TakeRunLock { path: state_dir.join("lock"), text }) {
        Ok(_) => Ok(()),
        Err(Fault::Refused(holder)) => Err(Stop::Busy { holder: holder.why }),
        Err(other) => Err(other.into()),
    }
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
