//! Pages as a server would write them, made here from nothing but the format's description.

use crc32c::crc32c;

/// How the pages of a made tablespace look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Crc32,
    Full,
    Zip,
    None,
}

/// A tablespace to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Make {
    pub look: Look,
    pub page: usize,
    pub flags: u32,
    pub space: u32,
}

/// What each format of MariaDB 10.5 to 12 and MySQL 5.7 to 9 is made with.
pub(super) const MAKES: [Make; 8] = [
    Make { look: Look::Crc32, page: 16384, flags: 0x21, space: 7 },
    Make { look: Look::Crc32, page: 4096, flags: 0x21 | 3 << 6, space: 7 },
    Make { look: Look::None, page: 8192, flags: 0x21 | 4 << 6, space: 7 },
    Make { look: Look::Crc32, page: 65536, flags: 0x21 | 7 << 6, space: 7 },
    Make { look: Look::Full, page: 16384, flags: 0x15, space: 7 },
    Make { look: Look::Full, page: 4096, flags: 0x13, space: 7 },
    Make { look: Look::Zip, page: 8192, flags: 0x29, space: 7 },
    Make { look: Look::Zip, page: 1024, flags: 0x23, space: 7 },
];

/// The system tablespace of MariaDB by default, and of MySQL.
pub(super) const SYSTEMS: [Make; 2] = [
    Make { look: Look::Full, page: 16384, flags: 0x15, space: 0 },
    Make { look: Look::Crc32, page: 16384, flags: 0, space: 0 },
];

pub(super) fn put(page: &mut [u8], at: usize, value: u32) {
    page[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

impl Make {
    /// A page with some content, complete but for its sums.
    pub(super) fn raw(&self, number: u32, lsn: u64) -> Vec<u8> {
        let mut page = vec![0; self.page];
        for (at, byte) in page.iter_mut().enumerate().skip(200) {
            *byte = (at.wrapping_mul(31).wrapping_add(number as usize) >> 3).to_le_bytes()[0];
        }
        put(&mut page, 4, number);
        page[16..24].copy_from_slice(&lsn.to_be_bytes());
        page[24..26].copy_from_slice(&17855_u16.to_be_bytes());
        put(&mut page, 34, self.space);
        page
    }

    /// Writes the sums, as the server does right before it writes the page.
    pub(super) fn sealed(&self, mut page: Vec<u8>) -> Vec<u8> {
        let end = page.len();
        let lsn: [u8; 4] = page[20..24].try_into().expect("four bytes");
        match self.look {
            Look::Full => {
                page[end - 8..end - 4].copy_from_slice(&lsn);
                let sum = crc32c(&page[..end - 4]);
                put(&mut page, end - 4, sum);
            }
            Look::Zip => {
                let sum = crc32c(&page[4..16]) ^ crc32c(&page[24..26]) ^ crc32c(&page[34..]);
                put(&mut page, 0, sum);
            }
            Look::Crc32 | Look::None => {
                page[end - 4..].copy_from_slice(&lsn);
                let crc = crc32c(&page[4..26]) ^ crc32c(&page[38..end - 8]);
                let sum = if self.look == Look::None { 0xDEAD_BEEF } else { crc };
                put(&mut page, 0, sum);
                put(&mut page, end - 8, sum);
            }
        }
        page
    }

    /// A page of an index.
    pub(super) fn index(&self, number: u32) -> Vec<u8> {
        self.sealed(self.raw(number, 1000 + u64::from(number)))
    }

    /// Page 0, of a tablespace with so many pages.
    pub(super) fn header(&self, pages: u32) -> Vec<u8> {
        let mut page = self.raw(0, 1000);
        page[150..].fill(0);
        page[24..26].copy_from_slice(&8_u16.to_be_bytes());
        put(&mut page, 38, self.space);
        put(&mut page, 46, pages);
        put(&mut page, 54, self.flags);
        self.sealed(page)
    }

    /// A tablespace of so many pages.
    pub(super) fn pages(&self, pages: u32) -> Vec<Vec<u8>> {
        let index = (1..pages).map(|number| self.index(number));
        std::iter::once(self.header(pages)).chain(index).collect()
    }

    /// Page 5 of a system tablespace, whose copies are in two extents.
    pub(super) fn system_header(&self, extents: [u32; 2]) -> Vec<u8> {
        let mut page = self.raw(5, 1005);
        let at = page.len() - 200;
        put(&mut page, at + 10, 536_853_855);
        put(&mut page, at + 14, extents[0]);
        put(&mut page, at + 18, extents[1]);
        self.sealed(page)
    }

    /// A system tablespace with these copies in its doublewrite buffer.
    pub(super) fn system(&self, copies: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut pages = self.pages(200);
        pages[5] = self.system_header([64, 128]);
        pages[64..192].fill(vec![0; self.page]);
        for (place, copy) in copies.iter().enumerate() {
            pages[64 + place][..copy.len()].copy_from_slice(copy);
        }
        pages
    }
}
