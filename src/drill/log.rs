//! What the private server says while it starts and works: how far it is, and what it complains of.

use std::collections::VecDeque;

use crate::host::jail::{BEGUN, BUILT, OVER};

/// How many of its last lines are kept.
const LINES_MAX: usize = 60;
/// How many complaints are kept.
const ERRORS_MAX: usize = 20;
/// How many lines, and how many letters, a message shows.
const SHOWN_MAX: usize = 6;
const WORDS_MAX: usize = 800;
/// How many letters of a line are shown while it goes on.
const LINE_CHARS_MAX: usize = 160;

/// What was heard so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// The process that sees what the jail sees.
    pub(super) pid: Option<u32>,
    /// When the server's process began, in nanoseconds of the monotonic clock.
    pub(super) begun: Option<u64>,
    /// How it ended, if it did.
    pub(super) over: Option<String>,
    lines: VecDeque<String>,
    errors: Vec<String>,
}

impl Log {
    /// Takes what was heard.
    pub(super) fn take(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(pid) = line.strip_prefix(BUILT) {
            self.pid = pid.trim().parse().ok();
        } else if let Some(nanos) = line.strip_prefix(BEGUN) {
            self.begun = nanos.trim().parse().ok();
        } else if let Some(how) = line.strip_prefix(OVER) {
            self.over = Some(how.to_owned());
        } else {
            let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
            let error = without_time(&line);
            // What is damaged is read again and again, and complained of each time.
            let told = self.errors.iter().any(|known| known == error);
            if is_error(&line) && !told && self.errors.len() < ERRORS_MAX {
                self.errors.push(error.to_owned());
            }
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            self.lines.push_back(line);
        }
    }

    /// What it called an error, without the times.
    pub(super) fn errors(&self) -> &[String] {
        &self.errors
    }

    /// The lines that a message shows: its complaints, or its last words.
    pub(super) fn words(&self) -> String {
        let words = if self.errors.is_empty() {
            let skip = self.lines.len().saturating_sub(SHOWN_MAX);
            let last = self.lines.iter().skip(skip).map(|line| without_time(line));
            last.collect::<Vec<_>>().join("; ")
        } else {
            self.errors[..self.errors.len().min(SHOWN_MAX)].join("; ")
        };
        match words.char_indices().nth(WORDS_MAX) {
            _ if words.is_empty() => "it said nothing".into(),
            Some((end, _)) => format!("{} ...", &words[..end]),
            None => words,
        }
    }
}

/// MariaDB and MySQL write the level in brackets.
fn is_error(line: &str) -> bool {
    line.contains("[ERROR]") || line.contains("[FATAL]")
}

/// A line of the server's as it is shown: without what is before its level, and no longer than a
/// line should be.
pub(super) fn shown(line: &str) -> String {
    let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
    without_time(&line).chars().take(LINE_CHARS_MAX).collect()
}

/// From the level on: what is before it are times and the numbers of threads.
fn without_time(line: &str) -> &str {
    let level = ["[ERROR]", "[FATAL]", "[Note]", "[Warning]", "[System]"];
    level.iter().find_map(|level| line.find(level)).map_or(line, |at| &line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_lines_and_complaints_are_told_apart() {
        let mut log = Log::default();
        let lines = [
            "@jail 4711",
            "@begun 12000000",
            "2026-11-23  1:00:00 0 [Note] InnoDB: Starting crash recovery",
            "2026-11-23  1:00:01 0 [ERROR] InnoDB: Page [page id: 5] is corrupted",
            "@over it was killed by SIGABRT",
        ];
        log.take(&lines.map(String::from));
        assert_eq!((log.pid, log.begun), (Some(4711), Some(12_000_000)));
        assert_eq!(log.over.as_deref(), Some("it was killed by SIGABRT"));
        assert_eq!(log.words(), "[ERROR] InnoDB: Page [page id: 5] is corrupted");
    }

    #[test]
    fn of_much_the_last_is_kept_and_of_complaints_the_first() {
        let mut log = Log::default();
        log.take(&(0..500).map(|n| format!("line {n}")).collect::<Vec<_>>());
        assert_eq!(log.words(), "line 494; line 495; line 496; line 497; line 498; line 499");
        log.take(&(0..500).map(|n| format!("[ERROR] {n}")).collect::<Vec<_>>());
        assert!(log.words().starts_with("[ERROR] 0; "));
        assert_eq!(log.errors().len(), ERRORS_MAX);
    }
}
