//! `holdstill check`: the state of the backups for Nagios and its kin, read-only, on one line.
//! Whatever goes wrong on the way is UNKNOWN, and never OK.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use super::{ConfigFile, linux, read};
use crate::check::{self, State};
use crate::config::{self, CheckLimits};
use crate::error::Stop;
use crate::host::dry::DryRun;
use crate::host::{Ask, Fault, Host};
use crate::ui;
use crate::units::Millis;

/// What is asked for; what is left out is as configured.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// Warn if the newest backup is older.
    #[arg(long, value_name = "HOURS")]
    age_warning: Option<u64>,
    /// Alarm if the newest backup is older.
    #[arg(long, value_name = "HOURS")]
    age_critical: Option<u64>,
    /// Warn if writes were stopped for longer.
    #[arg(long, value_name = "MS")]
    locked_ms_warning: Option<u64>,
    /// Alarm if writes were stopped for longer.
    #[arg(long, value_name = "MS")]
    locked_ms_critical: Option<u64>,
}

/// Prints the line and gives its exit code. A panic must not look like an all-clear, nor like
/// anything else that a plugin says.
pub(super) fn check(options: &Options) -> ExitCode {
    let checked = catch_unwind(AssertUnwindSafe(|| checked(options)));
    let (line, state) = checked.unwrap_or_else(|_| unknown("the check itself is broken"));
    tell(&line, state)
}

/// The same where the command line is wrong.
pub(super) fn misused(told: &clap::Error) -> ExitCode {
    let text = told.to_string();
    let first = text.lines().next().unwrap_or("the command line is wrong");
    let (line, state) = unknown(first.trim_start_matches("error: "));
    tell(&line, state)
}

/// A line that nobody gets to see is no all-clear.
fn tell(line: &str, state: State) -> ExitCode {
    let state = match ui::show(line) {
        Ok(()) => state,
        Err(why) => {
            ui::complain(&format!("holdstill: {why:#}\n"));
            State::Unknown
        }
    };
    ExitCode::from(state.number())
}

/// Whether a command line that cannot be read was to be a check.
pub(super) fn is_meant(words: impl Iterator<Item = OsString>) -> bool {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    words.skip(1).find(|word| !is_option(word)).is_some_and(|word| word == "check")
}

fn unknown(why: &str) -> (String, State) {
    (check::unknown(why), State::Unknown)
}

fn checked(options: &Options) -> (String, State) {
    look(options).unwrap_or_else(|why| unknown(&why))
}

fn look(options: &Options) -> Result<(String, State), String> {
    let host = DryRun(linux().map_err(|stop| stop.to_string())?);
    let config = read(&host, &options.file.config).map_err(|stop: Stop| stop.to_string())?;
    let limits = limits(options, config.monitoring.limits)?;
    let seen = check::look(&host, &config).map_err(|fault| explained(&host, &fault))?;
    let found = check::judge(&seen, &limits);
    Ok((check::line(&found, &seen, &limits), check::worst(&found)))
}

/// A fault of one who is not root is most often only that.
fn explained(host: &dyn Host, fault: &Fault) -> String {
    match host.machine() {
        Ok(machine) if machine.uid != 0 => format!("{fault} (run it as root, by 'sudo')"),
        _ => fault.to_string(),
    }
}

fn limits(options: &Options, configured: CheckLimits) -> Result<CheckLimits, String> {
    let limits = CheckLimits {
        age_warning_hours: options.age_warning.unwrap_or(configured.age_warning_hours),
        age_critical_hours: options.age_critical.unwrap_or(configured.age_critical_hours),
        locked_ms_warning: options.locked_ms_warning.map_or(configured.locked_ms_warning, Millis),
        locked_ms_critical: options
            .locked_ms_critical
            .map_or(configured.locked_ms_critical, Millis),
    };
    match config::complain_of_limits(&limits).first() {
        None => Ok(limits),
        Some((name, what)) => Err(format!("{name}: {what}")),
    }
}
