//! The checksums that InnoDB has stored in pages since 2001, each over a whole page.
//!
//! Deliberately absent: where a page belongs, and which of these a tablespace uses. Who asks says
//! which layout the page has; each layout has had several algorithms, and a page keeps the one it
//! was last written with.

use super::field::{be16, be32, be64};

/// What `innodb_checksum_algorithm=none` stores (`BUF_NO_CHECKSUM_MAGIC`).
const NONE: u32 = 0xDEAD_BEEF;
/// The page's number, where what is summed begins (`FIL_PAGE_OFFSET`).
const NUMBER: usize = 4;
/// The log sequence number of the last change (`FIL_PAGE_LSN`).
const LSN: usize = 16;
/// The page's type (`FIL_PAGE_TYPE`).
const TYPE: usize = 24;
/// Once the flushed log sequence number, now a key's version, never summed
/// (`FIL_PAGE_FILE_FLUSH_LSN_OR_KEY_VERSION`).
const FLUSH: usize = 26;
/// The tablespace's number (`FIL_PAGE_SPACE_ID`).
const SPACE: usize = 34;
/// Where a page's content begins (`FIL_PAGE_DATA`).
const DATA: usize = 38;
/// The length of the old trailer: a checksum and the lower half of the log sequence number.
const TRAILER: usize = 8;
/// In the type of a page under `full_crc32`: it is shorter than its place.
const SHORTER: u16 = 1 << 15;

/// What made a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// One that proves what it covers.
    Strong,
    /// None was computed, and the page says so.
    None,
    /// The field is empty, as before MySQL 4.0.14: it proves nothing.
    Ancient,
}

/// What was expected and what was found.
pub(super) type Mismatch = String;

fn mismatch(expected: u32, found: u32) -> Mismatch {
    format!("checksum: expected {expected:#010x}, found {found:#010x}")
}

/// The halves of the log sequence number at a page's two ends, which are written at once.
fn same_lsn(head: u32, tail: u32) -> Result<(), Mismatch> {
    if head == tail {
        return Ok(());
    }
    Err(format!("log sequence number: {head:#010x} at its head, {tail:#010x} at its end"))
}

/// A page with two checksum fields, at its head and in its trailer: every page of MySQL, and those
/// of MariaDB but for `full_crc32` and `ROW_FORMAT=COMPRESSED`.
pub(super) fn classic(page: &[u8]) -> Result<Sum, Mismatch> {
    let trailer = page.len() - TRAILER;
    let (head, tail) = (be32(page, 0), be32(page, trailer));
    let crc = crc_of_two(page);
    let sum = if head == crc && tail == crc {
        Sum::Strong
    } else if let Some(sum) = before_crc32(page, head, tail) {
        sum
    } else if is_encrypted_by_mariadb(page) && sealed(page, crc, || fold_of_two(page)) {
        return Ok(Sum::Strong);
    } else {
        return Err(mismatch(crc, if head == crc { tail } else { head }));
    };
    same_lsn(be32(page, LSN + 4), be32(page, trailer + 4)).map(|()| sum)
}

/// What `innodb_checksum_algorithm=crc32` stores: two ranges, joined by exclusive or.
fn crc_of_two(page: &[u8]) -> u32 {
    crc32c::crc32c(&page[NUMBER..FLUSH]) ^ crc32c::crc32c(&page[DATA..page.len() - TRAILER])
}

/// What `none` and `innodb` store, and what versions before them did not.
fn before_crc32(page: &[u8], head: u32, tail: u32) -> Option<Sum> {
    if head == NONE && tail == NONE {
        return Some(Sum::None);
    }
    let lsn = be64(page, LSN);
    let old = tail == fold(&page[..FLUSH]);
    let older = lsn != 0 && tail == be32(page, LSN);
    if !old && !older {
        return None;
    }
    if head == fold_of_two(page) {
        return Some(Sum::Strong);
    }
    (head == 0 && lsn != 0).then_some(Sum::Ancient)
}

/// What `innodb_checksum_algorithm=innodb` stores at the head.
fn fold_of_two(page: &[u8]) -> u32 {
    fold(&page[NUMBER..FLUSH]).wrapping_add(fold(&page[DATA..page.len() - TRAILER]))
}

/// InnoDB's own hash, byte by byte (`ut_fold_binary`); its lower half is that of 64 bits.
fn fold(bytes: &[u8]) -> u32 {
    const MASK: u32 = 1_463_735_687;
    const MASK_2: u32 = 1_653_893_711;
    bytes.iter().fold(0_u32, |fold, &byte| {
        let byte = u32::from(byte);
        let mixed = ((fold ^ byte ^ MASK_2) << 8).wrapping_add(fold);
        (mixed ^ MASK).wrapping_add(byte)
    })
}

/// MariaDB before `full_crc32` stores the key's version where the flushed log sequence number was.
/// Old servers left garbage there, so it alone says nothing.
pub(super) fn is_encrypted_by_mariadb(page: &[u8]) -> bool {
    be32(page, FLUSH) != 0
}

/// The checksum over a page as MariaDB has encrypted it.
fn sealed(page: &[u8], crc: u32, other: impl Fn() -> u32) -> bool {
    let found = be32(page, FLUSH + 4);
    found == crc || found == NONE || found == other()
}

/// A page whose checksum is over all of it and at its very end: MariaDB's `full_crc32`, the default
/// since 10.5. A page that was compressed ends before its place does.
pub(super) fn full(page: &[u8]) -> Result<Sum, Mismatch> {
    let end = full_end(page)?;
    let expected = crc32c::crc32c(&page[..end - 4]);
    let found = be32(page, end - 4);
    if expected != found {
        return Err(mismatch(expected, found));
    }
    let plain = end == page.len() && be32(page, 0) == 0;
    if plain {
        same_lsn(be32(page, LSN + 4), be32(page, end - 8))?;
    }
    Ok(Sum::Strong)
}

/// Where a page under `full_crc32` ends.
fn full_end(page: &[u8]) -> Result<usize, Mismatch> {
    let kind = be16(page, TYPE);
    if kind & SHORTER == 0 {
        return Ok(page.len());
    }
    let end = usize::from(kind & !SHORTER) << 8;
    if (256..page.len()).contains(&end) {
        return Ok(end);
    }
    Err(format!("length: expected less than {}, found {end}", page.len()))
}

/// Whether a page under `full_crc32` is neither compressed nor encrypted: all its fields are
/// legible.
pub(super) fn is_plain_full(page: &[u8]) -> bool {
    be16(page, TYPE) & SHORTER == 0 && be32(page, 0) == 0
}

/// A page of `ROW_FORMAT=COMPRESSED`: three ranges, one field, no trailer; its log sequence number
/// is not covered.
pub(super) fn zip(page: &[u8]) -> Result<Sum, Mismatch> {
    let ranges = [&page[NUMBER..LSN], &page[TYPE..FLUSH], &page[SPACE..]];
    let crc = ranges.iter().fold(0, |sum, range| sum ^ crc32c::crc32c(range));
    let adler = || ranges.iter().fold(1, |sum, range| adler32(sum, range));
    let found = be32(page, 0);
    if found == NONE {
        return Ok(Sum::None);
    }
    let before = || found == adler();
    if found == crc || before() || is_encrypted_by_mariadb(page) && sealed(page, crc, adler) {
        return Ok(Sum::Strong);
    }
    Err(mismatch(crc, found))
}

/// zlib's checksum, which `innodb_checksum_algorithm=innodb` stores in `ROW_FORMAT=COMPRESSED`.
fn adler32(sum: u32, bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    /// So many bytes can be added before the sums leave 32 bits (zlib's NMAX).
    const STRETCH: usize = 5_552;
    let (mut low, mut high) = (sum & 0xFFFF, sum >> 16);
    for stretch in bytes.chunks(STRETCH) {
        for &byte in stretch {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values that zlib and RFC 3720 tell.
    #[test]
    fn known_sums() {
        assert_eq!(adler32(1, b"Wikipedia"), 0x11E6_0398);
        assert_eq!(adler32(adler32(1, b"Wiki"), b"pedia"), 0x11E6_0398);
        assert_eq!(adler32(1, &vec![0xFF; 100_000]), {
            let (mut low, mut high) = (1_u64, 0_u64);
            for _ in 0..100_000 {
                low = (low + 255) % 65_521;
                high = (high + low) % 65_521;
            }
            u32::try_from(high << 16 | low).unwrap()
        });
        assert_eq!(crc32c::crc32c(&[0; 32]), 0x8A91_36AA);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xE306_9283);
    }
}
