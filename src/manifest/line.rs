//! The lines of a manifest, from entries to text and back.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Entry, Manifest, Moment, Totals, Type, VERSION, path};
use crate::digest::Digest;
use crate::units::Bytes;

/// What tells a manifest from any other file of JSON lines.
pub(super) const FORMAT: &str = "holdstill-manifest";
/// The one algorithm of this version.
pub(super) const SUM: &str = "blake3";

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) run: String,
    pub(super) sum: String,
}

/// A line of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    path: String,
    #[serde(rename = "type")]
    is: Type,
    size: u64,
    mode: String,
    uid: u32,
    gid: u32,
    mtime: i64,
    mtime_ns: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blake3: Option<Digest>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Closing {
    end: bool,
    entries: u64,
    files: u64,
    bytes: u64,
}

/// The whole text.
pub(super) fn text(manifest: &Manifest) -> Result<String, String> {
    let mut text = String::with_capacity(manifest.entries.len() * 240 + 240);
    let run = manifest.run.clone();
    let header = Header { format: FORMAT.into(), version: VERSION, run, sum: SUM.into() };
    push(&mut text, &header)?;
    for entry in &manifest.entries {
        push(&mut text, &Line::of(entry))?;
    }
    let Totals { entries, files, bytes } = manifest.totals();
    push(&mut text, &Closing { end: true, entries, files, bytes: bytes.0 })?;
    Ok(text)
}

fn push(text: &mut String, line: &impl Serialize) -> Result<(), String> {
    let line = serde_json::to_string(line).map_err(|error| error.to_string())?;
    writeln!(text, "{line}").map_err(|error| error.to_string())
}

/// Reads the first line.
pub(super) fn header(text: &str) -> Result<Header, String> {
    let header: Header = json(text)?;
    let Header { format, version, sum, .. } = &header;
    if format != FORMAT {
        return Err(format!("expected the format '{FORMAT}', found '{format}'"));
    }
    if *version != VERSION {
        return Err(format!("expected version {VERSION}, found version {version}"));
    }
    if sum != SUM {
        return Err(format!("expected sums of '{SUM}', found '{sum}'"));
    }
    Ok(header)
}

/// Reads the line of an entry.
pub(super) fn entry(text: &str) -> Result<Entry, String> {
    json::<Line>(text)?.entry()
}

/// Reads the last line, if it is one: nothing if it is that of an entry.
pub(super) fn closing(text: &str) -> Option<Result<Totals, String>> {
    if !text.starts_with("{\"end\"") {
        return None;
    }
    Some(json::<Closing>(text).and_then(|Closing { end, entries, files, bytes }| {
        let totals = Totals { entries, files, bytes: Bytes(bytes) };
        if end { Ok(totals) } else { Err("expected '\"end\":true', found 'false'".into()) }
    }))
}

fn json<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl Line {
    fn of(entry: &Entry) -> Self {
        Self {
            path: path::escape(&entry.path),
            is: entry.is,
            size: entry.size.0,
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime.seconds,
            mtime_ns: entry.mtime.nanos,
            target: entry.target.as_deref().map(path::escape),
            blake3: entry.blake3,
        }
    }

    fn entry(self) -> Result<Entry, String> {
        let path = path::unescape(&self.path)?;
        path::check(&path)?;
        let entry = Entry {
            path,
            is: self.is,
            size: Bytes(self.size),
            mode: mode(&self.mode)?,
            uid: self.uid,
            gid: self.gid,
            mtime: Moment { seconds: self.mtime, nanos: nanos(self.mtime_ns)? },
            target: self.target.as_deref().map(path::unescape).transpose()?,
            blake3: self.blake3,
        };
        complete(&entry)?;
        Ok(entry)
    }
}

/// A link has a target and a file has a sum, and nothing else has either.
fn complete(entry: &Entry) -> Result<(), String> {
    let (is, what) = (entry.is, entry.is.name());
    for (name, there, wanted) in [
        ("target", entry.target.is_some(), is == Type::Link),
        ("blake3", entry.blake3.is_some(), is == Type::File),
    ] {
        if there != wanted {
            let (expected, found) = if wanted { ("a", "none") } else { ("no", "one") };
            return Err(format!("expected {expected} '{name}' of a {what}, found {found}"));
        }
    }
    Ok(())
}

/// Four octal digits.
fn mode(text: &str) -> Result<u32, String> {
    let octal = text.len() == 4 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal);
    mode.ok_or_else(|| format!("expected a mode like '0640', found '{text}'"))
}

fn nanos(nanos: u32) -> Result<u32, String> {
    if nanos < 1_000_000_000 {
        return Ok(nanos);
    }
    Err(format!("expected nanoseconds below 1000000000, found {nanos}"))
}
