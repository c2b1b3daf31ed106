//! The outcomes of runs on disk, a file each, for monitoring: written once, when a run is over and
//! its ledger is closed. A run that died has none; its ledger tells of it.
//!
//! Deliberately absent: any say in what a run does. What cannot be written costs a message.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Code, Stop};
use crate::host::{Act, Ask, Fault, Host, UNFINISHED};
use crate::run::{Event, Outcome};
use crate::units::{Bytes, Millis};

/// The version of the format that this program writes; others are told and not read.
pub const VERSION: u32 = 1;

/// How many outcomes are kept: the newest, and the last that published, if it is older than they.
pub const RUNS_KEPT_MAX: usize = 100;

/// What the files end with.
const END: &str = ".json";

/// How a run went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The format's version.
    pub version: u32,
    /// The run.
    pub run: String,
    /// The host it ran on.
    pub host: String,
    /// When it began, in UTC.
    pub started: Timestamp,
    /// When it was over, in UTC.
    pub ended: Timestamp,
    /// How long it took, on the monotonic clock.
    pub took_ms: Millis,
    /// The exit code.
    pub exit: u8,
    /// The phase it failed in; nothing if it did not, or if it had not begun.
    pub phase: Option<String>,
    /// Why it failed.
    pub fault: Option<String>,
    /// The backup, if one was published.
    pub backup: Option<PathBuf>,
    /// How long the lock was waited for, if the window was reached.
    pub waited_ms: Option<Millis>,
    /// How long the lock was held, from having it to having released it.
    pub locked_ms: Option<Millis>,
    /// How long a volume was seen suspended, if it was seen.
    pub suspended_ms: Option<Millis>,
    /// What was copied, if all was.
    pub bytes: Option<Bytes>,
    /// How many regular files that were.
    pub files: Option<u64>,
    /// How long copying took.
    pub copy_ms: Option<Millis>,
    /// How full the fullest COW store was seen, in percent; nothing where there was none.
    pub cow_percent_max: Option<u64>,
    /// What is left behind, each in words.
    pub left: Vec<String>,
    /// Why the ledger is kept although nothing is known to be left.
    pub kept: Option<String>,
}

/// What a run told of itself while it went on.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    waited_ms: Option<Millis>,
    locked_ms: Option<Millis>,
    suspended_ms: Option<Millis>,
    bytes: Option<Bytes>,
    files: Option<u64>,
    copy_ms: Option<Millis>,
    cow_percent_max: Option<u64>,
}

/// A run from its beginning, whatever becomes of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    run: String,
    host: String,
    started: Timestamp,
    began_ns: u64,
}

impl Figures {
    /// Takes down what an event tells.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Window(times) => {
                self.waited_ms = Some(times.waited_ms);
                self.locked_ms = Some(times.locked_ms);
                self.suspended_ms = times.suspended_ms;
            }
            Event::Copied(all, took) => {
                (self.bytes, self.files) = (Some(all.bytes), Some(all.files));
                self.copy_ms = Some(*took);
            }
            Event::Filling(filling) => {
                self.cow_percent_max = self.cow_percent_max.max(Some(filling.percent));
            }
            _ => {}
        }
    }
}

impl Attempt {
    /// A run begins.
    pub fn begin(host: &dyn Host) -> Result<Self, Fault> {
        let machine = host.machine()?;
        let (run, started) = (machine.run_id(), machine.began());
        Ok(Self { run, host: machine.host, started, began_ns: host.now()? })
    }

    /// Its id, which its plan, its ledger and its record have as well.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The host it runs on.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// When it began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// How a run that began went.
    pub fn outcome(&self, host: &dyn Host, outcome: &Outcome, figures: &Figures) -> Entry {
        let failure = outcome.result.as_ref().err();
        let figures = figures.clone();
        Entry {
            phase: failure.map(|failure| failure.phase.to_owned()),
            fault: failure.map(|failure| failure.fault.to_string()),
            backup: outcome.published().cloned(),
            waited_ms: figures.waited_ms,
            locked_ms: figures.locked_ms,
            suspended_ms: figures.suspended_ms,
            bytes: figures.bytes,
            files: figures.files,
            copy_ms: figures.copy_ms,
            cow_percent_max: figures.cow_percent_max,
            left: outcome.left.iter().map(|one| format!("{}: {}", one.claim, one.fault)).collect(),
            kept: outcome.kept.as_ref().map(ToString::to_string),
            ..self.over(host, Code::of(outcome))
        }
    }

    /// How a run went that did not begin.
    pub fn stopped(&self, host: &dyn Host, stop: &Stop) -> Entry {
        Entry { fault: Some(stop.to_string()), ..self.over(host, stop.code()) }
    }

    /// It is over. A clock that cannot be read costs a figure and nothing else.
    fn over(&self, host: &dyn Host, code: Code) -> Entry {
        let ended = host.machine().map_or(self.started, |machine| machine.began());
        let nanos = host.now().unwrap_or(self.began_ns).saturating_sub(self.began_ns);
        Entry {
            version: VERSION,
            run: self.run.clone(),
            host: self.host.clone(),
            started: self.started,
            ended,
            took_ms: Millis(nanos / 1_000_000),
            exit: code.number(),
            phase: None,
            fault: None,
            backup: None,
            waited_ms: None,
            locked_ms: None,
            suspended_ms: None,
            bytes: None,
            files: None,
            copy_ms: None,
            cow_percent_max: None,
            left: Vec::new(),
            kept: None,
        }
    }
}

/// The directory of the outcomes below the state directory.
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("runs")
}

/// Writes an outcome, and removes those that are too old. Idempotent.
pub fn save(host: &mut dyn Host, state_dir: &Path, entry: &Entry) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(entry).map_err(|e| Fault::refused(e.to_string()))?;
    let path = directory(state_dir).join(format!("{}{END}", entry.run));
    host.act(&Act::MakeDir(directory(state_dir)))?;
    host.act(&Act::WriteFile { path, text: text + "\n" })?;
    prune(host, state_dir)
}

/// Removes the oldest but for the last success, whose figures are still told, and what interrupted
/// writes left.
fn prune(host: &mut dyn Host, state_dir: &Path) -> Result<(), Fault> {
    let directory = directory(state_dir);
    let names = host.list(&directory)?;
    for name in names.iter().filter_map(|name| name.strip_suffix(UNFINISHED)) {
        if name.ends_with(END) && !names.iter().any(|whole| whole == name) {
            host.act(&Act::RemoveFile(directory.join(name)))?;
        }
    }
    let whole: Vec<&String> = names.iter().filter(|name| name.ends_with(END)).collect();
    let old = whole.len().saturating_sub(RUNS_KEPT_MAX);
    if old == 0 {
        return Ok(());
    }
    let all = find(host, state_dir)?;
    let success = last_success(&all).map(|entry| format!("{}{END}", entry.run));
    for name in whole[..old].iter().filter(|name| Some(**name) != success.as_ref()) {
        host.act(&Act::RemoveFile(directory.join(name)))?;
    }
    Ok(())
}

/// Every outcome, oldest run first, or why one cannot be read. None where there is no directory.
pub fn find(host: &dyn Host, state_dir: &Path) -> Result<Vec<Result<Entry, String>>, Fault> {
    let directory = directory(state_dir);
    let names = host.list(&directory)?;
    let read = |name: &String| {
        let path = directory.join(name);
        let text = host.file(&path).map_err(|fault| fault.to_string())?;
        parse(&text.unwrap_or_default()).map_err(|why| format!("'{}': {why}", path.display()))
    };
    Ok(names.iter().filter(|name| name.ends_with(END)).map(read).collect())
}

/// Reads an outcome's text.
pub fn parse(text: &str) -> Result<Entry, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } =
        serde_json::from_str(text).map_err(|e| format!("it is not an outcome: {e}"))?;
    if version != VERSION {
        return Err(format!("expected outcome version {VERSION}, found version {version}"));
    }
    serde_json::from_str(text).map_err(|e| format!("it is damaged: {e}"))
}

/// The outcome that came last. A run that found another one alive began later and ended earlier.
pub fn last(all: &[Result<Entry, String>]) -> Option<&Entry> {
    all.iter().flatten().max_by_key(|entry| entry.ended)
}

/// The outcome that last published a backup.
pub fn last_success(all: &[Result<Entry, String>]) -> Option<&Entry> {
    all.iter().flatten().filter(|entry| entry.backup.is_some()).max_by_key(|entry| entry.ended)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::host::linux::Linux;

    pub(crate) fn entry(second: i64, exit: u8) -> Entry {
        let started = Timestamp::from_second(1_790_000_000 + second).unwrap();
        let attempt = Attempt {
            run: format!("{}-00002a", started.strftime("%Y%m%dT%H%M%SZ")),
            host: "db1".into(),
            started,
            began_ns: 0,
        };
        let refused = Stop::Busy { holder: "another".into() };
        let entry = attempt.stopped(&crate::host::dry::DryRun(Linux::new().unwrap()), &refused);
        let backup = matches!(exit, 0 | 5).then(|| "/backup/one".into());
        let ended = started + jiff::SignedDuration::from_secs(60);
        Entry { ended, took_ms: Millis(60_250), exit, backup, fault: None, ..entry }
    }

    fn runs(state_dir: &Path) -> Vec<String> {
        Linux::new().unwrap().list(&directory(state_dir)).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_nobody_else_reads_it() {
        use std::os::unix::fs::MetadataExt as _;
        let home = tempfile::tempdir().unwrap();
        let mut host = Linux::new().unwrap();
        assert_eq!(find(&host, home.path()), Ok(Vec::new()));
        save(&mut host, home.path(), &entry(0, 0)).unwrap();
        save(&mut host, home.path(), &entry(0, 0)).unwrap();
        assert_eq!(find(&host, home.path()), Ok(vec![Ok(entry(0, 0))]));
        let file = directory(home.path()).join(&runs(home.path())[0]);
        assert_eq!(host.entry(&file).unwrap().unwrap().mode, 0o600);
        #[allow(clippy::disallowed_methods, reason = "a test")]
        let meta = std::fs::metadata(directory(home.path())).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o700);
    }

    #[test]
    fn the_newest_are_kept_and_the_last_success_beyond_them() {
        let home = tempfile::tempdir().unwrap();
        let mut host = Linux::new().unwrap();
        for (second, exit) in [(0, 0), (1, 0), (2, 4)] {
            save(&mut host, home.path(), &entry(second, exit)).unwrap();
        }
        let stray = directory(home.path()).join("20260101T000000Z-00002a.json.new");
        host.act(&Act::WriteFile { path: stray, text: "{".into() }).unwrap();
        for second in 3..=102 {
            save(&mut host, home.path(), &entry(second, 4)).unwrap();
        }
        let all = find(&host, home.path()).unwrap();
        assert_eq!(all.len(), RUNS_KEPT_MAX + 1);
        assert_eq!(last_success(&all), Some(&entry(1, 0)));
        assert_eq!(last(&all), Some(&entry(102, 4)));
        assert_eq!(all[1], Ok(entry(3, 4)), "2 is gone");
        assert!(runs(home.path()).iter().all(|name| name.ends_with(END)), "a stray is left");
    }

    #[test]
    fn another_version_is_told_and_a_cut_one_as_well() {
        let text = serde_json::to_string(&entry(0, 0)).unwrap();
        let other = text.replace("\"version\":1", "\"version\":2");
        assert_eq!(parse(&other), Err("expected outcome version 1, found version 2".into()));
        for end in 0..text.len() {
            assert!(parse(&text[..end]).is_err());
        }
        assert_eq!(parse(&text), Ok(entry(0, 0)));
    }
}
