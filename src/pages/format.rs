//! How a tablespace lays out its pages: as its header says, or as its pages themselves show.
//!
//! Deliberately absent: keys and compressed contents. Which page has them is told by its own type,
//! in `judge.rs`.

use super::field::{be32, is_empty};
use super::judge::{self, Verdict};

/// How much of a file is looked at to know its layout: the largest page there is.
pub(super) const WINDOW: usize = 64 * 1024;
/// The smallest page there is, of `ROW_FORMAT=COMPRESSED` with `KEY_BLOCK_SIZE=1`.
pub(super) const PAGE_MIN: usize = 1024;
/// Where page 0 keeps the number of the tablespace once more (`FSP_SPACE_ID`).
const HEADER_SPACE: usize = 38;
/// Where page 0 keeps how many pages there are (`FSP_SIZE`).
const HEADER_PAGES: usize = 46;
/// Where page 0 keeps the flags (`FSP_SPACE_FLAGS`).
const HEADER_FLAGS: usize = 54;
/// Where page 0 of MySQL 8 and later keeps the server's version (`FIL_PAGE_SRV_VERSION`); MariaDB
/// has there what all pages have, the number of a page before it, which it has not.
const HEADER_VERSION: usize = 8;

/// Where the checksums of a page are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// At its head and in its trailer.
    Classic,
    /// At its end, over all of it: MariaDB's `full_crc32`.
    Full,
    /// At its head, `ROW_FORMAT=COMPRESSED`.
    Zip,
}

/// What must be known to check a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Where its checksums are.
    pub layout: Layout,
    /// The length of a page in the file, in bytes.
    pub page: usize,
    /// How many pages an extent has.
    pub extent: usize,
    /// Whether MySQL may have encrypted it.
    pub encrypted: bool,
}

/// What page 0 says of its tablespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The number of the tablespace.
    pub space: u32,
    /// How many pages it has, in all its files.
    pub pages: u32,
    /// How its pages are laid out, in bits.
    pub flags: u32,
    /// Whether MySQL 8 or later wrote it.
    pub is_mysql: bool,
}

impl Header {
    /// What page 0 says, true or not.
    pub(super) fn of(page: &[u8]) -> Self {
        const MYSQL: std::ops::Range<u32> = 80_000..1_000_000;
        Self {
            space: be32(page, HEADER_SPACE),
            pages: be32(page, HEADER_PAGES),
            flags: be32(page, HEADER_FLAGS),
            is_mysql: MYSQL.contains(&be32(page, HEADER_VERSION)),
        }
    }
}

impl Format {
    fn new(layout: Layout, page: usize, logical: usize) -> Self {
        // fsp0types.h: an extent is a mebibyte, and 64 pages at least.
        let extent = (1024 * 1024 / logical).max(64);
        Self { layout, page, extent, encrypted: true }
    }

    /// As the flags of page 0 say (fsp0types.h of MariaDB and of MySQL); nothing if no known server
    /// writes such flags.
    pub(super) fn told_by(flags: u32) -> Option<Self> {
        const FULL_CRC32: u32 = 1 << 4;
        const FULL_CRC32_KNOWN: u32 = 0xFF;
        // MariaDB's page_compressed is bit 16; below it are MySQL's, up to SDI.
        const CLASSIC_KNOWN: u32 = 0x1_7FFF;
        const ENCRYPTED: u32 = 1 << 13;
        let size = |shift: u32| match shift {
            1..=7 => Some(512_usize << shift),
            _ => None,
        };
        if flags & FULL_CRC32 != 0 {
            let page = size(flags & 15).filter(|_| flags & !FULL_CRC32_KNOWN == 0)?;
            return (page >= 4096).then(|| Self::new(Layout::Full, page, page));
        }
        if flags & !CLASSIC_KNOWN != 0 {
            return None;
        }
        let logical = match flags >> 6 & 15 {
            0 => 16 * 1024,
            shift => size(shift).filter(|size| *size >= 4096)?,
        };
        let told = match flags >> 1 & 15 {
            0 => Self::new(Layout::Classic, logical, logical),
            zip => {
                let page = size(zip).filter(|page| *page <= logical.min(16 * 1024))?;
                Self::new(Layout::Zip, page, logical)
            }
        };
        Some(Self { encrypted: flags & ENCRYPTED != 0, ..told })
    }

    /// Every layout there is, the most common first.
    fn all() -> impl Iterator<Item = Self> {
        let whole = [16, 4, 8, 32, 64].map(|kib| kib * 1024);
        let both = whole.into_iter().flat_map(|page| {
            [Layout::Full, Layout::Classic].map(|layout| Self::new(layout, page, page))
        });
        let zips = [8, 4, 2, 1, 16].map(|kib| Self::new(Layout::Zip, kib * 1024, 16 * 1024));
        both.chain(zips)
    }

    /// Each that a copy of a page could have in a place of so many bytes.
    pub(super) fn within(place: usize) -> impl Iterator<Item = Self> {
        Self::all().filter(move |format| match format.layout {
            Layout::Zip => format.page <= place,
            Layout::Classic | Layout::Full => format.page == place,
        })
    }

    /// What the pages of a window themselves show: the layout that most of it is sound in, and one
    /// of these pages with its index. A window without a sound page shows nothing.
    pub(super) fn shown_by(window: &[u8]) -> Option<(Self, usize)> {
        let shown = Self::all().filter_map(|format| {
            let pages = window.chunks_exact(format.page).enumerate();
            let sound = |page: &[u8]| !is_empty(page) && judge::is_proven(page, format);
            let sound = pages.filter(|(_, page)| sound(page));
            // A page that is shorter than its place is sound in a larger one, too, but its number
            // is not that of the place.
            let mut firsts = sound.map(|(index, page)| (index, first_number(page, index)));
            let (index, first) = firsts.next()?;
            let agree = firsts.filter(|(_, it)| *it == first).count();
            Some(((1 + agree) * format.page, format, index))
        });
        let best = shown.max_by_key(|(bytes, format, _)| (*bytes, format.page));
        best.map(|(_, format, index)| (format, index))
    }
}

/// The number of the first page of a window, as a page of it tells.
fn first_number(page: &[u8], index: usize) -> u64 {
    u64::from(be32(page, 4)).wrapping_sub(index as u64)
}

/// How a file that begins with this window is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// As its page 0 says, which is sound.
    Told(Format, Header),
    /// As some page shows, the one with this index: page 0 is another file's, empty, or damaged.
    Shown(Format, usize),
    /// It cannot be known: page 0 is damaged, and no other page is near it.
    Damaged(String),
    /// By a server that we do not know.
    Unknown(u32),
}

/// How to read a file; the window is the first of it that is not empty.
pub(super) fn open(window: &[u8]) -> Opened {
    let header = Header::of(window);
    let told = Format::told_by(header.flags).filter(|format| format.page <= window.len());
    let why = match told {
        Some(format) => match judge::contents(&window[..format.page], format) {
            Verdict::Bad(why) => why,
            Verdict::Empty => "it is empty".into(),
            _ if be32(window, 4) != 0 => {
                format!("its number: expected 0, found {}", be32(window, 4))
            }
            _ => return Opened::Told(format, header),
        },
        None => format!("no server that is known writes the flags {:#x}", header.flags),
    };
    if let Some((format, index)) = Format::shown_by(window) {
        return Opened::Shown(format, index);
    }
    let is_header = be32(window, 4) == 0 && be32(window, 34) == header.space;
    match told {
        None if is_header => Opened::Unknown(header.flags),
        _ => Opened::Damaged(why),
    }
}

/// How to read a file that begins with so many zeros that its page 0 is among them.
pub(super) fn open_later(window: &[u8]) -> Opened {
    match Format::shown_by(window) {
        Some((format, index)) => Opened::Shown(format, index),
        None => Opened::Damaged("no page is sound in any known layout".into()),
    }
}
