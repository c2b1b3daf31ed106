//! Whether one page is what its checksums say, and stands where it says it belongs.
//!
//! Deliberately absent: what follows from a bad page; whether a server would repair it is known to
//! `spare.rs`, and whether anybody needs it to `map.rs`.

use super::field::{be16, be32, is_empty};
use super::format::{Format, Layout};
use super::packed;
use super::sums::{self, Mismatch, Sum};

/// The page's number in its tablespace (`FIL_PAGE_OFFSET`).
const NUMBER: usize = 4;
/// The page's type (`FIL_PAGE_TYPE`).
const TYPE: usize = 24;
/// What is not summed, and once was written apart from the page, into empty ones as well.
const APART: std::ops::Range<usize> = 26..34;
/// The tablespace's number (`FIL_PAGE_SPACE_ID`).
const SPACE: usize = 34;
/// Where a page's content begins (`FIL_PAGE_DATA`).
const DATA: usize = 38;

/// What a page is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What it says it is.
    Sound,
    /// Nothing was written there yet, or what was has been given back.
    Empty,
    /// Its checksum is inside what is encrypted or compressed.
    Sealed(Seal),
    /// Not what it says it is.
    Bad(Mismatch),
}

/// What a page's checksum is sealed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    /// Encrypted by MySQL, or compressed and encrypted.
    Encrypted,
    /// Compressed as a page, by MariaDB before `full_crc32`.
    Compressed,
}

/// Where a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number in the tablespace, over all its files.
    pub number: u32,
    /// The tablespace.
    pub space: u32,
}

/// Whether a page is sound, and stands where it belongs.
pub(super) fn page(page: &[u8], format: Format, place: Place) -> Verdict {
    let verdict = contents(page, format);
    if !matches!(verdict, Verdict::Sound | Verdict::Sealed(_)) {
        return verdict;
    }
    match misplaced(page, format, place) {
        Some(why) => Verdict::Bad(why),
        None => verdict,
    }
}

/// What a page says of its place that is not so.
fn misplaced(page: &[u8], format: Format, place: Place) -> Option<Mismatch> {
    let number = be32(page, NUMBER);
    if number != place.number {
        let expected = place.number;
        return Some(format!(
            "its number: expected {expected}, found {number}; a write was lost or went astray"
        ));
    }
    // Under full_crc32 the tablespace's number is compressed and encrypted with the content.
    let legible = format.layout != Layout::Full || sums::is_plain_full(page);
    let space = be32(page, SPACE);
    (legible && space != place.space).then(|| {
        let expected = place.space;
        format!("its tablespace: expected {expected}, found {space}; it is another file's page")
    })
}

/// Whether a page is sound, wherever it stands.
pub(super) fn contents(page: &[u8], format: Format) -> Verdict {
    if is_blank(page, format) {
        return Verdict::Empty;
    }
    if let Some(seal) = seal(page, format) {
        return Verdict::Sealed(seal);
    }
    match summed(page, format) {
        Ok(_) => Verdict::Sound,
        Err(why) => Verdict::Bad(why),
    }
}

/// Whether a page is sound beyond doubt: it would not be in another layout.
pub(super) fn is_proven(page: &[u8], format: Format) -> bool {
    matches!(summed(page, format), Ok(Sum::Strong | Sum::None))
}

fn summed(page: &[u8], format: Format) -> Result<Sum, Mismatch> {
    match format.layout {
        Layout::Classic if packed::is_packed(page) => sums::classic(&packed::unpacked(page)?),
        Layout::Classic => sums::classic(page),
        Layout::Full => sums::full(page),
        Layout::Zip => sums::zip(page),
    }
}

/// Whether nothing is there. The fields at the head are looked at first, since few pages are empty.
fn is_blank(page: &[u8], format: Format) -> bool {
    match format.layout {
        Layout::Full | Layout::Zip => is_empty(page),
        Layout::Classic => is_empty(&page[..APART.start]) && is_empty(&page[APART.end..]),
    }
}

/// What hides a page's checksum, by its type. The type of a damaged page can be any, so what else
/// such a page has in its head must be there.
fn seal(page: &[u8], format: Format) -> Option<Seal> {
    /// MariaDB's algorithms. Its types are `FIL_PAGE_PAGE_COMPRESSED` and the same, encrypted.
    const BY_MARIADB: std::ops::RangeInclusive<u16> = 1..=6;
    let kind = be16(page, TYPE);
    match (format.layout, kind) {
        (Layout::Full, _) => None,
        (Layout::Classic, 34_354) => {
            let length = usize::from(be16(page, DATA));
            let algorithm = be16(page, APART.start + 6);
            let is_so = BY_MARIADB.contains(&algorithm) && length <= page.len() - DATA - 2;
            is_so.then_some(Seal::Compressed)
        }
        (Layout::Classic, 37_401) => {
            let algorithm = be16(page, DATA + 2);
            let is_so = be32(page, APART.start) != 0 && BY_MARIADB.contains(&algorithm);
            is_so.then_some(Seal::Encrypted)
        }
        (Layout::Classic, 16) => packed::has_head(page).then_some(Seal::Encrypted),
        // The type it had before is 0 for a page that was given back.
        (_, 15) => (format.encrypted || be16(page, 28) != 0).then_some(Seal::Encrypted),
        // A page of a spatial index has no room for the type it had before.
        (_, 17) => format.encrypted.then_some(Seal::Encrypted),
        _ => None,
    }
}
