//! Which pages of a tablespace are in use: the extent descriptors, which it keeps for itself.
//!
//! A page that is free is never read again before it is written, so MariaDB leaves there what is,
//! and its `innochecksum` does not look. MySQL's does, and so do we at MySQL's.
//!
//! Deliberately absent: what the redo log has in store. A page that was taken a moment before the
//! snapshot may still be called free here, since the descriptor reaches the disk later.

use super::format::{Format, Layout};
use super::packed;
use super::sums;

/// Where the descriptors begin (`XDES_ARR_OFFSET`).
const DESCRIPTORS: usize = 150;
/// Where a descriptor has its bits, two a page, the first of them "free" (`XDES_BITMAP`).
const BITS: usize = 24;

/// The free pages among those that the latest descriptor page tells of; no page is free where it is
/// not known.
#[derive(Clone, Debug, Default)]
pub(super) struct FreeMap {
    first: u64,
    /// The descriptors as they were read.
    bytes: Vec<u8>,
}

impl FreeMap {
    /// Whether this page has the descriptors of itself and those that follow.
    pub(super) fn is_told_by(number: u64, format: Format) -> bool {
        number.is_multiple_of(format.page as u64)
    }

    /// Reads the descriptors; a page that cannot be read, or not as it is, tells of none.
    pub(super) fn learn(&mut self, number: u64, page: Option<&[u8]>, format: Format) {
        self.first = number;
        self.bytes.clear();
        let legible = |page: &&[u8]| match format.layout {
            Layout::Full => sums::is_plain_full(page),
            Layout::Classic => !packed::is_packed(page),
            Layout::Zip => true,
        };
        if let Some(page) = page.filter(legible) {
            self.bytes.extend_from_slice(&page[DESCRIPTORS..]);
        }
    }

    /// Whether nobody will read this page before it is written anew.
    pub(super) fn is_free(&self, number: u64, format: Format) -> bool {
        let Some(index) = number.checked_sub(self.first) else { return false };
        let Ok(index) = usize::try_from(index) else { return false };
        let descriptor = (BITS + format.extent / 4) * (index / format.extent);
        let bit = 2 * (index % format.extent);
        let byte = self.bytes.get(descriptor + BITS + bit / 8);
        index < format.page && byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }
}
