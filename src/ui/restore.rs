//! A restore as it is planned, as it goes on, and as it ended. Pure: data in, text out.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::words::Text;
use crate::database::attach::{Applied, Source};
use crate::drill::{Drill, Exported, Preparation, Prepared, Seen, Step, TableName};
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
    if let Some(preparation) = &plan.preparation {
        let (program, version) = (preparation.program.display(), &preparation.version);
        text.line(format!("  prepared by '{program}', {version}, without a network"));
        for source in preparation.apply.iter().flat_map(|applied| &applied.sources) {
            text.line(format!("  made a replica of {}", named(source)));
        }
    }
    for note in &plan.notes {
        text.line(format!("note: {note}"));
    }
    text.0
}

fn named(source: &Source) -> String {
    let Source { channel, host, port, user } = source;
    let of = if channel.is_empty() { String::new() } else { format!(", channel '{channel}'") };
    format!("{host}:{port}, as '{user}'{of}")
}

fn becomes(place: &Place) -> String {
    let (files, bytes) = place.totals();
    let stands = match place.stands {
        Stands::Absent => "new",
        Stands::Empty => "empty",
        Stands::Begun => "begun before",
        Stands::Spoiled => "not prepared to its end before: emptied first",
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
            Event::Step(step) => return Some(self::step(step)),
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

/// What a private server does.
fn step(step: &Step) -> String {
    match step {
        Step::Says(line) => format!("  {line}\n"),
        Step::Ready(ms) => format!("  recovered after {ms}\n"),
        Step::Applying => "  told whose replica it is\n".into(),
        Step::Ending => "  shut down\n".into(),
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
        let then = if outcome.prepared.is_some() { ", before it was prepared" } else { "" };
        text.line(format!("every file is as the manifest says{then}"));
    }
    if let Some(Prepared { ready_ms }) = outcome.prepared {
        text.line(format!(
            "prepared: a private server recovered it in {ready_ms} and was shut down, so the next \
             one starts at once"
        ));
    }
    text.line("");
    text.line(format!("A server to start on it: {}, with", plan.record.server));
    text.line("  [mysqld]");
    for line in restore::needs(plan, identity) {
        text.line(format!("  {line}"));
    }
    text.line("");
    let applied = plan.preparation.as_ref().and_then(|one| one.apply.as_ref());
    match (&plan.statements, applied) {
        (Some(path), _) => {
            text.line(format!("The statements that attach it: '{}'", path.display()));
        }
        (None, None) => text.line(restore::statements(&plan.record).trim_end()),
        (None, Some(applied)) => text.line(is_replica(plan, applied)),
    }
    text.0
}

/// What is left to be done with a replica.
fn is_replica(plan: &Plan, applied: &Applied) -> String {
    let of: Vec<String> = applied.sources.iter().map(named).collect();
    let server = &plan.record.server;
    let all = if server.is_mariadb() { "ALL SLAVES" } else { server.replica_word() };
    format!(
        "It is a replica of {}. A server that starts without the last option begins at once; with \
         it, on the word: START {all};",
        of.join("; ")
    )
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
    if outcome.problems.is_empty() || phase == restore::PREPARE {
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
    let hint = if phase == restore::PREPARE {
        "The same command empties it and restores it once more; without '--prepare' and '--apply' \
         the server that you start does the recovery."
    } else if !outcome.problems.is_empty() {
        "Choose another backup, or add '--damaged' to take what is left of this one."
    } else if unfinished.left.is_empty() {
        return text.0;
    } else if plan.preparation.is_some() && phase == restore::HAND_OVER {
        "The same command empties it and restores it once more, or tells what is left to do."
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

/// What will be taken out.
pub fn table_plan(drill: &Drill, table: &TableName, to: &Path, seen: Option<&Seen>) -> String {
    let mut text = Text::default();
    let (run, name, to) = (&drill.backup, table.quoted(), to.display());
    text.line(format!("table {name} of backup {run} becomes files in '{to}' (new)"));
    match seen {
        Some(Seen { files, bytes, free }) => {
            let files: Vec<String> =
                files.iter().map(|path| format!("'{}'", path.display())).collect();
            text.line(format!("  in the backup: {}, {bytes}", files.join(", ")));
            text.line(format!("  space: {free} free"));
        }
        None => text.line("  its name does not tell which files it has: the server finds out"),
    }
    let (program, home) = (drill.program.display(), drill.home().display());
    text.line(format!("  taken out by '{program}', {}, in '{home}'", drill.version));
    text.line("nothing was touched");
    text.0
}

/// The same for programs; without an end, what would be done.
pub fn table_json(
    run: &str,
    table: &TableName,
    to: &Path,
    seen: Option<&Seen>,
    exported: Option<&Exported>,
) -> String {
    let seen = seen.map(|seen| {
        let (files, bytes, free) = (&seen.files, seen.bytes, seen.free);
        json!({"files": files, "bytes": bytes, "free_bytes": free})
    });
    let result = exported.map(|one| {
        let (files, bytes, steps) = (&one.files, one.bytes, one.steps.trim_end());
        json!({"files": files, "bytes": bytes, "recovered_ms": one.ready_ms, "steps": steps})
    });
    let name = json!({"database": table.schema, "table": table.table});
    let value = json!({
        "version": 1, "run": run, "name": name, "to": to, "in_backup": seen, "result": result,
    });
    format!("{value}\n")
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
        "prepared_by": plan.preparation.as_ref().map(preparation),
        "notes": plan.notes,
        "options": restore::needs(plan, identity),
        "statements": restore::statements(&plan.record),
        "result": outcome.map(result),
    });
    // Strings and numbers alone: there is nothing in it that cannot be written.
    serde_json::to_string(&value).unwrap_or_default() + "\n"
}

fn preparation(preparation: &Preparation) -> Value {
    let source = |one: &Source| {
        let Source { channel, host, port, user } = one;
        json!({"channel": channel, "host": host, "port": port, "user": user})
    };
    let applied = preparation.apply.as_ref();
    let sources = applied.map(|one| one.sources.iter().map(source).collect::<Vec<_>>());
    let (program, version) = (&preparation.program, &preparation.version);
    json!({"program": program, "program_version": version, "replica_of": sources})
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
        "prepared": outcome.prepared.is_some(),
        "recovered_ms": outcome.prepared.map(|one| one.ready_ms),
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
