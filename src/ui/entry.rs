//! How a run ended, for those who watch services: one line for the manager, and an entry of the
//! journal whose fields can be asked for (`journalctl HOLDSTILL_EXIT=4`). Pure: data in, data out.

use super::report;
use super::voice::{Ending, SoFar};

/// The kinds of entries (`MESSAGE_ID`); each was drawn once, and stays.
const PUBLISHED: &str = "4d191de6b238472ba352c241424ede6b";
const FAILED: &str = "1466f23bcc2440c8ae8c15312f50e9c4";
const NOT_BEGUN: &str = "53c97b9159094e4e9213bf554d987e35";

/// The journal's priorities, syslog(3).
const ERROR: u8 = 3;
const WARNING: u8 = 4;
const NOTICE: u8 = 5;

/// How it ended, in one line.
pub(super) fn status(end: &Ending<'_>, so_far: &SoFar) -> String {
    report::success(end, so_far).unwrap_or_else(|| {
        let trouble = report::trouble(end);
        trouble.lines().next().unwrap_or_default().trim_start_matches("holdstill: ").to_owned()
    })
}

/// The fields of the entry that says `message`.
pub(super) fn fields(
    end: &Ending<'_>,
    so_far: &SoFar,
    message: &str,
) -> Vec<(&'static str, String)> {
    let (id, priority) = match end {
        Ending::NotBegun(_) => (NOT_BEGUN, ERROR),
        Ending::Run(_, outcome) if outcome.result.is_err() => (FAILED, ERROR),
        Ending::Run(_, outcome) if outcome.is_clean() => (PUBLISHED, NOTICE),
        Ending::Run(..) => (PUBLISHED, WARNING),
    };
    let phase = match end {
        Ending::Run(_, outcome) => outcome.result.as_ref().err().map(|failure| failure.phase),
        Ending::NotBegun(_) => None,
    };
    let window = so_far.window.as_ref();
    let fields = [
        ("MESSAGE", Some(message.to_owned())),
        ("MESSAGE_ID", Some(id.to_owned())),
        ("PRIORITY", Some(priority.to_string())),
        ("SYSLOG_IDENTIFIER", Some("holdstill".to_owned())),
        ("HOLDSTILL_EXIT", Some(end.code().number().to_string())),
        ("HOLDSTILL_PHASE", Some(phase.unwrap_or(so_far.phase).to_owned())),
        ("HOLDSTILL_RUN", so_far.run.clone()),
        ("HOLDSTILL_WAITED_MS", window.map(|times| times.waited_ms.0.to_string())),
        ("HOLDSTILL_LOCKED_MS", window.map(|times| times.locked_ms.0.to_string())),
        ("HOLDSTILL_BYTES", so_far.copied.map(|stats| stats.bytes.0.to_string())),
        ("HOLDSTILL_BACKUP", published(end)),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn published(end: &Ending<'_>) -> Option<String> {
    match end {
        Ending::Run(_, outcome) => outcome.published().map(|path| path.display().to_string()),
        Ending::NotBegun(_) => None,
    }
}
