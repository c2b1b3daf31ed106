//! The configuration file as typed: sections and keys, before anything is meant by them.
//!
//! Every section is read by itself, so that one wrong type does not hide the complaints about the
//! other sections.

mod offsite;

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use offsite::{Offsite, OffsiteKind};

use super::Complaint;
use super::offsite::{OFFSITE_KEYS, not_an_array};
use crate::units::{Bytes, Hours, Millis};

/// Every key, by section; the first section is the file's top.
pub const KEYS: [(&str, &[&str]); 11] = [
    ("", &["state_dir", "run_dir"]),
    (
        "server",
        &[
            "socket",
            "host",
            "port",
            "tls",
            "tls_ca",
            "user",
            "option_file",
            "password",
            "credential",
            "connect_ms_max",
        ],
    ),
    (
        "lock",
        &[
            "kind",
            "when",
            "wait_ms_max",
            "hold_ms_max",
            "tries_max",
            "pause_ms",
            "freeze",
            "long_statements",
            "long_statement_s_min",
            "long_wait_ms_max",
            "kill_select_s_min",
        ],
    ),
    ("replica", &["stop_ms_max", "keep_replication_stopped"]),
    (
        "snapshot",
        &[
            "size",
            "cow_extend_max",
            "cow_percent_extend",
            "cow_percent_stop",
            "pool_percent_max",
            "pool_percent_stop",
        ],
    ),
    ("copy", &["ms_max", "nice", "io_class", "io_level", "bandwidth_max", "unchanged"]),
    ("destination", &["directory"]),
    (
        "retention",
        &["keep_last", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_within"],
    ),
    (
        "drill",
        &[
            "directory",
            "server",
            "memory",
            "seconds_max",
            "quiet_seconds_max",
            "assertions",
            "assertions_file",
        ],
    ),
    ("hooks", &["before", "after", "on_failure", "seconds_max"]),
    (
        "monitoring",
        &[
            "textfile",
            "age_warning_hours",
            "age_critical_hours",
            "locked_ms_warning",
            "locked_ms_critical",
        ],
    ),
];

/// The list of places that backups are pushed to.
pub(super) const OFFSITE: &str = "offsite";

/// How far a suggestion may be from what was typed: 1 is the same word, 0 has nothing in common.
const LIKENESS_MIN: f64 = 0.7;

/// The top of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Top {
    pub(super) state_dir: Option<String>,
    pub(super) run_dir: Option<String>,
}

/// `[server]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Server {
    pub(super) socket: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) tls: Option<Tls>,
    pub(super) tls_ca: Option<String>,
    pub(super) user: Option<String>,
    pub(super) option_file: Option<String>,
    pub(super) password: Option<Hidden>,
    pub(super) credential: Option<String>,
    pub(super) connect_ms_max: Option<Millis>,
}

/// A password that is there and was not looked at; not even a complaint about it shows it.
#[derive(Debug)]
pub(super) struct Hidden;

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let wrong = |_| serde::de::Error::custom("expected a text in quotes");
        String::deserialize(from).map(|_| Self).map_err(wrong)
    }
}

/// `server.tls`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tls {
    Verified,
    Required,
    Off,
}

/// `[lock]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    pub(super) wait_ms_max: Option<Millis>,
    pub(super) hold_ms_max: Option<Millis>,
    pub(super) freeze: Option<super::Freeze>,
    pub(super) kind: Option<super::Kind>,
    pub(super) when: Option<super::When>,
    pub(super) tries_max: Option<u32>,
    pub(super) pause_ms: Option<Millis>,
    pub(super) long_statements: Option<super::LongStatements>,
    pub(super) long_statement_s_min: Option<u64>,
    pub(super) long_wait_ms_max: Option<Millis>,
    pub(super) kill_select_s_min: Option<u64>,
}

/// `[replica]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replica {
    pub(super) stop_ms_max: Option<Millis>,
    pub(super) keep_replication_stopped: Option<super::KeepStopped>,
}

/// `[snapshot]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Snapshot {
    pub(super) size: Option<super::Size>,
    pub(super) cow_extend_max: Option<super::Size>,
    pub(super) cow_percent_extend: Option<u32>,
    pub(super) cow_percent_stop: Option<u32>,
    pub(super) pool_percent_max: Option<u32>,
    pub(super) pool_percent_stop: Option<u32>,
}

/// `[copy]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Copy {
    pub(super) ms_max: Option<Millis>,
    pub(super) nice: Option<i64>,
    pub(super) io_class: Option<IoClass>,
    pub(super) io_level: Option<i64>,
    pub(super) bandwidth_max: Option<Bytes>,
    pub(super) unchanged: Option<super::Unchanged>,
}

/// `copy.io_class`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum IoClass {
    Idle,
    BestEffort,
}

/// `[drill]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Drill {
    pub(super) directory: Option<String>,
    pub(super) server: Option<String>,
    pub(super) memory: Option<Bytes>,
    pub(super) seconds_max: Option<u64>,
    pub(super) quiet_seconds_max: Option<u64>,
    pub(super) assertions: Option<Vec<String>>,
    pub(super) assertions_file: Option<String>,
}

/// `[hooks]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hooks {
    pub(super) before: Option<Vec<String>>,
    pub(super) after: Option<Vec<String>>,
    pub(super) on_failure: Option<Vec<String>>,
    pub(super) seconds_max: Option<u64>,
}

/// `[monitoring]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Monitoring {
    pub(super) textfile: Option<String>,
    pub(super) age_warning_hours: Option<u64>,
    pub(super) age_critical_hours: Option<u64>,
    pub(super) locked_ms_warning: Option<Millis>,
    pub(super) locked_ms_critical: Option<Millis>,
}

/// `[destination]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destination {
    pub(super) directory: Option<String>,
}

/// `[retention]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "they are the keys as typed")]
pub(super) struct Retention {
    pub(super) keep_last: Option<u32>,
    pub(super) keep_daily: Option<u32>,
    pub(super) keep_weekly: Option<u32>,
    pub(super) keep_monthly: Option<u32>,
    pub(super) keep_yearly: Option<u32>,
    pub(super) keep_within: Option<Hours>,
}

/// The whole file as typed.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) top: Top,
    pub(super) server: Server,
    pub(super) lock: Lock,
    pub(super) replica: Replica,
    pub(super) snapshot: Snapshot,
    pub(super) copy: Copy,
    pub(super) destination: Destination,
    pub(super) retention: Retention,
    pub(super) drill: Drill,
    pub(super) hooks: Hooks,
    pub(super) monitoring: Monitoring,
    /// Nothing of a place that could not be read, which is told.
    pub(super) offsite: Vec<Option<Offsite>>,
}

/// Reads the file's text; what can be read is read even if there are complaints.
pub(super) fn read(text: &str, complaints: &mut Vec<Complaint>) -> Raw {
    let mut table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            complaints.push(located(text, error.span(), &syntax(error.message())));
            return Raw::default();
        }
    };
    drop_unknown(&mut table, text, complaints);
    let raw = Raw {
        server: section(&mut table, "server", text, complaints),
        lock: section(&mut table, "lock", text, complaints),
        replica: section(&mut table, "replica", text, complaints),
        snapshot: section(&mut table, "snapshot", text, complaints),
        copy: section(&mut table, "copy", text, complaints),
        destination: section(&mut table, "destination", text, complaints),
        retention: section(&mut table, "retention", text, complaints),
        drill: section(&mut table, "drill", text, complaints),
        hooks: section(&mut table, "hooks", text, complaints),
        monitoring: section(&mut table, "monitoring", text, complaints),
        offsite: places(&mut table, text, complaints),
        top: Top::default(),
    };
    Raw { top: typed(Spanned::new(0..0, DeValue::Table(table)), text, complaints), ..raw }
}

/// What helps where the parser's words are all there is.
const WHERE_KEYS_ARE: &str = "The shipped 'full.toml' has every key, with its unit and default.";

/// The parser's own words on several lines, on one.
fn syntax(message: &str) -> String {
    message.lines().map(str::trim).collect::<Vec<_>>().join(", ").replace('`', "'")
}

fn located(text: &str, span: Option<Range<usize>>, what: &str) -> Complaint {
    let complaint = Complaint::new(what, WHERE_KEYS_ARE);
    span.map_or(complaint.clone(), |span| complaint.at(text, span.start))
}

fn section<T: DeserializeOwned + Default>(
    table: &mut DeTable<'_>,
    name: &str,
    text: &str,
    complaints: &mut Vec<Complaint>,
) -> T {
    table.remove(name).map_or_else(T::default, |value| typed(value, text, complaints))
}

/// The tables of `[[offsite]]`, each read by itself.
fn places(
    table: &mut DeTable<'_>,
    text: &str,
    complaints: &mut Vec<Complaint>,
) -> Vec<Option<Offsite>> {
    let Some((key, value)) = table.remove_entry(OFFSITE) else { return Vec::new() };
    let DeValue::Array(all) = value.into_inner() else {
        complaints.push(not_an_array(text, key.span().start));
        return Vec::new();
    };
    let mut places = Vec::new();
    for mut one in all {
        if let DeValue::Table(inner) = one.get_mut() {
            retain_known(inner, OFFSITE, &OFFSITE_KEYS, text, complaints);
        }
        let before = complaints.len();
        let place = typed(one, text, complaints);
        places.push((complaints.len() == before).then_some(place));
    }
    places
}

fn typed<T: DeserializeOwned + Default>(
    value: Spanned<DeValue<'_>>,
    text: &str,
    complaints: &mut Vec<Complaint>,
) -> T {
    T::deserialize(toml::de::ValueDeserializer::from(value)).unwrap_or_else(|error| {
        complaints.push(located(text, error.span(), &syntax(error.message())));
        T::default()
    })
}

/// Complains about every unknown key and takes it out, so that it does not hide other complaints.
fn drop_unknown(table: &mut DeTable<'_>, text: &str, complaints: &mut Vec<Complaint>) {
    let sections = || KEYS.iter().map(|(name, _)| *name).filter(|name| !name.is_empty());
    for (name, keys) in KEYS {
        let known: Vec<&str> = match name {
            "" => keys.iter().copied().chain(sections()).chain([OFFSITE]).collect(),
            _ => keys.to_vec(),
        };
        let inner = match name {
            "" => Some(&mut *table),
            _ => table.get_mut(name).and_then(|value| match value.get_mut() {
                DeValue::Table(inner) => Some(inner),
                _ => None,
            }),
        };
        if let Some(inner) = inner {
            retain_known(inner, name, &known, text, complaints);
        }
    }
}

fn retain_known(
    table: &mut DeTable<'_>,
    section: &str,
    known: &[&str],
    text: &str,
    complaints: &mut Vec<Complaint>,
) {
    let unknown: Vec<_> =
        table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).cloned().collect();
    for key in unknown {
        let place = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
        let what = format!("unknown key '{}'{place}", key.get_ref());
        let hint = suggestion(key.get_ref(), section, known);
        complaints.push(Complaint::new(what, hint).at(text, key.span().start));
        table.remove(&key);
    }
}

/// The nearest known key of the section, or the section that has a key of this name.
fn suggestion(key: &str, section: &str, known: &[&str]) -> String {
    let elsewhere = KEYS.iter().find(|(name, keys)| *name != section && keys.contains(&key));
    let likeness = |name: &str| strsim::jaro_winkler(key, name);
    let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match (elsewhere, nearest.filter(|name| likeness(name) >= LIKENESS_MIN)) {
        (Some(("", _)), _) => format!("Write '{key}' at the top, before the first section."),
        (Some((other, _)), _) => format!("'{key}' belongs under [{other}]."),
        (None, Some(name)) => format!("Did you mean '{name}'?"),
        (None, None) => format!("Known here are: {}.", known.join(", ")),
    }
}
