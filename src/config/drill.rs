//! From what is typed to what is meant, of the drill.
//!
//! Deliberately absent: whether a program, a directory or a file is there, and whether an assertion
//! is a statement; the drill itself finds out.

use super::check::Check;
use super::{Drill, raw};
use crate::units::{Bytes, Millis};

const MEMORY: Bytes = Bytes(128 << 20);
const SECONDS_MAX: u64 = 4 * 3600;
const QUIET_SECONDS_MAX: u64 = 600;

/// The least that InnoDB takes for pages of every size, and the most that can be meant.
const MEMORY_MIN: Bytes = Bytes(32 << 20);
const MEMORY_MAX: Bytes = Bytes(1 << 40);

/// The most assertions that a configuration has.
const ASSERTIONS_MAX: usize = 1_000;

impl Default for Drill {
    /// Where there is no configuration.
    fn default() -> Self {
        Self {
            directory: None,
            server: None,
            memory: MEMORY,
            ms_max: Millis(SECONDS_MAX * 1000),
            quiet_ms_max: Millis(QUIET_SECONDS_MAX * 1000),
            assertions: Vec::new(),
            assertions_file: None,
        }
    }
}

impl Check<'_> {
    pub(super) fn drill(&mut self, raw: raw::Drill) -> Drill {
        let seconds = self.seconds("drill.seconds_max", raw.seconds_max, SECONDS_MAX);
        let quiet =
            self.seconds("drill.quiet_seconds_max", raw.quiet_seconds_max, QUIET_SECONDS_MAX);
        let mut path = |key: &str, text: Option<String>| {
            text.map(|text| self.path(&format!("drill.{key}"), &text))
        };
        let directory = path("directory", raw.directory);
        let server = path("server", raw.server);
        let assertions_file = path("assertions_file", raw.assertions_file);
        Drill {
            directory,
            server,
            memory: self.memory(raw.memory),
            ms_max: Millis(seconds.saturating_mul(1000)),
            quiet_ms_max: Millis(quiet.saturating_mul(1000)),
            assertions: self.assertions(raw.assertions.unwrap_or_default()),
            assertions_file,
        }
    }

    fn memory(&mut self, given: Option<Bytes>) -> Bytes {
        let memory = given.unwrap_or(MEMORY);
        if !(MEMORY_MIN..=MEMORY_MAX).contains(&memory) {
            let what = format!("expected {MEMORY_MIN} to {MEMORY_MAX}, found {memory}");
            let hint = "It is a size, as in 'memory = \"512MiB\"', beside what production takes.";
            self.complain("drill.memory", what, hint);
        }
        memory
    }

    fn assertions(&mut self, given: Vec<String>) -> Vec<String> {
        if given.len() > ASSERTIONS_MAX {
            let what =
                format!("expected {ASSERTIONS_MAX} assertions at most, found {}", given.len());
            self.complain("drill.assertions", what, "Put them into one that counts.");
        }
        let blank = |text: &String| text.trim().is_empty() || text.contains('\0');
        if given.iter().any(blank) {
            let hint = "Write, for example: assertions = [\"SELECT COUNT(*) > 0 FROM db.t\"].";
            self.complain("drill.assertions", "expected a statement, found nothing", hint);
        }
        given
    }
}
