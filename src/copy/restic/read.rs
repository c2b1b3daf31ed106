//! What restic prints: the JSON of 0.14 and of later versions, which tell more. What a version does
//! not tell is absent, and what is not known here is passed over.

use serde::Deserialize;

use crate::sums::Progress;
use crate::units::Bytes;

/// A snapshot of restic's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: String,
    /// What it was called first, if restic has written it anew since, as 'tag', 'rewrite' and
    /// 'copy' do.
    pub original: Option<String>,
    /// The host that it is of.
    pub hostname: String,
    /// Its tags; null if it has none.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}

impl Snapshot {
    /// Whether it has a tag.
    pub fn has(&self, tag: &str) -> bool {
        self.tags.iter().flatten().any(|one| one == tag)
    }

    /// Whether it is, or was, called so.
    pub fn is(&self, id: &str) -> bool {
        self.id == id || self.original.as_deref() == Some(id)
    }

    /// What stands behind a key among its tags.
    pub fn tag(&self, key: &str) -> Option<&str> {
        let mut tags = self.tags.iter().flatten();
        tags.find_map(|tag| tag.strip_prefix(key)?.strip_prefix('='))
    }
}

/// Reads `restic snapshots --json`; some versions print null where there is none.
pub fn snapshots(text: &str) -> Result<Vec<Snapshot>, String> {
    let all: Option<Vec<Snapshot>> = serde_json::from_str(text.trim())
        .map_err(|error| format!("expected a list of snapshots: {error}; restic said: {text}"))?;
    Ok(all.unwrap_or_default())
}

/// One thing in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// `file`, `dir`, `symlink` or another.
    #[serde(rename = "type")]
    pub is: String,
    /// From the root of the snapshot, so with a slash in front.
    pub path: String,
    /// A file's bytes; absent of everything else, and of an empty file.
    #[serde(default)]
    pub size: u64,
}

/// Reads a line of `restic ls --json`: the first one is of the snapshot itself.
pub fn node(line: &str) -> Result<Option<Node>, String> {
    #[derive(Deserialize)]
    struct Kind {
        struct_type: Option<String>,
    }
    let wrong = |error| format!("expected a file of a snapshot: {error}; restic said: {line}");
    let kind: Kind = serde_json::from_str(line).map_err(wrong)?;
    if kind.struct_type.as_deref() != Some("node") {
        return Ok(None);
    }
    serde_json::from_str(line).map(Some).map_err(wrong)
}

/// What restic prints while it saves or restores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The first thing that went wrong with a single file.
    pub error: Option<String>,
}

#[derive(Deserialize)]
#[allow(clippy::struct_field_names, reason = "they are restic's own")]
struct Message {
    message_type: String,
    #[serde(default)]
    total_bytes: u64,
    bytes_done: Option<u64>,
    bytes_restored: Option<u64>,
    #[serde(default)]
    error: Option<serde_json::Value>,
    #[serde(default)]
    item: String,
    message: Option<String>,
}

impl Tail {
    /// Takes one line; a status line gives the progress. What is not JSON is passed over: 0.14
    /// prints words where later versions do not.
    pub fn read(&mut self, line: &str) -> Option<Progress> {
        let message: Message = serde_json::from_str(line).ok()?;
        match message.message_type.as_str() {
            "status" => {
                let done = message.bytes_done.or(message.bytes_restored).unwrap_or(0);
                let (bytes, total) = (Bytes(done), Bytes(message.total_bytes));
                return (total.0 > 0).then_some(Progress { bytes, total });
            }
            "error" => {
                let told = of_item(&message);
                self.error.get_or_insert(told);
            }
            _ => {}
        }
        None
    }
}

fn of_item(message: &Message) -> String {
    let error = message.error.as_ref();
    let why = error.and_then(|error| error.get("message").or(Some(error)));
    let why = why.map(|why| why.as_str().map_or_else(|| why.to_string(), ToOwned::to_owned));
    format!("'{}': {}", message.item, why.unwrap_or_default())
}

/// Why restic did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// In its own words, as far as it has any.
    pub why: String,
    /// A full sentence that names what helps, where that is known.
    pub hint: Option<&'static str>,
    /// Whether it has looked, and found damage.
    pub is_damage: bool,
    /// Whether restic's own words may be shown.
    pub is_shown: bool,
}

/// Where restic says so it repeats the address, with a password that may be in it.
const UNREADABLE_ADDRESS: &str = "parsing repository location failed";

const NO_REPOSITORY: &str = "Make it once: restic --repository-file FILE --password-file FILE \
                             init; with 'credentials_file' say AWS_SHARED_CREDENTIALS_FILE=THAT in \
                             front.";
const LOCKED: &str = "Look who works in it with 'restic list locks' and 'restic cat lock ID'; if \
                      nobody does any more, run 'restic unlock', then try again.";
const PASSWORD: &str = "The file named by 'password_file' has to hold the repository's password.";
const ADDRESS: &str = "Write the signs '/', '%', '#', '?' and '@' of a password in an address as \
                       '%2F', '%25', '%23', '%3F' and '%40'.";
const INCOMPLETE: &str = "Look at what it names: a file that cannot be read is not in the backup.";

/// How restic says that it has read something, and that it is not what it should be. It tells of a
/// repository with errors where it could not read it, too.
const OF_CONTENT: [&str; 6] = [
    "does not match",
    "verification failed",
    "unexpected",
    "invalid data returned",
    "does not exist",
    "not found in index",
];

/// What an end that is none of success means: by the exit status of restic 0.17 and later, by the
/// words of the earlier ones. `error` is what was told of a single file.
pub fn failure(code: Option<i32>, stderr: &str, error: Option<&str>) -> Failure {
    let has = |part: &str| stderr.contains(part);
    if has(UNREADABLE_ADDRESS) {
        let why = "restic cannot read the address in 'repository_file'".into();
        return Failure { why, hint: Some(ADDRESS), is_damage: false, is_shown: false };
    }
    let said = words(stderr);
    let (what, hint) = match code {
        None => ("restic was ended by a signal".into(), None),
        Some(3) => ("restic could not read everything (status 3)".into(), Some(INCOMPLETE)),
        Some(code) => (format!("restic ended with status {code}"), None),
    };
    let hint = hint.or(match code {
        Some(10) => Some(NO_REPOSITORY),
        Some(11) => Some(LOCKED),
        Some(12) => Some(PASSWORD),
        _ if has("Is there a repository at") || has("unable to open config") => Some(NO_REPOSITORY),
        _ if has("already locked") => Some(LOCKED),
        _ if has("wrong password or no key") => Some(PASSWORD),
        _ => None,
    });
    let said = error.into_iter().map(ToOwned::to_owned).chain(Some(said));
    let said: Vec<String> = said.filter(|one| !one.is_empty()).collect();
    let colon = if said.is_empty() { "" } else { ": " };
    let why = format!("{what}{colon}{}", said.join("; "));
    let is_damage = has("repository contains errors") && OF_CONTENT.iter().any(|word| has(word));
    Failure { why, hint, is_damage, is_shown: true }
}

/// The words in what was said: later versions wrap them in JSON.
fn words(stderr: &str) -> String {
    let line = |line: &str| match serde_json::from_str::<Message>(line) {
        Ok(message) if message.message_type == "error" => of_item(&message),
        Ok(message) => message.message.unwrap_or_default(),
        Err(_) => line.to_owned(),
    };
    let lines: Vec<String> = stderr.split("; ").map(line).filter(|one| !one.is_empty()).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS_014: &str = include_str!("../../../tests/facts/restic/0.14-snapshots.json");
    const LS_014: &str = include_str!("../../../tests/facts/restic/0.14-ls.jsonl");
    const BACKUP_014: &str = include_str!("../../../tests/facts/restic/0.14-backup.jsonl");
    const RUN: &str = "20261123T010203Z-00002a";

    #[test]
    fn snapshots_of_either_version_are_read() {
        let [data, one] = &snapshots(FACTS_014).unwrap()[..] else { panic!("not two") };
        assert!(data.has("holdstill.data") && one.tag("data") == Some(&data.id));
        assert!(one.has("holdstill") && !one.has("holdstill.data") && !one.has("run"));
        assert_eq!((one.tag("run"), one.tag("bytes")), (Some(RUN), Some("588898")));
        assert_eq!((one.hostname.as_str(), one.id.len()), ("db1", 64));
        // Written by the manual of 0.18: a summary, and the program's version.
        let later = r#"[{"time":"2026-11-23T09:35:00.494300193+01:00","tree":"51","paths":["/b"],
            "hostname":"db1","program_version":"restic 0.18.0","summary":{"files_new":2},
            "id":"2c36","short_id":"2c36"}]"#;
        let [one] = &snapshots(later).unwrap()[..] else { panic!("not one") };
        assert_eq!((one.has("holdstill"), one.tag("run")), (false, None));
        assert_eq!(snapshots("null\n").unwrap(), []);
        assert_eq!(snapshots("[]").unwrap(), []);
        for end in 0..FACTS_014.trim_end().len() {
            assert!(snapshots(&FACTS_014[..end]).is_err());
        }
    }

    #[test]
    fn what_is_in_a_snapshot_is_read_line_by_line() {
        let nodes: Vec<_> = LS_014.lines().filter_map(|line| node(line).unwrap()).collect();
        let told: Vec<_> =
            nodes.iter().map(|one| (one.is.as_str(), one.path.as_str(), one.size)).collect();
        assert_eq!(told[0], ("file", "/backup.json", 3));
        assert!(told.contains(&("symlink", "/tree/db/l", 0)), "{told:?}");
        assert!(told.contains(&("file", "/tree/db/t.ibd", 588_895)), "{told:?}");
        assert!(node("{").is_err());
    }

    #[test]
    fn progress_and_summary_are_read_and_other_words_passed_over() {
        let mut tail = Tail::default();
        let seen: Vec<_> = BACKUP_014.lines().filter_map(|line| tail.read(line)).collect();
        assert!(seen.iter().any(|one| one.total.0 > 0), "{seen:?}");
        let line = r#"{"message_type":"status","total_bytes":8,"bytes_done":2}"#;
        assert_eq!(tail.read(line), Some(Progress { bytes: Bytes(2), total: Bytes(8) }));
        let line = r#"{"message_type":"status","total_bytes":8,"bytes_restored":2}"#;
        assert_eq!(tail.read(line), Some(Progress { bytes: Bytes(2), total: Bytes(8) }));
        assert_eq!(tail.read("restoring <Snapshot 2c> to out"), None);
        let line = r#"{"message_type":"error","error":{"message":"no"},"item":"/a"}"#;
        assert_eq!((tail.read(line), tail.error), (None, Some("'/a': no".into())));
    }

    #[test]
    fn a_failure_is_told_with_what_helps_by_status_or_by_words() {
        let hint = |code, words: &str| failure(Some(code), words, None).hint;
        assert_eq!(hint(1, "unable to create lock in backend: repository is already locked"), {
            Some(LOCKED)
        });
        assert_eq!(hint(11, ""), Some(LOCKED));
        assert_eq!(hint(1, "Fatal: wrong password or no key found"), Some(PASSWORD));
        assert_eq!(hint(12, ""), Some(PASSWORD));
        let none = "Fatal: unable to open config file: stat /tmp/nix/config: no such file or \
                    directory; Is there a repository at the following location?; /tmp/nix";
        assert_eq!(hint(1, none), Some(NO_REPOSITORY));
        assert_eq!(hint(10, ""), Some(NO_REPOSITORY));
        // As Go prints an address that it cannot take apart, with the password.
        let address = "Fatal: parsing repository location failed: parse \"https://u:pa/ss@h/\": \
                       invalid port \":pa\" after host";
        let told = failure(Some(1), address, None);
        assert!(
            !told.is_shown && !told.why.contains("pa/ss") && !told.why.contains(":pa"),
            "{told:?}"
        );
        assert_eq!(told.hint, Some(ADDRESS));
        let read = "Pack ID does not match, want 3f, got 12; Fatal: repository contains errors";
        assert!(failure(Some(1), read, None).is_damage);
        let unread = "Load(<data/3f>): connection reset; Fatal: repository contains errors";
        assert!(!failure(Some(1), unread, None).is_damage);
        assert!(!failure(Some(1), "Fatal: connection reset", None).is_damage);
        assert_eq!(hint(1, "Fatal: something"), None);
        let told = failure(Some(3), "", Some("'/a': no"));
        assert_eq!(told.why, "restic could not read everything (status 3): '/a': no");
        let json = r#"{"message_type":"exit_error","code":12,"message":"Fatal: wrong"}"#;
        assert_eq!(failure(Some(12), json, None).why, "restic ended with status 12: Fatal: wrong");
    }
}
