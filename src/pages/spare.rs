//! The copies that a server keeps of the pages it is writing: the doublewrite buffer.
//!
//! A server writes a page there first and to its place second. Where a crash tears the second, it
//! takes the first when it recovers, and nothing is lost. A snapshot is to a server what a crash
//! is. One under which the filesystem was frozen tears no page: the kernel lets a `write` that has
//! begun come to its end first, and a page is one `write`. But that is the kernel's word, and a
//! filesystem may not freeze; so a bad page with a whole copy is told apart from a corrupt one.
//!
//! A copy counts if it is sound in the layout of the tablespace and no older than the page. Two
//! doubts remain. MariaDB takes only copies that are no older than its last checkpoint, which is
//! in the redo log, where we do not look: a page that rots on the disk within the latest hundred
//! or so writes is called torn, and only a drill shows that it is not. And a copy of a page that
//! MySQL has encrypted proves nothing, but neither is such a page ever called bad.
//!
//! Deliberately absent: any copy itself. What is kept is that there is one.

use std::collections::HashMap;
use std::path::Path;

use super::field::{be32, be64, is_empty};
use super::format::{self, Format, Header, Layout, Opened, WINDOW};
use super::judge;
use super::sums;

/// How many copies are known at most; MySQL keeps some thousands, MariaDB 128 to 512.
pub const SPARES_MAX: usize = 65_536;

/// Where the header of the doublewrite buffer is, from the end of page 5 (`TRX_SYS_DOUBLEWRITE`).
const HEADER_FROM_END: usize = 200;
/// What is there if there is one (`TRX_SYS_DOUBLEWRITE_MAGIC_N`).
const MAGIC: u32 = 536_853_855;
/// The page that has the header, in the system tablespace (`FSP_TRX_SYS_PAGE_NO`).
pub(super) const HEADER_PAGE: u64 = 5;

/// A page as a copy says it: its tablespace, if that is legible, and its number.
type Key = (Option<u32>, u32);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Spare {
    lsn: u64,
    format: Format,
    /// The flags of a page 0.
    flags: u32,
}

/// Which pages have a whole copy in the doublewrite buffer.
#[derive(Clone, Debug, Default)]
pub struct Spares {
    known: HashMap<Key, Vec<Spare>>,
    count: usize,
}

impl Spares {
    /// Whether a file of this name may hold copies: MySQL's files of its doublewrite buffer, and
    /// the first file of the system tablespace. Below the data directory only the first level
    /// counts.
    pub fn holds(name: &Path) -> bool {
        let text = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        page_of_file(text).is_some() || text == "ibdata1"
    }

    /// Reads one file that may hold copies. It is fed from its beginning until it wants no more.
    pub fn gather(&mut self, name: &Path) -> Gatherer<'_> {
        let text = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let state = page_of_file(text).map_or(State::Opening, State::Slots);
        Gatherer { spares: self, state, held: Vec::new(), at: 0 }
    }

    /// How many copies are known.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no copy is known.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Notes what is in one place of the buffer, if it is whole.
    fn note(&mut self, place: &[u8]) {
        if is_empty(place) {
            return;
        }
        for format in Format::within(place.len()) {
            let page = &place[..format.page];
            if self.count < SPARES_MAX && judge::is_proven(page, format) {
                let flags = if be32(page, 4) == 0 { Header::of(page).flags } else { 0 };
                let spare = Spare { lsn: be64(page, 16), format, flags };
                self.known.entry(key(page, format)).or_default().push(spare);
                self.count += 1;
            }
        }
    }

    fn of(&self, page: &[u8], place: judge::Place) -> impl Iterator<Item = &Spare> {
        let lsn = be64(page, 16);
        let keys = [(Some(place.space), place.number), (None, place.number)];
        let known = keys.into_iter().filter_map(|key| self.known.get(&key)).flatten();
        known.filter(move |spare| spare.lsn >= lsn)
    }

    /// Whether a bad page has a copy that its server would put in its place.
    pub(super) fn mends(&self, page: &[u8], format: Format, place: judge::Place) -> bool {
        let fits = |it: Format| (it.layout, it.page) == (format.layout, format.page);
        self.of(page, place).any(|spare| fits(spare.format))
    }

    /// The layout that a copy of a bad page 0 tells.
    pub(super) fn first_page(&self, window: &[u8]) -> Option<(Format, Header)> {
        let place = judge::Place { number: 0, space: be32(window, 34) };
        let told = self.of(window, place).filter_map(|spare| {
            let told = Format::told_by(spare.flags)?;
            let header = Header { flags: spare.flags, ..Header::of(window) };
            let fits = (told.layout, told.page) == (spare.format.layout, spare.format.page);
            fits.then_some((told, Header { space: place.space, ..header }))
        });
        told.last()
    }
}

fn key(page: &[u8], format: Format) -> Key {
    let legible = format.layout != Layout::Full || sums::is_plain_full(page);
    (legible.then(|| be32(page, 34)), be32(page, 4))
}

/// The page size in the name of a file of MySQL's doublewrite buffer: `#ib_16384_0.dblwr`. Those
/// that end with `.bdblwr` have no pages but their numbers.
fn page_of_file(name: &str) -> Option<usize> {
    let (size, file) = name.strip_prefix("#ib_")?.strip_suffix(".dblwr")?.split_once('_')?;
    let size: usize =
        size.parse().ok().filter(|size| [4, 8, 16, 32, 64].contains(&(size / 1024)))?;
    (size.is_multiple_of(1024) && file.parse::<u32>().is_ok()).then_some(size)
}

/// The first pages of the two extents of the doublewrite buffer in the system tablespace, as page 5
/// tells; nothing if it has none.
pub(super) fn extents(page: &[u8]) -> Option<[u64; 2]> {
    let header = page.len() - HEADER_FROM_END;
    let is_there = be32(page, header + 10) == MAGIC;
    is_there.then(|| [14, 18].map(|at| u64::from(be32(page, header + at))))
}

/// Whether a page of the system tablespace is a place of the doublewrite buffer.
pub(super) fn is_in(extents: [u64; 2], number: u64, format: Format) -> bool {
    extents.iter().any(|first| (*first..first + format.extent as u64).contains(&number))
}

/// Reads one file that may hold copies.
#[derive(Debug)]
pub struct Gatherer<'a> {
    spares: &'a mut Spares,
    state: State,
    held: Vec<u8>,
    at: u64,
}

#[derive(Debug)]
enum State {
    /// The system tablespace, whose page size is not yet known.
    Opening,
    /// The system tablespace before the end of its buffer.
    System(Format, Option<[u64; 2]>),
    /// A file of nothing but places of this length.
    Slots(usize),
    /// No copy is to come.
    Done,
}

impl Gatherer<'_> {
    /// Takes the next bytes of the file; whether more are wanted.
    pub fn feed(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let wanted = match self.state {
                State::Done => return false,
                State::Opening => WINDOW,
                State::System(format, _) => format.page,
                State::Slots(size) => size,
            };
            let taken = bytes.len().min(wanted.saturating_sub(self.held.len()));
            self.held.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.held.len() >= wanted {
                let held = std::mem::take(&mut self.held);
                self.whole(&held);
            }
        }
        !matches!(self.state, State::Done)
    }

    fn whole(&mut self, held: &[u8]) {
        match self.state {
            State::Done => {}
            State::Slots(_) => self.spares.note(held),
            State::Opening => {
                let format = match format::open(held) {
                    Opened::Told(format, _) | Opened::Shown(format, _) => format,
                    Opened::Damaged(_) | Opened::Unknown(_) => return self.state = State::Done,
                };
                self.state = State::System(format, None);
                held.chunks_exact(format.page).for_each(|page| self.system(page, format));
            }
            State::System(format, _) => self.system(held, format),
        }
    }

    fn system(&mut self, page: &[u8], format: Format) {
        let number = self.at;
        self.at += 1;
        if number == HEADER_PAGE {
            self.state = match extents(page) {
                Some(found) => State::System(format, Some(found)),
                None => State::Done,
            };
        }
        let State::System(_, Some(found)) = self.state else { return };
        if is_in(found, number, format) {
            self.spares.note(page);
        }
        let end = found[0].max(found[1]) + format.extent as u64;
        if number + 1 >= end {
            self.state = State::Done;
        }
    }
}
