//! Places elsewhere, for people and for programs. Pure: data in, text out.

use jiff::Timestamp;
use serde_json::json;

use super::catalog::lasting;
use super::retention::line;
use super::words::Text;
use crate::offsite::{Far, Fetched, Pushed, Removal, Trouble};
use crate::store::Form;
use crate::units::Millis;
use crate::verify::End;

/// The version of the lines for programs.
const VERSION: u32 = 1;

/// What stands at a place, the newest last; `now` is in seconds.
pub fn list(place: &str, all: &[Far], now: i64) -> String {
    let mut text = Text::default();
    if all.is_empty() {
        text.line(format!("no backups at '{place}'"));
        return text.0;
    }
    text.line(format!("{:<26}  {:>9}  {:<16}  {:>10}  HOST", "RUN", "AGE", "STATE", "SIZE"));
    for far in all {
        let seconds = |began: Timestamp| now.saturating_sub(began.as_second());
        let millis = |seconds| Millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
        let age = far.began().map(|began| lasting(millis(seconds(began))));
        let size = far.bytes.map(|bytes| bytes.to_string());
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        text.line(format!(
            "{:<26}  {:>9}  {:<16}  {:>10}  {}",
            far.run,
            known(age),
            state(far),
            known(size),
            known(far.host.clone()),
        ));
        if let Some(why) = &far.unclear {
            text.line(format!("        {why}"));
        }
    }
    text.0
}

fn state(far: &Far) -> &'static str {
    match (far.form, &far.unclear) {
        (Form::Whole, None) => "whole",
        (Form::Whole, Some(_)) => "unclear",
        (Form::Partial, _) => "not pushed whole",
        (Form::Removing, _) => "being removed",
    }
}

/// The same as JSON: an array, an object a backup; a value that is not known is null.
pub fn list_json(place: &str, all: &[Far]) -> String {
    let one = |far: &Far| {
        json!({
            "version": VERSION,
            "place": place,
            "run": far.run,
            "state": match far.form {
                Form::Whole if far.unclear.is_none() => "whole",
                Form::Whole => "unclear",
                Form::Partial => "partial",
                Form::Removing => "removing",
            },
            "host": far.host,
            "bytes": far.bytes,
            "unclear": far.unclear,
        })
    };
    let lines: Vec<String> = all.iter().map(|far| format!("  {}", one(far))).collect();
    if lines.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}

/// How a push ended.
pub fn pushed(place: &str, run: &str, pushed: Pushed) -> String {
    match pushed {
        Pushed::Sent => format!("{run}: pushed to '{place}', and compared\n"),
        Pushed::Already => format!("{run}: is at '{place}' already\n"),
    }
}

/// How a fetch ended, on this host.
pub fn fetched(far: &Far, here: &str, fetched: &Fetched) -> String {
    let run = &far.run;
    match fetched {
        Fetched::Already => format!("{run}: is here already\n"),
        Fetched::Here(verdict) => {
            let read = super::verify::text(run, &End::Looked(verdict.clone()));
            let told = match &far.host {
                Some(host) if host != here => format!(
                    "it is of host '{host}': no rule removes it here, and 'restore' and 'drill' take \
                     it by its name\n"
                ),
                _ => "it is a backup like any other now: the rules of [retention] count for it\n"
                    .to_owned(),
            };
            read + &told
        }
        Fetched::Damaged(verdict) => super::verify::text(run, &End::Looked(verdict.clone())),
    }
}

/// What a verification found at a place.
pub fn verified(place: &str, run: &str, wrong: &[String]) -> String {
    let mut text = Text::default();
    let many = match wrong.len() {
        0 => "sound".into(),
        1 => "NOT AS IT SHOULD BE: 1 problem".into(),
        more => format!("NOT AS IT SHOULD BE: {more} problems"),
    };
    text.line(format!("{run} at '{place}': {many}"));
    for one in wrong {
        text.line(format!("  {one}"));
    }
    text.0
}

/// Every backup at a place with what becomes of it and why, and what is left of pushes.
pub fn removal(plan: &Removal) -> String {
    let mut text = Text::default();
    if plan.judged.is_empty() && plan.leftovers.is_empty() {
        text.line("no backups");
    }
    for name in &plan.leftovers {
        text.line(format!("finish  {name:<26}  a push or a removal of it was interrupted"));
    }
    for one in &plan.judged {
        text.line(line(one));
    }
    text.0
}

/// What could not be done, and what helps.
pub fn trouble(what: &str, trouble: &Trouble) -> String {
    let mut text = Text::default();
    text.line(format!("holdstill: {what}: {}", trouble.fault));
    if let Some(hint) = &trouble.hint {
        text.line(format!("hint: {hint}"));
    }
    text.0
}
