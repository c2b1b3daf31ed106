//! The audit as a text for people and as JSON for programs. Pure: data in, text out.
//!
//! The JSON's shape is `packaging/schema/audit.json`, which a test holds against these types.

use schemars::JsonSchema;
use serde::Serialize;

use super::words::{Text, hanging};
use crate::claim::Claim;
use crate::error::Code;
use crate::plan::audit::{Audit, Pace};
use crate::plan::{Note, Plan, Step, Verdict};
use crate::units::Millis;

/// The version of the JSON's shape. What is added does not change it.
const VERSION: u32 = 1;

/// The answer of `holdstill audit --json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// The version of this shape; keys may be added to it, none goes or changes its meaning.
    version: u32,
    /// The version of the program.
    holdstill: &'static str,
    /// The host.
    host: String,
    /// The server, as it was reached: account and socket, or account, host and port.
    server: String,
    /// When it was asked, in UTC (RFC 3339).
    time: String,
    /// The worst verdict of all aspects.
    verdict: Judged,
    /// The exit status: 0, or 3 if an aspect is a refusal.
    exit: u8,
    /// Everything that was looked at, in the order of looking.
    aspects: Vec<Aspect>,
    /// What a run would do, act by act; absent if an aspect is a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Planned>,
}

/// One aspect.
#[derive(Debug, Serialize, JsonSchema)]
struct Aspect {
    /// What was looked at, in one or two words; several lines may have the same.
    #[serde(rename = "aspect")]
    name: &'static str,
    /// How it stands.
    verdict: Judged,
    /// What was found; of a refusal also what was expected.
    found: String,
    /// What helps: a sentence that names the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Judged {
    /// As it should be.
    Pass,
    /// It works, but the operator should know.
    Warning,
    /// There is no backup as long as it is so.
    Refusal,
}

/// What a run would do.
#[derive(Debug, Serialize, JsonSchema)]
struct Planned {
    /// The name that a run begun at that moment would have had.
    run: String,
    /// Its acts, in order.
    acts: Vec<Act>,
    /// What it would undo, newest first, whatever happens.
    undo: Vec<Undo>,
    /// How many bytes it would copy.
    copy_bytes: u64,
    /// How long the lock may be waited for, in milliseconds.
    wait_ms_max: u64,
    /// How long it may be held, in milliseconds.
    hold_ms_max: u64,
}

/// One act.
#[derive(Debug, Serialize, JsonSchema)]
struct Act {
    /// What it is.
    act: String,
    /// The number of what undoes it; absent if it leaves nothing behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    undone_by: Option<usize>,
}

/// One thing that a run may leave behind.
#[derive(Debug, Serialize, JsonSchema)]
struct Undo {
    /// Its number, by which the acts name it.
    number: usize,
    /// What.
    claim: String,
    /// How it is undone.
    how: String,
    /// What it would mean if it were left.
    left_behind: String,
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Warning => Self::Warning,
            Verdict::Refusal => Self::Refusal,
        }
    }
}

/// The exit code of an audit.
pub fn code(audit: &Audit) -> Code {
    if audit.plan.is_some() { Code::Clean } else { Code::Refused }
}

/// The audit as JSON, on one line.
pub fn json(audit: &Audit) -> String {
    let verdicts = || audit.notes.iter().map(|note| note.verdict);
    let worst = [Verdict::Refusal, Verdict::Warning]
        .into_iter()
        .find(|worst| verdicts().any(|one| one == *worst));
    let answer = Answer {
        version: VERSION,
        holdstill: env!("CARGO_PKG_VERSION"),
        host: audit.host.clone(),
        server: audit.login.to_string(),
        time: audit.at.to_string(),
        verdict: worst.unwrap_or(Verdict::Pass).into(),
        exit: code(audit).number(),
        aspects: audit.notes.iter().map(aspect).collect(),
        plan: audit.plan.as_ref().map(planned),
    };
    serde_json::to_string(&answer).map_or_else(|why| why.to_string(), |text| text + "\n")
}

fn aspect(note: &Note) -> Aspect {
    Aspect {
        name: note.aspect.name(),
        verdict: note.verdict.into(),
        found: note.found.clone(),
        hint: note.hint.clone(),
    }
}

fn planned(plan: &Plan) -> Planned {
    let act = |step: Step| Act { act: step.act, undone_by: step.undone_by.map(|at| at + 1) };
    let undo = |(at, claim): (usize, &Claim)| Undo {
        number: at + 1,
        claim: claim.to_string(),
        how: claim.undoing(),
        left_behind: claim.left_behind(),
    };
    Planned {
        run: plan.run.clone(),
        acts: plan.steps().into_iter().map(act).collect(),
        undo: plan.claims.iter().enumerate().rev().map(undo).collect(),
        copy_bytes: plan.copy_bytes.0,
        wait_ms_max: plan.window.wait_ms_max.0,
        hold_ms_max: plan.window.hold_ms_max.0,
    }
}

/// The audit for people: aspects, acts, and the undo of each claim. What was found is kept within
/// the width, if there is one; what may be copied, such as a command, is never broken.
pub fn text(audit: &Audit, columns: Option<usize>) -> String {
    let mut text = Text::default();
    text.line(format!("audit of {} on {}, {}", audit.login, audit.host, audit.at));
    for note in &audit.notes {
        line(&mut text, note, columns);
    }
    if let Some(plan) = &audit.plan {
        acts(&mut text, plan);
    } else {
        let refused = audit.notes.iter().filter(|note| note.verdict == Verdict::Refusal);
        text.line(format!("\nno run would begin: {} refusal(s) above", refused.count()));
    }
    text.line("\nnothing was touched");
    text.0
}

fn line(text: &mut Text, note: &Note, columns: Option<usize>) {
    let verdict = match note.verdict {
        Verdict::Pass => "pass",
        Verdict::Warning => "WARN",
        Verdict::Refusal => "FAIL",
    };
    text.line(hanging(&format!("  {verdict}  {:<14} ", note.aspect), &note.found, columns));
    if let Some(hint) = &note.hint {
        text.line(format!("        {:<14} hint: {hint}", ""));
    }
}

fn acts(text: &mut Text, plan: &Plan) {
    text.line(
        "\na run would do this; whatever happens, what has a number is undone as told below:",
    );
    for Step { act, undone_by } in plan.steps() {
        let number = undone_by.map_or_else(String::new, |at| (at + 1).to_string());
        text.line(format!("  {number:>2}  {act}"));
    }
    text.line("\nthe undo of each, newest first:");
    for (at, claim) in plan.claims.iter().enumerate().rev() {
        text.line(format!("  {:>2}  {claim}: {}", at + 1, claim.undoing()));
    }
}

/// One sample of how fast a volume is written to.
pub fn pace(pace: &Pace) -> String {
    let Millis(ms) = pace.sampled;
    let need = match pace.need() {
        Some(need) => format!("about {need} while it is copied"),
        None => "how long the copy takes is not known".into(),
    };
    let seconds = ms / 1_000;
    format!("  {:>3} s  '{}': {}/s, {need}\n", seconds, pace.volume, pace.per_second())
}
