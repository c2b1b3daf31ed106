//! The way through a tablespace, page by page, once its layout is known.
//!
//! Deliberately absent: where the bytes come from, and in which pieces.

use super::field::be32;
use super::format::{Format, Header, Opened, WINDOW};
use super::judge::{self, Place, Seal, Verdict};
use super::map::FreeMap;
use super::spare::{self, HEADER_PAGE, Spares};
use super::{BAD_MAX, BadPage, Checked, Found};

/// The number of the system tablespace.
const SYSTEM: u32 = 0;

/// What is known on the way.
#[derive(Debug)]
pub(super) struct Walk {
    format: Format,
    space: u32,
    /// What page 0 says, if it is sound.
    header: Option<Header>,
    /// The number of the file's first page: 0 but in the later files of the system tablespace.
    base: u64,
    /// How many pages were met.
    met: u64,
    map: FreeMap,
    /// Where the system tablespace keeps copies of other pages.
    copies: Option<[u64; 2]>,
    checked: Checked,
}

impl Walk {
    /// At the beginning of a file, so many windows of zeros before the first that is not empty.
    /// What cannot be walked is told at once.
    pub(super) fn begin(opened: Opened, window: &[u8], before: u64) -> Result<Self, Found> {
        let zeros = before * WINDOW as u64;
        match opened {
            Opened::Told(format, header) => {
                Ok(Self::new(format, header.space, 0, Some(header), zeros))
            }
            Opened::Shown(format, index) => {
                let page = &window[index * format.page..];
                let at = zeros / format.page as u64 + index as u64;
                let base = u64::from(be32(page, 4)).saturating_sub(at);
                let space = be32(page, 34);
                let base = if space == SYSTEM { base } else { 0 };
                Ok(Self::new(format, space, base, None, zeros))
            }
            Opened::Damaged(why) => Err(Found::Checked(damaged(&why))),
            Opened::Unknown(flags) => Err(Found::Skipped(format!(
                "its flags {flags:#x} are not known: a later server may have written it"
            ))),
        }
    }

    fn new(format: Format, space: u32, base: u64, header: Option<Header>, zeros: u64) -> Self {
        // Where the header of the doublewrite buffer cannot be read, it is where it always is.
        let extent = format.extent as u64;
        let copies = (space == SYSTEM && base == 0).then_some([extent, 2 * extent]);
        let checked = Checked { page_bytes: format.page, ..Checked::default() };
        let met = zeros / format.page as u64;
        Self { format, space, header, base, met, map: FreeMap::default(), copies, checked }
    }

    /// The length of a page in bytes.
    pub(super) fn page_bytes(&self) -> usize {
        self.format.page
    }

    /// Takes the next page.
    pub(super) fn page(&mut self, page: &[u8], spares: &Spares) {
        let number = self.base + self.met;
        self.met += 1;
        if self.copies.is_some_and(|copies| spare::is_in(copies, number, self.format)) {
            return;
        }
        let Ok(place) = u32::try_from(number) else { return self.beyond(number) };
        let place = Place { number: place, space: self.space };
        let verdict = judge::page(page, self.format, place);
        self.learn(number, page, &verdict);
        match verdict {
            Verdict::Sound | Verdict::Empty => {}
            Verdict::Sealed(Seal::Encrypted) => self.checked.encrypted += 1,
            Verdict::Sealed(Seal::Compressed) => self.checked.compressed += 1,
            Verdict::Bad(_) if spares.mends(page, self.format, place) => self.checked.torn += 1,
            Verdict::Bad(_) if self.is_free(number) => self.checked.free += 1,
            Verdict::Bad(why) => self.bad(number, why),
        }
    }

    /// Keeps what a page tells of others.
    fn learn(&mut self, number: u64, page: &[u8], verdict: &Verdict) {
        let sound = (*verdict == Verdict::Sound).then_some(page);
        if FreeMap::is_told_by(number, self.format) {
            self.map.learn(number, sound, self.format);
        }
        if let (HEADER_PAGE, Some(_), Some(page)) = (number, self.copies, sound) {
            self.copies = spare::extents(page);
        }
    }

    /// Whether a page is free, where its server does not mind what is in those.
    fn is_free(&self, number: u64) -> bool {
        let is_mysql = self.header.is_some_and(|header| header.is_mysql);
        !is_mysql && self.map.is_free(number, self.format)
    }

    fn beyond(&mut self, number: u64) {
        self.bad(number, "its number: a tablespace has 4294967296 pages at most".into());
    }

    fn bad(&mut self, page: u64, why: String) {
        self.checked.bad_found += 1;
        if self.checked.bad.len() < BAD_MAX {
            self.checked.bad.push(BadPage { page, why });
        }
    }

    /// At the end of the file, with what is left over of a page.
    pub(super) fn finish(mut self, rest: &[u8], is_whole: bool) -> Checked {
        self.checked.pages = self.met;
        let expected = self.header.map_or(0, |header| u64::from(header.pages));
        let (found, size) = (self.met, self.format.page);
        if is_whole && expected > found {
            let why = format!("missing: expected {expected} pages in all, found {found}");
            self.bad(found, why);
            self.checked.bad_found += expected - found - 1;
        } else if !is_whole && !rest.is_empty() {
            let why = format!("cut: expected {size} bytes, found {}", rest.len());
            self.bad(self.base + found, why);
        }
        self.checked
    }
}

/// A file whose page 0 is damaged and of which nothing else can be known.
fn damaged(why: &str) -> Checked {
    let why = format!("{why}; it tells the length of a page, so the other pages were not checked");
    let bad = vec![BadPage { page: 0, why }];
    Checked { bad_found: 1, bad, ..Checked::default() }
}
