//! What a drill found, and what is remembered of it.

use std::path::Path;

use serde::Serialize;

use super::plan::Way;
use crate::host::{Ask, Fault, Host};
use crate::memory::{self, Finding, How, PROBLEMS_MAX};
use crate::units::Millis;

/// The most problems that are told in words; all are counted.
const TOLD_MAX: usize = 100;

/// What a drill found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The run that made the backup.
    pub backup: String,
    /// The private server's program.
    pub program: std::path::PathBuf,
    /// Its version, as it says it.
    #[serde(rename = "program_version")]
    pub version: String,
    /// What it ran on.
    pub way: Way,
    /// From its start to its first answer; nothing if it never gave one.
    pub ready_ms: Option<Millis>,
    /// What was compared with the backup's record and is the same.
    pub same: Vec<String>,
    /// What could not be compared, and why.
    pub not_compared: Vec<String>,
    /// The tables.
    pub tables: Checked,
    /// How many assertions hold, and how many there are.
    pub assertions: (usize, usize),
    /// How many problems there are.
    pub problems_found: u64,
    /// The first of them, in words.
    pub problems: Vec<String>,
    /// What is no problem by itself: what the server called an error while everything was whole,
    /// and warnings of checks.
    pub remarks: Vec<String>,
    /// How long it all took.
    pub took_ms: Millis,
}

/// How far the tables were checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// How many there are.
    pub all: usize,
    /// How many were checked.
    pub checked: usize,
    /// How many of these have an engine that cannot check.
    pub uncheckable: usize,
}

/// What a drill tells while it goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The files are copied first.
    Copying,
    /// The server starts.
    Starting,
    /// It answers, after so long.
    Ready(Millis),
    /// So many tables are checked; told every few seconds.
    Checking(Checked),
    /// Something is wrong with the backup.
    Problem(String),
}

impl Report {
    /// Nothing is known yet.
    pub(super) fn new(backup: &str, program: &Path, version: &str, way: Way) -> Self {
        Self {
            backup: backup.into(),
            program: program.into(),
            version: version.into(),
            way,
            ready_ms: None,
            same: Vec::new(),
            not_compared: Vec::new(),
            tables: Checked::default(),
            assertions: (0, 0),
            problems_found: 0,
            problems: Vec::new(),
            remarks: Vec::new(),
            took_ms: Millis(0),
        }
    }

    /// Whether a server came up and found nothing wrong.
    pub fn is_sound(&self) -> bool {
        self.problems_found == 0 && self.ready_ms.is_some()
    }

    /// One more problem.
    pub(super) fn problem(&mut self, what: String) {
        self.problems_found += 1;
        if self.problems.len() < TOLD_MAX {
            self.problems.push(what);
        }
    }

    /// One more remark.
    pub(super) fn remark(&mut self, what: String) {
        if self.remarks.len() < TOLD_MAX && !self.remarks.contains(&what) {
            self.remarks.push(what);
        }
    }
}

/// Keeps what was found with what else is known of the backup.
pub fn remember(host: &mut dyn Host, state_dir: &Path, report: &Report) -> Result<(), Fault> {
    let finding = Finding {
        at: host.machine()?.began(),
        took_ms: report.took_ms,
        files: None,
        bytes: None,
        ready_ms: report.ready_ms,
        problems_found: report.problems_found,
        problems: report.problems.iter().take(PROBLEMS_MAX).cloned().collect(),
    };
    memory::remember(host, state_dir, &report.backup, How::Drill, finding)
}
