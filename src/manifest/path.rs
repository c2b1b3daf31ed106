//! Paths as text that every byte survives, and which paths a backup can hold.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::store;

/// The order of a manifest.
pub(super) fn order(one: &Path, other: &Path) -> Ordering {
    one.as_os_str().as_bytes().cmp(other.as_os_str().as_bytes())
}

/// A path as text: `\` is `\\`, and a byte that belongs to no UTF-8 is `\xNN`.
pub(super) fn escape(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        for byte in chunk.invalid() {
            let _never_fails = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// The path of a text; an error if [`escape`] would have written it differently.
pub(super) fn unescape(text: &str) -> Result<PathBuf, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    while let Some(part) = parts.next() {
        if part.is_empty() {
            // A second backslash: what is behind it stands for itself.
            bytes.push(b'\\');
            bytes.extend(parts.next().ok_or_else(|| lonely(text))?.bytes());
            continue;
        }
        let digits = part.strip_prefix('x').and_then(|rest| rest.get(..2));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or_else(|| lonely(text))?);
        bytes.extend(&part.as_bytes()[3..]);
    }
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    if escape(&path) == text { Ok(path) } else { Err(lonely(text)) }
}

fn lonely(text: &str) -> String {
    format!("expected '\\\\' or '\\xNN' for each backslash, found '{text}'")
}

/// Whether a backup can hold a path: below one of its trees, and never out of it.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let bytes = path.as_os_str().as_bytes();
    let mut parts = bytes.split(|byte| *byte == b'/');
    let tree =
        parts.next().and_then(|first| str::from_utf8(first).ok()).is_some_and(store::is_tree);
    let plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    if tree && parts.all(plain) {
        return Ok(());
    }
    Err(format!("expected a path below 'tree' without '.' and '..', found '{}'", escape(path)))
}

/// The directory that a path is in; nothing for a tree itself.
pub(super) fn parent(path: &Path) -> Option<&Path> {
    let bytes = path.as_os_str().as_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/')?;
    Some(Path::new(OsStr::from_bytes(&bytes[..slash])))
}
