//! A restore as it is planned, as it goes on, and as it ended. Pure: data in, text out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::words::Text;
use crate::drill::{Exported, TableName};
use crate::restore::{self, Event, Figures, Identity, Outcome, Place, Plan, Stands};
use crate::units::{Bytes, Millis};

/// A line is told each time a copy or a reading has come this many percent further.
const LINE_PERCENT: u8 = 10;

/// What a restore will do, in numbers.
pub fn plan(plan: &Plan, identity: Identity) -> String {
    let mut text = Text::default();
    let record = &plan.record;
    text.line(format!(
        "backup {} of '{}', {}, taken at {}",
        plan.run, record.host, record.server, record.started
    ));
    for place in &plan.places {
        text.line(format!("  {}", becomes(place)));
    }
    for path in &plan.kept_back {
        let why = match identity {
            Identity::New => "so that the server gets an identity of its own",
            Identity::Kept => "it is neither file nor directory",
        };
        text.line(format!("  left out: '{}', {why}", path.display()));
    }
    let owner = plan.owner.map_or("as in the backup".into(), |owner| owner.to_string());
    text.line(format!("  owner: {owner}"));
    for room in &plan.rooms {
        let (at, needed, free) = (room.at.display(), room.needed, room.free);
        text.line(format!("  space at '{at}': {needed} needed, {free} free"));
    }
    let proof = if plan.can_prove() {
        "every file is read back and held against the manifest"
    } else {
        "nothing proves what is in the files"
    };
    text.line(format!("  proof: {proof}"));
    for note in &plan.notes {
        text.line(format!("note: {note}"));
    }
    text.0
}

fn becomes(place: &Place) -> String {
    let (files, bytes) = place.totals();
    let stands = match place.stands {
        Stands::Absent => "new",
        Stands::Empty => "empty",
        Stands::Begun => "begun before",
    };
    let (from, to) = (place.from.display(), place.to.display());
    format!("'{from}' becomes '{to}' ({stands}): {files} files, {bytes}")
}

/// The lines of a restore that goes on.
#[derive(Debug, Default)]
pub struct Told {
    tens: u8,
    of: Option<PathBuf>,
}

impl Told {
    /// What to say of an event; nothing if that was said already.
    pub fn line(&mut self, event: &Event) -> Option<String> {
        let (what, progress): (String, _) = match event {
            Event::Phase(phase) => {
                (self.tens, self.of) = (0, None);
                return Some(format!("{phase}\n"));
            }
            Event::Again(files) => return Some(format!("  {files} files are copied once more\n")),
            Event::Copied(progress) => ("copied".into(), progress),
            Event::Read(of, progress) => {
                if self.of.as_ref() != Some(of) {
                    (self.tens, self.of) = (0, Some(of.clone()));
                }
                (format!("read '{}':", of.display()), progress)
            }
        };
        let percent = progress.percent();
        if percent / LINE_PERCENT <= self.tens {
            return None;
        }
        self.tens = percent / LINE_PERCENT;
        Some(format!("  {what} {} ({percent} %)\n", progress.bytes))
    }
}

/// How it ended, and what comes next.
pub fn restored(plan: &Plan, identity: Identity, outcome: &Outcome) -> String {
    let mut text = Text::default();
    let Some(place) = plan.places.first().filter(|_| outcome.unfinished.is_none()) else {
        return text.0;
    };
    let (files, bytes) = plan.totals();
    let Figures { took, read, copied } = outcome.figures;
    text.line(format!(
        "restored backup {} to '{}': {files} files, {bytes} in {took} ({}); {} copied, {read} read \
         back",
        plan.run,
        place.to.display(),
        rate(bytes, took),
        copied.bytes,
    ));
    if outcome.problems.is_empty() && plan.can_prove() {
        text.line("every file is as the manifest says");
    }
    text.line("");
    text.line(format!("A server to start on it: {}, with", plan.record.server));
    text.line("  [mysqld]");
    for line in restore::needs(plan, identity) {
        text.line(format!("  {line}"));
    }
    text.line("");
    match &plan.statements {
        Some(path) => text.line(format!("The statements that attach it: '{}'", path.display())),
        None => text.line(restore::statements(&plan.record).trim_end()),
    }
    text.0
}

/// Bytes a second.
fn rate(bytes: Bytes, took: Millis) -> String {
    let rate = u128::from(bytes.0) * 1000 / u128::from(took.0.max(1));
    format!("{}/s", Bytes(u64::try_from(rate).unwrap_or(u64::MAX)))
}

/// What went wrong, with what is left and what helps.
pub fn restore_trouble(plan: &Plan, outcome: &Outcome) -> String {
    let mut text = Text::default();
    for problem in &outcome.problems {
        text.line(format!("holdstill: {problem}"));
    }
    let Some(unfinished) = &outcome.unfinished else { return text.0 };
    let (run, phase, fault) = (&plan.run, unfinished.phase, &unfinished.fault);
    if outcome.problems.is_empty() {
        text.line(format!("holdstill: backup {run} is not restored ({phase}): {fault}"));
    } else {
        let count = outcome.problems.len();
        text.line(format!(
            "holdstill: backup {run} is not restored: {count} problems were found ({phase})"
        ));
    }
    for path in &unfinished.left {
        text.line(format!("left: '{}', which is not whole", path.display()));
    }
    let hint = if !outcome.problems.is_empty() {
        "Choose another backup, or add '--damaged' to take what is left of this one."
    } else if unfinished.left.is_empty() {
        return text.0;
    } else {
        "The same command goes on with it."
    };
    text.line(format!("hint: {hint}"));
    text.0
}

/// A table that was taken out, and what is to be done with it.
pub fn exported(run: &str, table: &TableName, to: &Path, exported: &Exported) -> String {
    let mut text = Text::default();
    let (name, files, bytes) = (table.quoted(), exported.files.len(), exported.bytes);
    text.line(format!(
        "table {name} of backup {run}: {files} files, {bytes}, in '{}'",
        to.display()
    ));
    text.line("");
    text.line(exported.steps.trim_end());
    text.0
}

/// All of it as one JSON object; without an outcome, what would be done.
pub fn restore_json(plan: &Plan, identity: Identity, outcome: Option<&Outcome>) -> String {
    let (files, bytes) = plan.totals();
    let place = |place: &Place| {
        let (files, bytes) = place.totals();
        json!({
            "from": place.from, "was": place.was, "to": place.to,
            "goes_on": place.stands == Stands::Begun, "files": files, "bytes": bytes,
        })
    };
    let room = |room: &restore::Room| {
        let (at, needed, free) = (&room.at, room.needed, room.free);
        json!({"at": at, "needed_bytes": needed, "free_bytes": free})
    };
    let value = json!({
        "version": 1,
        "run": plan.run,
        "backup": plan.backup,
        "server": plan.record.server,
        "places": plan.places.iter().map(place).collect::<Vec<_>>(),
        "left_out": plan.kept_back,
        "owner": plan.owner.map(|owner| owner.to_string()),
        "files": files,
        "bytes": bytes,
        "space": plan.rooms.iter().map(room).collect::<Vec<_>>(),
        "proven": plan.can_prove(),
        "notes": plan.notes,
        "options": restore::needs(plan, identity),
        "statements": restore::statements(&plan.record),
        "result": outcome.map(result),
    });
    // Strings and numbers alone: there is nothing in it that cannot be written.
    serde_json::to_string(&value).unwrap_or_default() + "\n"
}

fn result(outcome: &Outcome) -> Value {
    let unfinished = outcome.unfinished.as_ref();
    let problems = outcome.problems.iter().map(|one| {
        let of_backup = one.fault == restore::Whose::Backup;
        json!({"problem": one.of, "of_backup": of_backup})
    });
    json!({
        "whole": unfinished.is_none(),
        "problems": problems.collect::<Vec<_>>(),
        "failed_phase": unfinished.map(|one| one.phase),
        "fault": unfinished.map(|one| one.fault.to_string()),
        "signal": unfinished.and_then(|one| one.signal),
        "left": unfinished.map(|one| &one.left),
        "copied_files": outcome.figures.copied.files,
        "copied_bytes": outcome.figures.copied.bytes,
        "read_bytes": outcome.figures.read,
        "ms": outcome.figures.took,
    })
}
