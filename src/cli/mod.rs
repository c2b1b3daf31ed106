//! The command line: what is typed becomes one call each, in a file each. Only here: clap.

mod at;
mod audit;
mod backup;
mod catalog;
mod check;
mod configuration;
mod drill;
mod explain;
mod init;
mod offsite;
mod prune;
mod recover;
mod restore;
mod table;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{self, Complaint, Config};
use crate::error::{Code, Stop};
use crate::hooks;
use crate::host::linux::{self, Linux, deadman};
use crate::host::traced::Traced;
use crate::host::{Act, Host, Login, jail};
use crate::locks::{self, Held};
use crate::plan::{Aspect, Refusal};
use crate::ui::{self, Screen};

/// Where the configuration is looked for.
const CONFIG: &str = "/etc/holdstill/holdstill.toml";

/// Online backups of MySQL and MariaDB from an LVM snapshot.
#[derive(Debug, Parser)]
#[command(version = VERSION.as_str(), about, after_help = EXIT_CODES)]
struct Args {
    /// Print what is looked at, too, on standard error.
    #[arg(long, short, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// The version and what it was built from: the commit and its day, which `scripts/build` tells the
/// compiler. Nobody else knows them for certain.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let from = option_env!("HOLDSTILL_BUILT_FROM").unwrap_or("built by hand");
    format!("{} ({from})", env!("CARGO_PKG_VERSION"))
});

/// The table of `error.rs`, for people.
const EXIT_CODES: &str = "\
Exit codes:
  0 done and clean            4 failed, rolled back clean
  1 unexpected                5 published, something is left (ledger kept)
  2 usage or configuration    6 failed, something is left (ledger kept)
  3 refused, nothing touched  8 a drill did not prove the backup
  9 a backup is damaged       10 a backup is not pushed
  75 another run, drill or push is alive
  129, 130, 143 interrupted by SIGHUP, SIGINT, SIGTERM; rolled back clean
  check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN";

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at the machine and write a first configuration.
    Init(init::Init),
    /// Check the configuration, or show what it means.
    #[command(subcommand)]
    Config(configuration::Command),
    /// Make one backup.
    Backup(backup::Typed),
    /// Show what a backup would look at and do, and touch nothing.
    Audit(audit::Options),
    /// Settle what dead runs left behind. Safe to run at any time.
    Recover(Ledgers),
    /// List the backups of the destination and what is known of each, the newest last.
    List(catalog::List),
    /// Show everything that is known of one backup.
    Show(catalog::Show),
    /// Write one page about the backups and the runs for a browser: HTML that needs nothing else.
    Report(catalog::ReportOptions),
    /// Remove the backups that no rule under [retention] keeps, and tell the reason for each.
    Prune(prune::Options),
    /// Send a backup to the places under [[offsite]], and compare it there.
    Push(offsite::PushOptions),
    /// Bring a backup back from a place under [[offsite]], and read it whole.
    Fetch(offsite::FetchOptions),
    /// Make a data directory of a backup again, read it back, and tell how it becomes a replica.
    Restore(restore::Options),
    /// Read backups whole and hold them against their manifests.
    Verify(verify::Options),
    /// Prove a backup: start a private server on a throw-away copy of it, and check what it finds.
    Drill(drill::Typed),
    /// Explain an aspect of the audit or an exit code; without a name, list them.
    Explain {
        /// Such as 'destination', 'write rate' or '6'.
        name: Vec<String>,
    },
    /// Tell monitoring how the backups are: one line and exit code as a Nagios plugin.
    Check(check::Options),
    /// Thaw and let go if the parent dies. Started by a backup, never by hand.
    #[command(hide = true, name = deadman::COMMAND)]
    DeadMan {
        /// What the parent hands over.
        charge: String,
    },
    /// Build a jail and wait for its end. Started by a drill, never by hand.
    #[command(hide = true, name = jail::COMMAND)]
    Jail {
        /// What is in it.
        charge: String,
    },
    /// Start a server in a jail. Started by the jail, never by hand.
    #[command(hide = true, name = linux::jail::INSIDE)]
    Jailed {
        /// What is in it.
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

/// The command line as data, for what is written of it: manual pages and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the program and tells its exit code.
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(told) if told.use_stderr() && check::is_meant(std::env::args_os()) => {
            return check::misused(&told);
        }
        Err(told) => return usage(&told).into(),
    };
    ui::tell_of_panics();
    ui::log_to_stderr(args.verbose);
    let ended = match &args.command {
        Command::DeadMan { charge } => return deadman::run(charge).into(),
        Command::Jail { charge } => return linux::jail::run(charge).into(),
        Command::Jailed { charge } => return linux::jail::inside(charge).into(),
        Command::Check(options) => return check::check(options),
        Command::Init(wanted) => init::init(wanted),
        Command::Config(command) => configuration::run(command),
        Command::Backup(typed) => return backup::backup(typed, args.verbose).into(),
        Command::Audit(options) => audit::run(options),
        Command::Recover(ledgers) => recover::recover(ledgers),
        Command::Explain { name } => explain::explain(name),
        Command::Push(options) => offsite::push(options),
        Command::Fetch(options) => offsite::fetch(options),
        Command::Prune(options) => prune::prune(options),
        Command::Restore(options) => restore::restore(options),
        Command::Verify(options) => verify::verify(options),
        Command::List(options) => catalog::list(options),
        Command::Show(options) => catalog::show(options),
        Command::Report(options) => catalog::report(options),
        Command::Drill(typed) => drill::drill(typed, args.verbose),
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
        // A private server is tried every few milliseconds until it answers.
        if matches!(event.what, Act::Visit(_)) && event.outcome.is_err() {
            return;
        }
        screen.act(&event.what.to_string(), event.nanos, event.outcome.as_ref().err());
    })
}

/// clap prints help and version to standard output and complaints to standard error.
fn usage(told: &clap::Error) -> Code {
    let _nobody_reads = told.print();
    if told.use_stderr() { Code::Usage } else { Code::Clean }
}

/// What went wrong besides, a line each.
fn tell(wrong: &[String]) {
    for one in wrong {
        ui::complain(&format!("holdstill: {one}\n"));
    }
}

fn read(host: &dyn Host, file: &Path) -> Result<Config, Stop> {
    config::load(host, file).map_err(Stop::Usage)
}

/// The destination, if it is there. That there is nothing in one which is not mounted must not pass
/// for an answer.
fn destination<'a>(host: &dyn Host, config: &'a Config) -> Result<&'a Path, Stop> {
    let directory = &config.destination.directory;
    config::destination_directory(host, directory).map_err(of_destination)?;
    Ok(directory)
}

/// The same where something is removed or published by us: nobody else may change what is in it.
fn own_destination<'a>(host: &dyn Host, config: &'a Config) -> Result<&'a Path, Stop> {
    let directory = &config.destination.directory;
    config::destination(host, directory).map_err(of_destination)?;
    Ok(directory)
}

fn of_destination(complaint: Complaint) -> Stop {
    Refusal { aspect: Some(Aspect::Destination), ..complaint.into() }.into()
}

/// The rest of what a run needs to be told: the login, and hooks that can be run.
fn login(host: &dyn Host, config: &Config) -> Result<Login, Stop> {
    hooks::check(host, config).map_err(Stop::Usage)?;
    let login = config::login(host, config, linux::credentials_directory());
    login.map_err(|complaint| Stop::Usage(vec![complaint]))
}

/// Keeps what is read from being removed meanwhile. Where that cannot be had it is told: nobody
/// restores or verifies at leisure.
fn keep(host: &mut dyn Host, state_dir: &Path, kind: &str, who: &str) {
    match locks::begin(host, state_dir, kind, who) {
        Ok(None) => {}
        Ok(Some(why)) => tell(&[why]),
        Err(fault) => tell(&[format!("what is read is not kept from a pruning: {fault}")]),
    }
}

/// Takes the run lock, or tells who has it; taken again by the same process it only says more.
fn lock(host: &mut dyn Host, state_dir: &Path, who: &str) -> Result<(), Stop> {
    match locks::take(host, state_dir, locks::RUN_LOCK, who)? {
        Held::Ours => Ok(()),
        Held::Others(holder) => Err(Stop::Busy { holder }),
    }
}
