//! Numbers as InnoDB writes them, most significant byte first.
//!
//! Deliberately absent: bounds of its own. Who asks has a whole page of at least a kibibyte.

/// Two bytes.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Four bytes.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16(bytes, at)) << 16 | u32::from(be16(bytes, at + 2))
}

/// Eight bytes.
pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32(bytes, at)) << 32 | u64::from(be32(bytes, at + 4))
}

/// Whether there is nothing but zeros.
pub(super) fn is_empty(bytes: &[u8]) -> bool {
    // By blocks without a way out of them, which the compiler takes in one step each.
    bytes.chunks(64).all(|block| block.iter().fold(0_u8, |any, byte| any | *byte) == 0)
}
