//! Files that MariaDB 10.11 and MySQL 9.7 wrote, and each of their bits turned. They are tables of
//! 120 rows, `(id int primary key, a varchar(200))`, on servers with pages of 4 KiB; the two that
//! MySQL compressed as pages have 220 rows and pages of 16 KiB, since it saves whole blocks only.
//! Their own `innochecksum` finds nothing wrong with them, but for MySQL's with what MySQL
//! encrypts, which it does not know.

use std::fs;
use std::path::PathBuf;

use holdstill::pages::Found;

use super::{checked, of_table, words};

/// Each file with what is said of it.
const FILES: [(&str, &str); 13] = [
    ("mariadb-crc32", "8 pages, 0 bad"),
    ("mariadb-full_crc32", "8 pages, 0 bad"),
    ("mariadb-full_crc32-page_compressed", "8 pages, 0 bad"),
    ("mariadb-full_crc32-encrypted-page_compressed", "8 pages, 0 bad"),
    ("mariadb-crc32-encrypted", "8 pages, 0 bad"),
    ("mariadb-compressed", "16 pages, 0 bad"),
    ("mariadb-compressed-encrypted", "8 pages, 0 bad"),
    (
        "mariadb-crc32-page_compressed",
        "8 pages, 0 bad, 6 compressed, of which only the places were checked",
    ),
    ("mysql-crc32", "9 pages, 0 bad"),
    ("mysql-compressed", "14 pages, 0 bad"),
    ("mysql-zlib-page_compressed", "10 pages, 0 bad"),
    ("mysql-lz4-page_compressed", "10 pages, 0 bad"),
    ("mysql-encrypted", "9 pages, 0 bad, 7 encrypted, of which only the places were checked"),
];

fn file(name: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    fs::read(root.join("tests/facts/pages").join(format!("{name}.ibd"))).expect("a captured file")
}

#[test]
fn files_of_real_servers_are_sound() {
    for (name, expected) in FILES {
        assert_eq!(words(&of_table(&file(name))), expected, "{name}");
    }
}

/// What the encryption leaves of a page, so that the files are what their names say.
#[test]
fn encrypted_files_are_encrypted() {
    for (name, _) in FILES {
        let bytes = file(name);
        let rows = bytes.windows(20).filter(|part| *part == [b'q'; 20]).count();
        let hidden = ["encrypted", "page_compressed"].iter().any(|word| name.contains(word));
        assert_eq!(rows == 0, hidden, "{name}: {rows}");
    }
}

/// Where a bit of a page can turn and its checksum not tell, by the format.
fn is_unseen(name: &str, page: &[u8], at: usize) -> bool {
    let kind = u16::from_be_bytes([page[24], page[25]]);
    let is_packed = kind == 14;
    let is_sealed = kind == 34_354 || name == "mysql-encrypted" && kind == 15;
    let is_place = (4..8).contains(&at) || (34..38).contains(&at);
    let end = page.len();
    // FIL_PAGE_FILE_FLUSH_LSN_OR_KEY_VERSION: of an encrypted page it holds the only sum there is,
    // and the others are those of before.
    let is_encrypted = name.contains("encrypted") && page[26..30] != [0; 4];
    match name {
        _ if is_sealed => !is_place,
        _ if is_packed => at >= 38 + usize::from(u16::from_be_bytes([page[32], page[33]])),
        _ if name.contains("full_crc32") => {
            kind & 0x8000 != 0 && at >= usize::from(kind & 0x7FFF) << 8
        }
        _ if name.contains("-compressed") => {
            (16..24).contains(&at)
                || (26..34).contains(&at) && !(is_encrypted && at >= 30)
                || is_encrypted && at < 4
        }
        _ if is_encrypted => at < 4 || (26..30).contains(&at) || at >= end - 8,
        _ => (26..34).contains(&at),
    }
}

/// Every bit of each page's head and end, and one bit of every few bytes between.
#[test]
fn a_turned_bit_is_seen() {
    const HEAD: usize = 40;
    const END: usize = 12;
    const STRIDE: usize = 61;
    for (name, expected) in FILES {
        let mut bytes = file(name);
        let size = checked(of_table(&bytes)).page_bytes;
        for at in 0..bytes.len() {
            let (page, inside) = (at - at % size, at % size);
            let is_edge = inside < HEAD || inside >= size - END;
            if !is_edge && !at.is_multiple_of(STRIDE)
                || is_unseen(name, &bytes[page..page + size], inside)
            {
                continue;
            }
            let bits = if is_edge { 0..=7 } else { at % 8..=at % 8 };
            for bit in bits {
                bytes[at] ^= 1 << bit;
                let found = words(&of_table(&bytes));
                bytes[at] ^= 1 << bit;
                assert_ne!(found, expected, "{name}: byte {inside} of page {}", page / size);
            }
        }
    }
}

/// A file whose first page is damaged is read as its other pages show, if these have sums to show.
#[test]
fn a_damaged_page_0_hides_no_other_damage() {
    for (name, _) in FILES {
        let mut bytes = file(name);
        let size = checked(of_table(&bytes)).page_bytes;
        bytes[60] ^= 0x40;
        bytes[3 * size + 6] ^= 1;
        let checked = checked(of_table(&bytes));
        let bad: Vec<_> = checked.bad.iter().map(|bad| bad.page).collect();
        let expected: &[u64] = if name == "mysql-encrypted" { &[0] } else { &[0, 3] };
        assert_eq!(bad, expected, "{name}: {}", words(&Found::Checked(checked)));
    }
}
