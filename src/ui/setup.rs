//! Texts and questions of the first configuration and its check.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use super::words::{Text, hanging};
use crate::plan::{Note, Refusal, Verdict};

/// How often it is looked whether somebody wants to stop while an answer is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A configuration that is right, in one line.
pub fn checked(file: &Path, seen: &[String]) -> String {
    format!("'{}' is right; looked at: {}\n", file.display(), seen.join(", "))
}

/// What `init` found, what it wrote, what an audit says to it, and what comes next.
pub fn found(
    notes: &[Note],
    wrote: Option<&Path>,
    audit: &Result<(), Vec<Refusal>>,
    next: &str,
    columns: Option<usize>,
) -> String {
    let mut text = Text::default();
    let mut line = |verdict: &str, aspect: &str, what: &str, columns: Option<usize>| {
        text.line(hanging(&format!("  {verdict}  {aspect:<14} "), what, columns));
    };
    for note in notes {
        let verdict = if note.verdict == Verdict::Pass { "pass" } else { "WARN" };
        line(verdict, note.aspect.name(), &note.found, columns);
    }
    match audit {
        Ok(()) => line("pass", "audit", "a backup could be made", columns),
        Err(refusals) => {
            for refusal in refusals {
                line("WARN", "audit", &refusal.what, columns);
                refusal.hint.iter().for_each(|hint| line("hint", "", hint, None));
            }
        }
    }
    let wrote = wrote.map_or_else(
        || "nothing was touched".into(),
        |file| format!("written: {} (mode 0600)", file.display()),
    );
    format!("{}\n{wrote}\n\n{next}", text.0)
}

/// Whether somebody can be asked: a terminal to read from and one to ask at.
pub fn is_a_person() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks at the terminal; an empty answer means the default. Nothing if the input ends, or if
/// `stopped` says so: a signal does not end the reading, so a second thread reads.
pub fn question(what: &str, default: &str, stopped: &dyn Fn() -> bool) -> Option<String> {
    super::complain(&format!("{what} [{default}]: "));
    let (sender, answers) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _nobody_waits = sender.send(read.ok().filter(|bytes| *bytes > 0).map(|_| line));
    });
    loop {
        match answers.recv_timeout(LOOK_EVERY) {
            Ok(answer) => {
                let answer = answer?.trim().to_owned();
                return Some(if answer.is_empty() { default.into() } else { answer });
            }
            Err(RecvTimeoutError::Timeout) if !stopped() => {}
            Err(_) => return None,
        }
    }
}
