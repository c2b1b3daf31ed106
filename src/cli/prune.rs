//! `holdstill prune`, and what a backup does of the same kind at its end.

use super::{ConfigFile, at, linux, lock, machine, own_destination, read, shown, tell};
use crate::config::Config;
use crate::error::{Code, Stop};
use crate::host::Host;
use crate::host::dry::DryRun;
use crate::host::linux::service::Service;
use crate::locks;
use crate::retention::{self, Pruned, Pruning, Rules};
use crate::run::Outcome;
use crate::ui::{self, Manner, Screen, Streams};

const NO_RULE: &str = "nothing is ever removed: there is no rule under [retention]\n";

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// Show what would be removed and what kept, and touch nothing, not even the run lock.
    #[arg(long)]
    dry_run: bool,
    /// At this place under [[offsite]] instead, by the rules of that place.
    #[arg(long, value_name = "NAME")]
    at: Option<String>,
}

/// Every backup with its reason; then, unless it is only asked, what is to go goes.
pub(super) fn prune(options: &Options) -> Result<Code, Stop> {
    if let Some(place) = &options.at {
        return at::prune(&options.file, place, options.dry_run);
    }
    if options.dry_run {
        return dry(options);
    }
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &options.file.config)?;
    let Some(rules) = rules(&config) else { return Ok(Code::Clean) };
    own_destination(&host, &config)?;
    lock(&mut host, &config.state_dir, &format!("a pruning, {}", locks::REMOVES))?;
    if let Some(holder) = locks::alive(&host, &config.state_dir)? {
        return Err(Stop::Busy { holder });
    }
    let pruning = surveyed(&host, &config, rules)?;
    ui::tell(&ui::pruning(&pruning));
    let done = retention::prune(&mut host, &pruning);
    drop(host);
    ui::tell(&ui::pruned(&pruning, &done));
    tell(&done.failed);
    Ok(code(&done))
}

/// The decorator refuses every act.
fn dry(options: &Options) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, &options.file.config)?;
    let Some(rules) = rules(&config) else { return Ok(Code::Clean) };
    own_destination(&host, &config)?;
    let pruning = surveyed(&host, &config, rules)?;
    ui::tell(&ui::pruning(&pruning));
    ui::tell("nothing was touched\n");
    Ok(Code::Clean)
}

fn surveyed(host: &dyn Host, config: &Config, rules: &Rules) -> Result<Pruning, Stop> {
    let (destination, state_dir) = (&config.destination.directory, &config.state_dir);
    Ok(retention::survey(host, destination, state_dir, rules, None)?)
}

fn rules(config: &Config) -> Option<&Rules> {
    if config.retention.is_none() {
        ui::tell(NO_RULE);
    }
    config.retention.as_ref()
}

fn code(done: &Pruned) -> Code {
    match done.signal.map(u8::try_from) {
        Some(Ok(signal)) => Code::Interrupted(signal),
        _ if done.failed.is_empty() => Code::Clean,
        _ => Code::Unexpected,
    }
}

/// After a run. Its backup is published, so what goes wrong here is told, and the exit code stays.
/// What was not as it should be, each in a line.
pub(super) fn after(
    host: &mut dyn Host,
    config: &Config,
    run: &str,
    outcome: &Outcome,
    screen: &Screen,
) -> Vec<String> {
    if config.retention.is_none() {
        return Vec::new();
    }
    if let Err(why) = alone(host, config, run) {
        return vec![format!("no old backup is removed: {why}")];
    }
    let (pruning, done) = match retention::after(host, config, run, outcome) {
        Ok(Some(pruned)) => pruned,
        Ok(None) => return Vec::new(),
        Err(fault) => return vec![format!("no old backup is removed: {fault}")],
    };
    screen.pruned(&pruning, &done);
    let mut told = pruning.warnings();
    told.extend(done.failed);
    if let Some(signal) = done.signal {
        told.push(format!("interrupted by signal {signal}: the next run goes on with old backups"));
    }
    told
}

/// Says in the run lock what comes, and that nobody reads what may go. Only in this order: a reader
/// that begins meanwhile sees one of the two.
fn alone(host: &mut dyn Host, config: &Config, run: &str) -> Result<(), String> {
    let who = format!("run {run}, {}", locks::REMOVES);
    lock(host, &config.state_dir, &who).map_err(|stop| stop.to_string())?;
    match locks::alive(host, &config.state_dir) {
        Ok(None) => Ok(()),
        Ok(Some(holder)) => Err(format!("{holder} is alive")),
        Err(fault) => Err(fault.to_string()),
    }
}
