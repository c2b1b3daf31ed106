//! The backups for programs. The shapes are `packaging/schema/list.json` and `show.json`, which a
//! test holds against these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::catalog::{Backup, Catalog, Position};
use crate::memory::{Finding, How};
use crate::units::Millis;

/// One element of the array of `holdstill list --json`, oldest run first. Keys may be added to it;
/// none goes or changes its meaning.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    /// The run, which is the backup's name.
    run: String,
    /// The directory.
    path: String,
    /// `published`, `verified`, `drilled` or `damaged`; `partial` if it is not finished, `removing`
    /// if it is on its way out, `unreadable` if its record is, `not ours` if it is somebody else's.
    state: &'static str,
    /// Since when it is known to be verified, drilled or damaged, in UTC (RFC 3339).
    since: Option<String>,
    /// What is wrong with it, in words.
    problem: Option<String>,
    /// What helps, in a sentence.
    hint: Option<&'static str>,
    /// When its run began, in UTC (RFC 3339).
    started: Option<String>,
    /// How long ago that was, in seconds; negative if it is yet to come.
    age_s: Option<i64>,
    /// The server, such as `MariaDB 11.8.6-MariaDB`.
    server: Option<String>,
    /// The bytes of its files.
    bytes: Option<u64>,
    /// How many regular files it has.
    files: Option<u64>,
    /// How long the lock was waited for, in milliseconds.
    waited_ms: Option<u64>,
    /// How long it was held, in milliseconds.
    locked_ms: Option<u64>,
    /// How long a volume was seen suspended, in milliseconds, if it was seen.
    suspended_ms: Option<u64>,
    /// How long the run took, in milliseconds.
    took_ms: Option<u64>,
    /// How full its COW store was at its fullest, in percent, if it had one.
    cow_percent_max: Option<u64>,
    /// Where it stands in the stream of changes.
    position: Option<Place>,
}

/// Where a backup stands in the stream of changes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// The server's own set of GTIDs.
    Gtid(String),
    /// The server's own binary log.
    Own {
        /// The file.
        file: String,
        /// The position in it, in bytes.
        position: u64,
    },
    /// The binary log of its source, as far as the first channel has executed it.
    Source {
        /// The file.
        file: String,
        /// The position in it, in bytes.
        position: u64,
    },
}

/// The answer of `holdstill show --json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    /// The version of this shape; keys may be added to it, none goes or changes its meaning.
    version: u32,
    /// What a list tells of it.
    #[serde(flatten)]
    listed: Listed,
    /// What verifications and drills found, by how it was looked: `verify`, `sample` or `drill`,
    /// the newest of each.
    found: BTreeMap<String, Found>,
    /// Why what they found cannot be read.
    found_unreadable: Option<String>,
    /// Its `backup.json`, as it is.
    record: Option<Value>,
    /// How its run went, as in the history and in the facts of the hooks.
    outcome: Option<Value>,
}

/// What one look found.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the names are those of the memory")]
struct Found {
    /// When it was over, in UTC (RFC 3339).
    at: String,
    /// How long it took, in milliseconds.
    took_ms: u64,
    /// How many files were read.
    files: Option<u64>,
    /// How many bytes were read.
    bytes: Option<u64>,
    /// How long a server took until it could be used, in milliseconds.
    ready_ms: Option<u64>,
    /// How many problems there are.
    problems_found: u64,
    /// The first of them, in words.
    problems: Vec<String>,
}

/// The array of all backups.
pub fn list(catalog: &Catalog) -> String {
    let all: Vec<Listed> = catalog.backups.iter().map(|one| listed(catalog, one)).collect();
    text(&all)
}

/// All that is known of one.
pub fn show(catalog: &Catalog, one: &Backup) -> String {
    let known = one.known.as_ref().ok();
    let of = |(how, finding): (&How, &Finding)| (word(*how).to_owned(), found(finding));
    text(&Shown {
        version: 1,
        listed: listed(catalog, one),
        found: known.map(|known| known.found.iter().map(of).collect()).unwrap_or_default(),
        found_unreadable: one.known.as_ref().err().cloned(),
        record: one.ours.as_ref().map(|ours| ours.record.clone()),
        outcome: one.outcome.as_ref().and_then(|outcome| serde_json::to_value(outcome).ok()),
    })
}

fn text(answer: &impl Serialize) -> String {
    serde_json::to_string(answer).map_or_else(|why| why.to_string(), |text| text + "\n")
}

pub(super) fn word(how: How) -> &'static str {
    match how {
        How::Verify => "verify",
        How::Sample => "sample",
        How::Drill => "drill",
        How::Shared => "shared",
    }
}

fn listed(catalog: &Catalog, one: &Backup) -> Listed {
    let summary = one.ours.as_ref().map(|ours| &ours.summary);
    let figures = summary.filter(|_| one.state.is_published());
    let ms = |ms: Millis| ms.0;
    let age = |began: jiff::Timestamp| catalog.at.as_second().saturating_sub(began.as_second());
    Listed {
        run: one.run.clone(),
        path: one.path.display().to_string(),
        state: one.state.word(),
        since: one.state.since().map(|at| at.to_string()),
        problem: one.state.problem().map(String::from),
        hint: one.state.hint(),
        started: one.began.map(|began| began.to_string()),
        age_s: one.began.map(age),
        server: summary.and_then(|all| all.server.as_ref()).map(ToString::to_string),
        bytes: figures.map(|all| all.copied.bytes.0),
        files: figures.and_then(|all| all.copied.files),
        waited_ms: figures.map(|all| all.window.waited_ms.0),
        locked_ms: figures.map(|all| all.window.locked_ms.0),
        suspended_ms: figures.and_then(|all| all.window.suspended_ms).map(ms),
        took_ms: one.took_ms().map(ms),
        cow_percent_max: one.cow_percent(),
        position: figures.and_then(|_| one.position()).map(place),
    }
}

fn place(position: Position) -> Place {
    match position {
        Position::Gtid(set) => Place::Gtid(set),
        Position::Own(file, position) => Place::Own { file, position },
        Position::Source(file, position) => Place::Source { file, position },
    }
}

fn found(finding: &Finding) -> Found {
    Found {
        at: finding.at.to_string(),
        took_ms: finding.took_ms.0,
        files: finding.files,
        bytes: finding.bytes.map(|bytes| bytes.0),
        ready_ms: finding.ready_ms.map(|ms| ms.0),
        problems_found: finding.problems_found,
        problems: finding.problems.clone(),
    }
}
