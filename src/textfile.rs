//! The figures of the runs for the textfile collector of Prometheus' node exporter, in the text
//! format that it reads.
//!
//! All of them come from the history, so a run that fails still tells of the last one that did not.
//! Deliberately absent: labels. Which host it is, is the collector's to say.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::Config;
use crate::history::{self, Entry};
use crate::host::{Act, Ask, Fault, Host};
use crate::ledger;
use crate::memory::{self, Standing};
use crate::store;
use crate::units::Millis;

/// Writes the file anew from what is on disk of the runs to this destination. Idempotent; the
/// caller holds the run lock.
pub fn refresh(host: &mut dyn Host, config: &Config, path: &Path) -> Result<(), Fault> {
    let all = history::find(host, &config.state_dir)?;
    let all = history::of_destination(all, &config.destination.directory);
    let leftovers = ledger::find(host, &config.state_dir)?.len();
    let mut text = text(history::last(&all), history::last_success(&all), leftovers);
    text.push_str(&known(damaged(host, config)?));
    host.act(&Act::WriteReadable { path: path.into(), text }).map(drop)
}

/// The file's text: of the last run, of the last that published a backup, and how many ledgers are
/// there. What is not known is left out, but for the time of a success that never was: 0, so that
/// its age alarms.
pub fn text(last: Option<&Entry>, success: Option<&Entry>, leftovers: usize) -> String {
    let unix = |entry: &Entry| entry.ended.as_second().to_string();
    let of_success = |figure: fn(&Entry) -> Option<String>| success.and_then(figure);
    let gauges = [
        (
            "last_success_timestamp_seconds",
            "When the last run that published a backup ended; 0 if there was none.",
            Some(success.map_or("0".into(), unix)),
        ),
        ("last_run_timestamp_seconds", "When the last run ended.", last.map(unix)),
        (
            "last_run_exit_code",
            "The exit code of the last run; 0 and 5 have published a backup, -1 has told no end.",
            last.map(|entry| entry.exit.map_or("-1".into(), |exit| exit.to_string())),
        ),
        (
            "last_run_duration_seconds",
            "How long the last run took.",
            last.and_then(|entry| entry.took_ms.map(seconds)),
        ),
        (
            "backup_bytes",
            "What the last successful run copied.",
            of_success(|entry| entry.bytes.map(|bytes| bytes.0.to_string())),
        ),
        (
            "lock_waited_seconds",
            "How long the last successful run waited for its lock.",
            of_success(|entry| entry.waited_ms.map(seconds)),
        ),
        (
            "lock_held_seconds",
            "How long the last successful run held its lock.",
            of_success(|entry| entry.locked_ms.map(seconds)),
        ),
        (
            "cow_peak_ratio",
            "How full the COW store of the last successful run was seen, 1 is full.",
            of_success(|entry| entry.cow_percent_max.map(ratio)),
        ),
        (
            "leftovers",
            "Runs that died or left something, whose ledgers are kept.",
            Some(leftovers.to_string()),
        ),
    ];
    gauges.into_iter().filter_map(|(name, help, value)| Some(gauge(name, help, &value?))).collect()
}

/// How many backups of the destination are known to be damaged.
fn damaged(host: &dyn Host, config: &Config) -> Result<usize, Fault> {
    let names = host.list(&config.destination.directory)?;
    let mut damaged = 0;
    for run in names.iter().filter(|name| store::is_run(name)) {
        let standing = memory::recall(host, &config.state_dir, run)?.standing();
        damaged += usize::from(matches!(standing, Standing::Damaged(..)));
    }
    Ok(damaged)
}

/// What is known of the backups that are there.
fn known(damaged: usize) -> String {
    let help = "Backups of which a verification, a drill or their own run found something bad.";
    gauge("damaged_backups", help, &damaged.to_string())
}

fn gauge(name: &str, help: &str, value: &str) -> String {
    let mut text = String::new();
    let _cannot_fail = write!(
        text,
        "# HELP holdstill_{name} {help}\n# TYPE holdstill_{name} gauge\nholdstill_{name} {value}\n"
    );
    text
}

fn seconds(Millis(ms): Millis) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn ratio(percent: u64) -> String {
    format!("{}.{:02}", percent / 100, percent % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::tests::entry;
    use crate::units::Bytes;

    /// Reads the text as strictly as Prometheus' manual has it ("Text-based format"): each metric
    /// has its HELP, then its TYPE, then its one sample, and no name comes twice.
    fn parsed(text: &str) -> Vec<(String, f64)> {
        assert!(text.ends_with('\n'), "the last line has no end");
        let lines: Vec<&str> = text.lines().collect();
        let mut found: Vec<(String, f64)> = Vec::new();
        for one in lines.chunks(3) {
            let [help, kind, sample] = one else { panic!("no whole metric: {one:?}") };
            let (name, value) = sample.split_once(' ').expect("a name and a value");
            let letters = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("holdstill_") && name.chars().all(letters), "{name}");
            let told = help.strip_prefix(&format!("# HELP {name} ")).expect("its help");
            assert!(told.len() > 10 && !told.contains('\\'), "{told}");
            assert_eq!(*kind, format!("# TYPE {name} gauge"));
            assert!(found.iter().all(|(known, _)| known != name), "{name} comes twice");
            found.push((name.into(), value.parse().expect("a number")));
        }
        found
    }

    #[test]
    fn a_success_tells_everything() {
        let success = Entry {
            bytes: Some(Bytes(1_234_567)),
            waited_ms: Some(Millis(12)),
            locked_ms: Some(Millis(1034)),
            cow_percent_max: Some(7),
            ..entry(0, 0)
        };
        let told = parsed(&text(Some(&success), Some(&success), 0));
        let wanted = [
            ("holdstill_last_success_timestamp_seconds", 1_790_000_060.0),
            ("holdstill_last_run_timestamp_seconds", 1_790_000_060.0),
            ("holdstill_last_run_exit_code", 0.0),
            ("holdstill_last_run_duration_seconds", 60.25),
            ("holdstill_backup_bytes", 1_234_567.0),
            ("holdstill_lock_waited_seconds", 0.012),
            ("holdstill_lock_held_seconds", 1.034),
            ("holdstill_cow_peak_ratio", 0.07),
            ("holdstill_leftovers", 0.0),
        ];
        assert_eq!(told, wanted.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn a_failure_keeps_what_the_last_success_told() {
        let success = Entry { bytes: Some(Bytes(5)), ..entry(0, 0) };
        let told = parsed(&text(Some(&entry(100, 4)), Some(&success), 1));
        let value = |name: &str| told.iter().find(|(one, _)| one.ends_with(name)).map(|one| one.1);
        assert_eq!(value("last_success_timestamp_seconds"), Some(1_790_000_060.0));
        assert_eq!(value("last_run_timestamp_seconds"), Some(1_790_000_160.0));
        assert_eq!(value("last_run_exit_code"), Some(4.0));
        assert_eq!((value("backup_bytes"), value("leftovers")), (Some(5.0), Some(1.0)));
        assert_eq!(value("cow_peak_ratio"), None, "it was on a thin volume");
    }

    #[test]
    fn a_run_that_told_no_end_has_no_exit_code_and_alarms_all_the_same() {
        let died = Entry { exit: None, took_ms: None, backup: None, ..entry(100, 0) };
        let told = parsed(&text(Some(&died), Some(&entry(0, 0)), 0));
        let value = |name: &str| told.iter().find(|(one, _)| one.ends_with(name)).map(|one| one.1);
        assert_eq!(value("last_run_exit_code"), Some(-1.0));
        assert_eq!(value("last_run_duration_seconds"), None);
        assert_eq!(value("last_success_timestamp_seconds"), Some(1_790_000_060.0));
    }

    #[test]
    fn what_never_was_alarms() {
        let told = parsed(&text(Some(&entry(0, 3)), None, 0));
        assert_eq!(told[0], ("holdstill_last_success_timestamp_seconds".into(), 0.0));
        let none = parsed(&text(None, None, 0));
        let names: Vec<&str> = none.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["holdstill_last_success_timestamp_seconds", "holdstill_leftovers"]);
    }
}
