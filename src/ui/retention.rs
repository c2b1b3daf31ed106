//! Which backups are kept and which go, and how that went. Pure: data in, text out.

use serde_json::{Value, json};

use super::words::Text;
use crate::retention::{Judged, Pruned, Pruning, Unfinished, Verdict};

/// Every backup with what becomes of it and why, and what an interrupted removal left.
pub fn pruning(all: &Pruning) -> String {
    let mut text = Text::default();
    if all.backups.is_empty() && all.unfinished.is_empty() {
        text.line("no backups");
    }
    for one in &all.unfinished {
        let (word, why) = unfinished(one);
        text.line(format!("{word:<6}  {:<26}  {why}", one.run));
    }
    for one in &all.backups {
        text.line(line(one));
    }
    text.0
}

/// A backup with what becomes of it and why.
pub(super) fn line(one: &Judged) -> String {
    let word = if goes(one) { "remove" } else { "keep" };
    format!("{word:<6}  {:<26}  {}", one.backup.name, one.verdict.reasons().join("; "))
}

fn unfinished(one: &Unfinished) -> (&'static str, String) {
    match &one.left_alone {
        None => ("finish", "its removal was interrupted".into()),
        Some(why) => ("keep", format!("left alone, though its removal was interrupted: {why}")),
    }
}

/// Whether a backup is to go.
pub(super) fn goes(one: &Judged) -> bool {
    matches!(one.verdict, Verdict::Remove(_))
}

/// How it went, in one line.
pub fn pruned(all: &Pruning, done: &Pruned) -> String {
    let kept = all.backups.iter().filter(|one| !goes(one)).count();
    let failed = match done.failed.len() {
        0 => String::new(),
        failed => format!(", {failed} could not be removed"),
    };
    let early = done.signal.map_or_else(String::new, |signal| {
        format!("; interrupted by signal {signal}, the next pruning goes on")
    });
    format!("removed {}, kept {kept}{failed}{early}\n", done.removed.len())
}

/// The same as figures.
pub(super) fn figures(all: &Pruning, done: &Pruned) -> Value {
    let backups = all.backups.iter().map(|one| {
        json!({
            "name": one.backup.name,
            "kept": !goes(one),
            "reasons": one.verdict.reasons(),
        })
    });
    json!({
        "backups": backups.collect::<Vec<_>>(),
        "removed": done.removed,
        "failed": done.failed,
        "signal": done.signal,
    })
}
