//! The outcomes of runs on disk, a file each, for monitoring: written once, when a run is over and
//! its ledger is closed. A run that died has none, but a ledger; who settles that notes it here.
//!
//! Deliberately absent: any say in what a run does. What cannot be written costs a message.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Code, Stop};
use crate::host::{Act, Ask, Fault, Host, UNFINISHED, run_began};
use crate::ledger::Ledger;
use crate::run::{Drilled, Event, Outcome};
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
    /// Where its backup was to go: of two servers on a host, whose it is. Nothing if its
    /// configuration could not be read.
    pub destination: Option<PathBuf>,
    /// When it began, in UTC.
    pub started: Timestamp,
    /// When it was over, in UTC; of one that has not told its end, when that was settled.
    pub ended: Timestamp,
    /// How long it took, on the monotonic clock; nothing if it has not told its end.
    pub took_ms: Option<Millis>,
    /// The exit code; nothing if it has not told its end.
    pub exit: Option<u8>,
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
    destination: Option<PathBuf>,
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
            Event::Linked(all, _) => {
                self.bytes = self.bytes.map(|bytes| Bytes(bytes.0 + all.bytes.0));
                self.files = self.files.map(|files| files + all.files);
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
        let began_ns = host.now()?;
        Ok(Self { run, host: machine.host, destination: None, started, began_ns })
    }

    /// The same, once it is known what it is to do.
    #[must_use]
    pub fn of(self, config: &Config) -> Self {
        Self { destination: Some(config.destination.directory.clone()), ..self }
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
            fault: failure.map(|failure| failure.fault.to_string()).or_else(|| unproven(outcome)),
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
        let took_ms = Some(Millis(nanos / 1_000_000));
        Entry { took_ms, exit: Some(code.number()), ..self.untold(ended) }
    }

    /// Nothing is known of it but that it is over.
    fn untold(&self, ended: Timestamp) -> Entry {
        Entry {
            version: VERSION,
            run: self.run.clone(),
            host: self.host.clone(),
            destination: self.destination.clone(),
            started: self.started,
            ended,
            took_ms: None,
            exit: None,
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

/// How a run ended that has told no end, as far as its ledger tells; `backup` is what it published
/// all the same, and `by` is who has settled what it left.
pub fn untold(ledger: &Ledger, now: Timestamp, backup: Option<PathBuf>, by: &str) -> Entry {
    let attempt = Attempt {
        run: ledger.run.clone(),
        host: ledger.host.clone(),
        destination: ledger.destination().map(Path::to_path_buf),
        started: run_began(&ledger.run).unwrap_or(now),
        began_ns: 0,
    };
    let fault = format!("it died, or was not sure that the server goes on; settled by {by}");
    Entry { fault: Some(fault), backup, ..attempt.untold(now) }
}

/// The directory of the outcomes below the state directory.
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("runs")
}

/// The outcome of a run.
pub fn path(state_dir: &Path, run: &str) -> PathBuf {
    directory(state_dir).join(format!("{run}{END}"))
}

/// Writes an outcome, and removes those that are too old. Idempotent; the caller has the run lock.
pub fn save(host: &mut dyn Host, state_dir: &Path, entry: &Entry) -> Result<(), Fault> {
    write(host, state_dir, entry)?;
    prune(host, state_dir)
}

/// Writes an outcome, and touches no other: whoever has the run lock may be at work on those.
pub fn write(host: &mut dyn Host, state_dir: &Path, entry: &Entry) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(entry).map_err(|e| Fault::refused(e.to_string()))?;
    host.act(&Act::MakeDir(directory(state_dir)))?;
    let path = path(state_dir, &entry.run);
    host.act(&Act::WriteFile { path, text: text + "\n" }).map(drop)
}

/// Removes the oldest but for the last success of each destination, whose figures are still told,
/// and what interrupted writes left.
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
    let places: BTreeSet<_> = all.iter().flatten().map(|entry| &entry.destination).collect();
    let last = |place: &Option<PathBuf>| {
        let of_place = all.iter().flatten().filter(|entry| entry.destination == *place);
        newest(of_place.filter(|entry| entry.backup.is_some())).map(|entry| &entry.run)
    };
    let kept: Vec<String> =
        places.into_iter().filter_map(last).map(|run| format!("{run}{END}")).collect();
    for name in whole[..old].iter().filter(|name| !kept.contains(name)) {
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

/// Of all outcomes those of one destination, and those of which nobody knows whose they are.
pub fn of_destination(
    all: Vec<Result<Entry, String>>,
    destination: &Path,
) -> Vec<Result<Entry, String>> {
    let is_of = |entry: &Entry| entry.destination.as_ref().is_none_or(|one| one == destination);
    all.into_iter().filter(|one| one.as_ref().map_or(true, is_of)).collect()
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
    newest(all.iter().flatten())
}

/// The outcome that last published a backup.
pub fn last_success(all: &[Result<Entry, String>]) -> Option<&Entry> {
    newest(all.iter().flatten().filter(|entry| entry.backup.is_some()))
}

fn newest<'a>(all: impl Iterator<Item = &'a Entry>) -> Option<&'a Entry> {
    all.max_by_key(|entry| entry.ended)
}

/// Why a published backup is not proven, where a drill was asked for.
fn unproven(outcome: &Outcome) -> Option<String> {
    match &outcome.drilled {
        Drilled::Failed(why) => Some(format!("the drill failed: {why}")),
        Drilled::NotAsked | Drilled::Sound(..) => None,
    }
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
            destination: Some("/backup".into()),
            started,
            began_ns: 0,
        };
        let refused = Stop::Busy { holder: "another".into() };
        let entry = attempt.stopped(&crate::host::dry::DryRun(Linux::new().unwrap()), &refused);
        let backup = matches!(exit, 0 | 5).then(|| "/backup/one".into());
        let ended = started + jiff::SignedDuration::from_secs(60);
        let took_ms = Some(Millis(60_250));
        Entry { ended, took_ms, exit: Some(exit), backup, fault: None, ..entry }
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
    fn of_two_servers_each_keeps_its_last_success_and_is_told_its_own() {
        let home = tempfile::tempdir().unwrap();
        let mut host = Linux::new().unwrap();
        let other = Entry { destination: Some("/other".into()), ..entry(0, 0) };
        save(&mut host, home.path(), &other).unwrap();
        let unknown = Entry { destination: None, ..entry(1, 2) };
        save(&mut host, home.path(), &unknown).unwrap();
        for second in 2..=102 {
            save(&mut host, home.path(), &entry(second, 0)).unwrap();
        }
        let all = find(&host, home.path()).unwrap();
        assert_eq!((all.len(), &all[0]), (RUNS_KEPT_MAX + 1, &Ok(other.clone())));
        let of = |place: &str| of_destination(all.clone(), Path::new(place));
        assert_eq!(of("/other/"), [Ok(other)]);
        assert_eq!(of("/backup").len(), RUNS_KEPT_MAX);
        assert_eq!(of_destination(vec![Ok(unknown.clone())], Path::new("/x")), [Ok(unknown)]);
        assert_eq!(of_destination(vec![Err("cut".into())], Path::new("/x")).len(), 1);
    }

    #[test]
    fn who_is_alone_removes_and_nobody_else() {
        let home = tempfile::tempdir().unwrap();
        let mut host = Linux::new().unwrap();
        let stray = directory(home.path()).join("20260101T000000Z-00002a.json.new");
        host.act(&Act::MakeDir(directory(home.path()))).unwrap();
        host.act(&Act::WriteFile { path: stray, text: "{".into() }).unwrap();
        for second in 0..=101 {
            write(&mut host, home.path(), &entry(second, 75)).unwrap();
        }
        assert_eq!(runs(home.path()).len(), 103, "it removed what another one may be writing");
        save(&mut host, home.path(), &entry(102, 4)).unwrap();
        assert_eq!(runs(home.path()).len(), RUNS_KEPT_MAX);
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
