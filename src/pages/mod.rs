//! Whether the pages of InnoDB tablespaces are what their checksums say, without a server.
//!
//! It is fed the bytes of a file in order, in pieces of any length, while somebody hashes them,
//! and keeps one page of them. A page is judged as the server's own `innochecksum` does, and by
//! two things more: its number is that of its place, and its tablespace that of its file. So a
//! write that was lost or went astray is told, too.
//!
//! Not called corrupt are empty pages; places of the doublewrite buffer, which hold other pages;
//! what is free by MariaDB's own map; and a page with a whole copy in the doublewrite buffer,
//! which the server puts in its place when it recovers. The page sizes are 1 to 64 KiB, the
//! checksums those of MySQL 5.0 to 9 and of MariaDB to 11: `crc32`, `full_crc32`, `innodb`,
//! `none`, and those of `ROW_FORMAT=COMPRESSED`. Of an encrypted page its checksum is checked
//! where the format has one over what is encrypted (MariaDB), and otherwise only its place
//! (MySQL). A page that MySQL has compressed is unpacked for its checksum; of one that MariaDB
//! has, before `full_crc32`, only the place is checked, as its own `innochecksum` does.
//!
//! Deliberately absent: input and output; keys; what is in a page, its records and pointers; the
//! redo log; checksums of MySQL 5.6 on big-endian machines, which no server of today writes.

mod field;
mod format;
mod judge;
mod map;
mod packed;
mod spare;
mod sums;
mod walk;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use spare::{Gatherer, SPARES_MAX, Spares};

use field::is_empty;
use format::{Format, Opened, PAGE_MIN, WINDOW};
use walk::Walk;

/// How many bad pages of a file are told one by one; all of them are counted.
pub const BAD_MAX: usize = 20;

/// A page that is not what it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPage {
    /// Its number in the tablespace, over all its files.
    pub page: u64,
    /// What was expected and what was found, in words.
    pub why: String,
}

impl fmt::Display for BadPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}: {}", self.page, self.why)
    }
}

/// What was found in a tablespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The length of a page in the file, in bytes; 0 if it could not be known.
    pub page_bytes: usize,
    /// How many pages the file has.
    pub pages: u64,
    /// Pages that hold their checksum encrypted: only their places were checked.
    pub encrypted: u64,
    /// Pages that hold their checksum compressed, of MariaDB: only their places were checked.
    pub compressed: u64,
    /// Bad pages with a whole copy in the doublewrite buffer. They are no damage: the server puts
    /// the copies in their places when it recovers. A drill proves it.
    pub torn: u64,
    /// Bad pages that are free, in a tablespace that MySQL 8 has not written. They are no damage:
    /// they are written before they are read.
    pub free: u64,
    /// How many pages are bad, and neither torn nor free.
    pub bad_found: u64,
    /// The first of these.
    pub bad: Vec<BadPage>,
}

/// What a file turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A tablespace, and what is in it.
    Checked(Checked),
    /// A tablespace that cannot be checked, and why. It is no damage.
    Skipped(String),
    /// No tablespace, and why. It is no damage by itself.
    NotATablespace(String),
}

impl Found {
    /// Whether nothing is damaged, as far as it could be checked.
    pub fn is_sound(&self) -> bool {
        !matches!(self, Self::Checked(checked) if checked.bad_found > 0)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checked(checked) => checked.fmt(f),
            Self::Skipped(why) => write!(f, "not checked: {why}"),
            Self::NotATablespace(why) => write!(f, "no tablespace: {why}"),
        }
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages, {} bad", self.pages, self.bad_found)?;
        let rest = [
            (self.torn, "torn, with a whole copy in the doublewrite buffer"),
            (self.free, "bad and free"),
            (self.encrypted, "encrypted, of which only the places were checked"),
            (self.compressed, "compressed, of which only the places were checked"),
        ];
        rest.iter().filter(|(n, _)| *n > 0).try_for_each(|(n, what)| write!(f, ", {n} {what}"))
    }
}

/// Whether a file is a tablespace by its name: a table's, the system's, an undo log's. A temporary
/// one is not: the server makes it anew. A file of `innodb_data_file_path` may have another name.
pub fn is_tablespace(name: &Path) -> bool {
    let text = name.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let ends = name.extension().is_some_and(|end| end == "ibd" || end == "ibu");
    ends || text.strip_prefix("ibdata").is_some_and(digits)
        || text.strip_prefix("undo").is_some_and(|rest| digits(rest.trim_start_matches('_')))
}

/// Checks the pages of one file, which it is fed in order.
#[derive(Debug)]
pub struct Checker {
    len: u64,
    /// Whether a file that is shorter than its header says has lost pages: only a table's own file
    /// is never cut by its server, and only it is the whole tablespace.
    is_whole: bool,
    spares: Arc<Spares>,
    state: State,
    /// What has come of a page or window that is not yet whole.
    held: Vec<u8>,
    /// How much has come.
    came: u64,
}

#[derive(Debug)]
enum State {
    /// Nothing but zeros has come: so many windows of them.
    Opening(u64),
    /// The layout is known.
    Walking(Box<Walk>),
    /// Nothing more is to be found.
    Done(Found),
}

impl Checker {
    /// Will check a file of this name and length in bytes.
    pub fn new(name: &Path, len: u64) -> Self {
        Self {
            len,
            is_whole: name.extension().is_some_and(|end| end == "ibd"),
            spares: Arc::default(),
            state: State::Opening(0),
            held: Vec::new(),
            came: 0,
        }
    }

    /// With what is known of the doublewrite buffer; without it a torn page is a bad one.
    #[must_use]
    pub fn with(mut self, spares: &Arc<Spares>) -> Self {
        self.spares = Arc::clone(spares);
        self
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        self.came += bytes.len() as u64;
        while !bytes.is_empty() {
            let wanted = match &self.state {
                State::Done(_) => return,
                State::Opening(_) => WINDOW,
                State::Walking(walk) => walk.page_bytes(),
            };
            if self.held.is_empty() && bytes.len() >= wanted {
                self.whole(&bytes[..wanted]);
                bytes = &bytes[wanted..];
                continue;
            }
            let taken = bytes.len().min(wanted - self.held.len());
            self.held.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.held.len() == wanted {
                let held = std::mem::take(&mut self.held);
                self.whole(&held);
                self.held = held;
                self.held.clear();
            }
        }
    }

    /// What was found, when the file has come to its end.
    pub fn finish(mut self) -> Found {
        if self.came != self.len {
            let (expected, found) = (self.len, self.came);
            return Found::Skipped(format!("its length: expected {expected} bytes, found {found}"));
        }
        if let State::Opening(before) = self.state {
            if self.held.is_empty() || is_empty(&self.held) {
                return nothing_yet(self.len);
            }
            if self.held.len() < PAGE_MIN && before == 0 {
                let len = self.len;
                return Found::NotATablespace(format!("it has {len} bytes, less than a page"));
            }
            let held = std::mem::take(&mut self.held);
            self.open(&held, before);
        }
        match self.state {
            State::Walking(walk) => Found::Checked(walk.finish(&self.held, self.is_whole)),
            State::Done(found) => found,
            State::Opening(_) => nothing_yet(self.len),
        }
    }

    /// Takes a whole page, or a whole window while the length of a page is not known.
    fn whole(&mut self, unit: &[u8]) {
        match &mut self.state {
            State::Done(_) => {}
            State::Walking(walk) => walk.page(unit, &self.spares),
            State::Opening(before) if is_empty(unit) => *before += 1,
            State::Opening(before) => {
                let before = *before;
                self.open(unit, before);
            }
        }
    }

    /// Learns the layout from the first window that is not empty, and checks it.
    fn open(&mut self, window: &[u8], before: u64) {
        let opened = if before == 0 { self.opened(window) } else { format::open_later(window) };
        let mut walk = match Walk::begin(opened, window, before) {
            Ok(walk) => walk,
            Err(found) => return self.state = State::Done(found),
        };
        let pages = window.chunks_exact(walk.page_bytes());
        let rest = pages.remainder().to_vec();
        pages.for_each(|page| walk.page(page, &self.spares));
        self.held = rest;
        self.state = State::Walking(Box::new(walk));
    }

    /// As page 0 says, or its copy if it is torn, or any other page.
    fn opened(&self, window: &[u8]) -> Opened {
        let opened = format::open(window);
        if matches!(opened, Opened::Told(..)) {
            return opened;
        }
        let fits = |it: &(Format, format::Header)| it.0.page <= window.len();
        match self.spares.first_page(window).filter(fits) {
            Some((format, header)) => Opened::Told(format, header),
            None => opened,
        }
    }
}

/// A file in which the server has written nothing: one that it has just made.
fn nothing_yet(len: u64) -> Found {
    match len {
        0 => Found::NotATablespace("it is empty".into()),
        _ => Found::Skipped("it holds nothing but zeros: its server has not written it yet".into()),
    }
}
