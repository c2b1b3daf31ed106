//! A drill as it goes on and at its end, for people and for programs. Pure: data in, text out.

use serde_json::{Value, json};

use super::words::Text;
use crate::drill::{Drill, Event, Report, Way};

/// The version of the lines for programs.
const VERSION: u32 = 1;

/// What is drilled, before it begins.
pub fn begun(drill: &Drill) -> String {
    let (backup, program) = (drill.directory.display(), drill.program.display());
    let way = match drill.way {
        Way::Overlay => "an overlay over it",
        Way::Copy => "a copy of it, since no overlay can be had there",
    };
    let home = drill.home().display();
    format!(
        "drill of '{backup}'\n  server      {program}, {}\n  runs on     {way}, in '{home}'\n",
        drill.version
    )
}

/// What it tells while it goes on; nothing of what the end tells as well.
pub fn event(event: &Event) -> Option<String> {
    match event {
        Event::Copying => Some("  copying\n".into()),
        Event::Ready(ms) => Some(format!("  ready       after {ms}\n")),
        Event::Checking(of) => Some(format!("  checked     {} of {} tables\n", of.checked, of.all)),
        Event::Starting | Event::Problem(_) => None,
    }
}

/// What was found.
pub fn report(report: &Report) -> String {
    let mut text = Text::default();
    for one in &report.same {
        text.line(format!("  the same    {one}"));
    }
    for one in &report.not_compared {
        text.line(format!("  unknown     {one}"));
    }
    let tables = report.tables;
    if report.ready_ms.is_some() {
        let cannot = match tables.uncheckable {
            0 => String::new(),
            some => format!(", {some} of an engine that cannot check"),
        };
        let (checked, all) = (tables.checked, tables.all);
        text.line(format!("  tables      {checked} of {all} checked{cannot}"));
    }
    if report.assertions.1 > 0 {
        let (hold, all) = report.assertions;
        text.line(format!("  assertions  {hold} of {all} hold"));
    }
    for one in &report.remarks {
        text.line(format!("  remark      {one}"));
    }
    for one in &report.problems {
        text.line(format!("  PROBLEM     {one}"));
    }
    let untold = report.problems_found.saturating_sub(report.problems.len() as u64);
    if untold > 0 {
        text.line(format!("  PROBLEM     and {untold} more"));
    }
    let took = report.took_ms.lasting();
    text.line(match (report.is_sound(), report.ready_ms) {
        (true, Some(ready)) => {
            format!("sound: a server was ready on it after {ready} and found it whole, {took}")
        }
        _ => format!("NOT PROVEN: {}, {took}", count(report.problems_found)),
    });
    text.0
}

fn count(problems: u64) -> String {
    if problems == 1 { "1 problem".into() } else { format!("{problems} problems") }
}

/// The same for programs, a line each. What begins.
pub fn begun_json(drill: &Drill) -> String {
    line(json!({
        "status": "drill-begun",
        "backup": drill.backup,
        "program": drill.program,
        "program_version": drill.version,
        "way": drill.way,
        "home": drill.home(),
    }))
}

/// What it tells while it goes on.
pub fn event_json(event: &Event) -> Option<String> {
    Some(line(match event {
        Event::Copying => json!({"status": "copying"}),
        Event::Starting => json!({"status": "starting"}),
        Event::Ready(ms) => json!({"status": "ready", "ready_ms": ms}),
        Event::Checking(of) => json!({"status": "checking", "tables": of}),
        Event::Problem(what) => json!({"status": "problem", "what": what}),
    }))
}

/// What was found.
pub fn report_json(report: &Report) -> String {
    let mut all = json!(report);
    all["status"] = json!("drill-ended");
    all["sound"] = json!(report.is_sound());
    line(all)
}

fn line(mut value: Value) -> String {
    value["version"] = json!(VERSION);
    format!("{value}\n")
}
