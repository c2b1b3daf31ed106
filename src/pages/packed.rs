//! Pages that MySQL has compressed (`COMPRESSION='zlib'` or `'lz4'`), as they were before.
//!
//! Deliberately absent: what MariaDB compresses. Under `full_crc32` its checksum is over what is
//! compressed, and before that its own `innochecksum` does not look inside either.

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::field::be16;
use super::sums::Mismatch;

/// The page's type (`FIL_PAGE_TYPE`), and that of a compressed one (`FIL_PAGE_COMPRESSED`).
const TYPE: usize = 24;
const COMPRESSED: u16 = 14;
/// What the compression writes of itself where no page is summed (fil0types.h): the version of what
/// follows, the algorithm, and of the page its type and the length of its content before, and the
/// length after, in bytes.
const VERSION: usize = 26;
const ALGORITHM: usize = 27;
const TYPE_BEFORE: usize = 28;
const LENGTH_BEFORE: usize = 30;
const LENGTH_AFTER: usize = 32;
/// Where the content begins (`FIL_PAGE_DATA`); what is before it is not compressed.
const DATA: usize = 38;

const ZLIB: u8 = 1;
const LZ4: u8 = 2;

/// Whether a page says that MySQL has compressed it, or compressed and encrypted it. The type of a
/// damaged page can be any, so the rest of what such a page has in its head must be there.
pub(super) fn has_head(page: &[u8]) -> bool {
    let (version, algorithm) = (page[VERSION], page[ALGORITHM]);
    let (before, after) = (length(page, LENGTH_BEFORE), length(page, LENGTH_AFTER));
    (1..=2).contains(&version)
        && [ZLIB, LZ4].contains(&algorithm)
        && before > 0
        && after < page.len()
}

/// Whether a page is compressed, and not encrypted.
pub(super) fn is_packed(page: &[u8]) -> bool {
    be16(page, TYPE) == COMPRESSED && has_head(page)
}

/// A compressed page as it was before, checksums and all.
pub(super) fn unpacked(page: &[u8]) -> Result<Vec<u8>, Mismatch> {
    let (expected, after) = (page.len() - DATA, length(page, LENGTH_AFTER));
    let bad = |what: &str| format!("its compressed content: {what}");
    let packed = page.get(DATA..DATA + after);
    let packed = packed.ok_or_else(|| bad(&format!("{after} bytes have no room in it")))?;
    let mut plain = vec![0; page.len()];
    let content = &mut plain[DATA..];
    let found = match page[ALGORITHM] {
        ZLIB => inflate(packed, content),
        _ => lz4_flex::block::decompress_into(packed, content).map_err(|e| e.to_string()),
    };
    let found = found.map_err(|why| bad(&format!("it cannot be unpacked: {why}")))?;
    let said = length(page, LENGTH_BEFORE);
    if (found, said) != (expected, expected) {
        return Err(bad(&format!("expected {expected} bytes, found {found}, said to be {said}")));
    }
    plain[..DATA].copy_from_slice(&page[..DATA]);
    plain[TYPE..VERSION].copy_from_slice(&page[TYPE_BEFORE..LENGTH_BEFORE]);
    Ok(plain)
}

/// Unpacks to the end, where zlib's own checksum is, and tells how many bytes came.
fn inflate(packed: &[u8], content: &mut [u8]) -> Result<usize, String> {
    let mut from = ZlibDecoder::new(packed);
    from.read_exact(content).map_err(|e| e.to_string())?;
    let more = from.read(&mut [0]).map_err(|e| e.to_string())?;
    if from.total_in() < packed.len() as u64 {
        return Err(format!("it ends after {} of {} bytes", from.total_in(), packed.len()));
    }
    Ok(content.len() + more)
}

fn length(page: &[u8], at: usize) -> usize {
    usize::from(be16(page, at))
}
