//! What is damage and what is not, on made tablespaces.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use holdstill::pages::{self, BAD_MAX, BadPage, Checked, Found, Spares};
use proptest::prelude::*;

use super::made::{Look, MAKES, Make, SYSTEMS, put};
use super::{checked, found, of_table, spares_of};

const CRC32: Make = MAKES[0];
const FULL: Make = MAKES[4];

/// One bad page, with these words in its reason.
fn assert_bad(checked: &Checked, page: u64, words: &str) {
    assert_eq!(checked.bad_found, 1, "{:?}", checked.bad);
    let BadPage { page: found, why } = &checked.bad[0];
    assert!(*found == page && why.contains(words), "page {found}: {why}");
}

fn assert_sound(found: &Found) {
    assert!(matches!(found, Found::Checked(_)) && found.is_sound(), "{}", super::words(found));
}

#[test]
fn a_tablespace_of_each_format_is_sound() {
    for make in MAKES {
        let checked = checked(of_table(&make.pages(9).concat()));
        let expected = Checked { page_bytes: make.page, pages: 9, ..Checked::default() };
        assert_eq!(checked, expected, "{make:?}");
    }
}

#[test]
fn names_of_tablespaces() {
    let is = |name: &str| pages::is_tablespace(Path::new(name));
    let names = [
        "t/a.ibd",
        "t/a#P#p0.ibd",
        "ibdata1",
        "ibdata12",
        "undo001",
        "undo_001",
        "u.ibu",
        "mysql.ibd",
    ];
    assert!(names.into_iter().all(is));
    let others = [
        "ibtmp1",
        "#ib_16384_0.dblwr",
        "ib_logfile0",
        "#innodb_temp/temp_1.ibt",
        "a.frm",
        "a.cfg",
        "ibdata",
        "ibdata1.bak",
        "undo_1_trunc.log",
        "undo",
        "ib_buffer_pool",
        "a.ibd.old",
        "a.isl",
    ];
    assert!(!others.into_iter().any(is));
}

#[test]
fn a_page_in_the_wrong_place_is_told() {
    for make in MAKES {
        let mut pages = make.pages(9);
        pages[5] = make.index(6);
        let checked = checked(of_table(&pages.concat()));
        assert_bad(&checked, 5, "its number: expected 5, found 6");
        pages[5] = Make { space: 8, ..make }.index(5);
        let checked = super::checked(of_table(&pages.concat()));
        assert_bad(&checked, 5, "its tablespace: expected 7, found 8");
    }
}

#[test]
fn an_empty_page_is_fine_and_one_that_is_half_empty_is_not() {
    for make in MAKES {
        let mut pages = make.pages(9);
        pages[4].fill(0);
        assert_sound(&of_table(&pages.concat()));
        let half = make.page / 2;
        pages[5][half..].fill(0);
        pages[6][..half].fill(0);
        let checked = checked(of_table(&pages.concat()));
        let expected = if make.look == Look::None { 1 } else { 2 };
        assert!(checked.bad_found >= expected, "{make:?} {:?}", checked.bad);
    }
}

#[test]
fn a_torn_page_is_told_by_the_log_sequence_number_at_its_ends() {
    for make in MAKES.into_iter().filter(|make| matches!(make.look, Look::Crc32 | Look::None)) {
        let mut pages = make.pages(9);
        let newer = make.sealed(make.raw(3, 0xFFFF));
        let last = make.page - 4;
        pages[3][last..].copy_from_slice(&newer[last..]);
        assert_bad(&checked(of_table(&pages.concat())), 3, "log sequence number");
    }
}

#[test]
fn a_page_with_a_whole_copy_is_torn_and_not_damaged() {
    for (make, system) in [(CRC32, SYSTEMS[1]), (FULL, SYSTEMS[0]), (MAKES[6], SYSTEMS[1])] {
        let mut newer = make.raw(3, 5000);
        newer[300..700].fill(9);
        let newer = make.sealed(newer);
        let mut pages = make.pages(9);
        pages[3][..512].copy_from_slice(&newer[..512]);
        assert_bad(&checked(of_table(&pages.concat())), 3, "checksum");

        let system = system.system(std::slice::from_ref(&newer));
        let spares = spares_of(&[("ibdata1", &system.concat())]);
        let with = |pages: &[Vec<u8>]| checked(found("t.ibd", &pages.concat(), &spares));
        assert_eq!((with(&pages).torn, with(&pages).bad_found), (1, 0), "{make:?}");
        pages[4][700] ^= 1;
        assert_bad(&with(&pages), 4, "checksum");

        pages[4] = make.index(4);
        pages[3] = make.raw(3, 5001);
        assert_bad(&with(&pages), 3, "checksum");
    }
}

#[test]
fn a_copy_that_is_spoiled_or_of_another_tablespace_mends_nothing() {
    let copy = CRC32.index(3);
    let mut spoiled = copy.clone();
    spoiled[900] ^= 1;
    let other = Make { space: 9, ..CRC32 }.index(3);
    let of_a_compressed = MAKES[6].index(3);
    let mut pages = CRC32.pages(9);
    pages[3][300] ^= 4;
    for (copy, torn) in [(copy, 1), (spoiled, 0), (other, 0), (of_a_compressed, 0)] {
        let spares = spares_of(&[("ibdata1", &SYSTEMS[1].system(&[copy]).concat())]);
        assert_eq!(checked(found("t.ibd", &pages.concat(), &spares)).torn, torn);
    }
}

#[test]
fn mysql_keeps_its_copies_in_files() {
    let make = Make { look: Look::Crc32, page: 4096, flags: 3 << 6 | 0x21, space: 3 };
    let file = [vec![0; 4096], make.index(2), make.index(1)].concat();
    let mut pages = make.pages(4);
    pages[2][1000] ^= 1;
    let name = "#ib_4096_1.dblwr";
    let spares = spares_of(&[(name, &file)]);
    assert_eq!(spares.len(), 2);
    assert_eq!(checked(found("t.ibd", &pages.concat(), &spares)).torn, 1);
    for name in ["#ib_4096_1.bdblwr", "#ib_5000_1.dblwr", "#ib_4096_x.dblwr", "ibdata2", "t.ibd"] {
        assert!(!Spares::holds(Path::new(name)), "{name}");
    }
}

#[test]
fn a_torn_page_0_is_read_as_its_copy_says() {
    for (make, system) in [(CRC32, SYSTEMS[1]), (FULL, SYSTEMS[0])] {
        let mut pages = make.pages(9);
        let copy = pages[0].clone();
        pages[0][54] ^= 0x80;
        pages[6][600] ^= 1;
        let alone = checked(of_table(&pages.concat()));
        assert!(alone.bad_found == 2 && alone.bad[0].page == 0, "{alone:?}");
        let spares = spares_of(&[("ibdata1", &system.system(&[copy]).concat())]);
        let checked = checked(found("t.ibd", &pages.concat(), &spares));
        assert_bad(&checked, 6, "checksum");
        assert_eq!(checked.torn, 1);
    }
}

#[test]
fn where_page_0_is_damaged_and_no_other_page_is_near_nothing_is_claimed() {
    let make = Make { look: Look::Full, page: 65536, flags: 0x17, space: 7 };
    let mut pages = make.pages(3);
    pages[0][100] ^= 1;
    let checked = checked(of_table(&pages.concat()));
    assert_bad(&checked, 0, "the other pages were not checked");
    assert!(checked.bad[0].why.starts_with("checksum: expected 0x"));
}

#[test]
fn the_doublewrite_buffer_holds_other_pages() {
    for system in SYSTEMS {
        let mut pages = system.system(&[FULL.index(3), vec![7; 16384]]);
        assert_sound(&found("ibdata1", &pages.concat(), &Arc::default()));
        pages[192] = FULL.index(3);
        let checked = checked(found("ibdata1", &pages.concat(), &Arc::default()));
        assert!(checked.bad_found == 1 && checked.bad[0].page == 192);
    }
    let system = SYSTEMS[1];
    let mut moved = system.system(&[]);
    moved[5] = system.system_header([128, 128]);
    moved[64] = system.index(99);
    let checked = checked(found("ibdata1", &moved.concat(), &Arc::default()));
    assert_bad(&checked, 64, "its number");
}

#[test]
fn a_later_file_of_the_system_tablespace_does_not_begin_with_page_0() {
    for system in SYSTEMS {
        let mut pages: Vec<_> = (768..800).map(|number| system.index(number)).collect();
        assert_sound(&found("ibdata2", &pages.concat(), &Arc::default()));
        pages[0].fill(0);
        pages[1].fill(0);
        assert_sound(&found("ibdata2", &pages.concat(), &Arc::default()));
        pages[..8].iter_mut().for_each(|page| page.fill(0));
        assert_sound(&found("ibdata2", &pages.concat(), &Arc::default()));
        pages[20][99] ^= 1;
        let bad = checked(found("ibdata2", &pages.concat(), &Arc::default()));
        assert_bad(&bad, 788, "checksum");
    }
}

#[test]
fn a_free_page_is_no_damage_but_where_mysql_wrote_it() {
    for make in MAKES.into_iter().filter(|make| make.look != Look::None) {
        let mut pages = make.pages(9);
        let mut header = make.header(9);
        // The first descriptor: pages 6 and 7 of its extent are free.
        header[150 + 24 + 1] = 1 << 4 | 1 << 6;
        pages[0] = make.sealed(header.clone());
        pages[6][500] ^= 1;
        let with_map = checked(of_table(&pages.concat()));
        assert_eq!((with_map.free, with_map.bad_found), (1, 0), "{make:?}");
        pages[5][500] ^= 1;
        assert_bad(&checked(of_table(&pages.concat())), 5, "checksum");
        if make.look != Look::Full {
            pages[5] = make.index(5);
            put(&mut header, 8, 90_704);
            pages[0] = make.sealed(header);
            assert_bad(&checked(of_table(&pages.concat())), 6, "checksum");
        }
    }
}

/// As MySQL compresses it: all but the head, by zlib.
fn packed(plain: &[u8]) -> Vec<u8> {
    let mut page = plain[..38].to_vec();
    let mut encoder = ZlibEncoder::new(&mut page, Compression::fast());
    encoder.write_all(&plain[38..]).expect("there is memory");
    encoder.finish().expect("there is memory");
    let lengths = [plain.len() - 38, page.len() - 38];
    let lengths = lengths.map(|length| u16::try_from(length).expect("a page is short"));
    page[26..28].copy_from_slice(&[2, 1]);
    page.copy_within(24..26, 28);
    page[24..26].copy_from_slice(&14_u16.to_be_bytes());
    page[30..32].copy_from_slice(&lengths[0].to_be_bytes());
    page[32..34].copy_from_slice(&lengths[1].to_be_bytes());
    page.resize(plain.len(), 0);
    page
}

#[test]
fn descriptors_that_are_compressed_call_no_page_free() {
    let make = MAKES[1];
    let first = u32::try_from(make.page).expect("it is small");
    let mut pages = vec![vec![0; make.page]; make.page];
    pages[0] = make.header(first + 64);
    pages.push(packed(&make.index(first)));
    pages.extend((first + 1..first + 64).map(|number| make.index(number)));
    assert_sound(&of_table(&pages.concat()));
    pages[make.page + 1..].iter_mut().for_each(|page| page[500] ^= 1);
    let found = checked(of_table(&pages.concat()));
    assert_eq!((found.free, found.bad_found), (0, 63));
}

#[test]
fn pages_that_are_missing_are_told_and_only_of_a_table() {
    let pages = CRC32.pages(9);
    let short = pages[..6].concat();
    let table = checked(of_table(&short));
    assert_eq!(table.bad_found, 3);
    assert_eq!(table.bad[0].to_string(), "page 6: missing: expected 9 pages in all, found 6");
    assert_sound(&found("undo001", &short, &Arc::default()));
    let cut = [short.as_slice(), &[1; 100]].concat();
    let undo = checked(found("undo001", &cut, &Arc::default()));
    assert_bad(&undo, 6, "cut: expected 16384 bytes, found 100");
    let tiny = [pages[..2].concat(), vec![1; 100]].concat();
    let undo = checked(found("undo001", &tiny, &Arc::default()));
    assert_bad(&undo, 2, "cut: expected 16384 bytes, found 100");
}

#[test]
fn what_is_no_tablespace_or_of_a_later_server_is_no_damage() {
    let is_none = |bytes: &[u8]| matches!(of_table(bytes), Found::NotATablespace(_));
    assert!(is_none(&[]) && is_none(b"text") && is_none(&[1; 1023]));
    assert!(matches!(of_table(&vec![0; 65536 * 3 + 5]), Found::Skipped(_)));
    let mut later = CRC32.header(1);
    put(&mut later, 54, 0x8000_0021);
    assert!(matches!(of_table(&later), Found::Skipped(_)), "{}", of_table(&later));
    assert!(!of_table(&vec![1; 20_000]).is_sound(), "a table's file of garbage");
    let mut cut = super::Checker::new(Path::new("t.ibd"), 20);
    cut.feed(&[1; 19]);
    assert!(matches!(cut.finish(), Found::Skipped(_)));
}

#[test]
fn of_many_bad_pages_some_are_told_and_all_counted() {
    let mut pages = CRC32.pages(100);
    pages[1..].iter_mut().for_each(|page| page[999] ^= 1);
    let checked = checked(of_table(&pages.concat()));
    assert_eq!((checked.bad_found, checked.bad.len()), (99, BAD_MAX));
}

#[test]
fn old_checksums_that_servers_still_read() {
    let mut pages = CRC32.pages(9);
    let page = &mut pages[4];
    let end = page.len();
    let new = fold(&page[4..26]).wrapping_add(fold(&page[38..end - 8]));
    put(page, 0, new);
    let old = fold(&page[..26]);
    put(page, end - 8, old);
    assert_sound(&of_table(&pages.concat()));
    pages[4][2000] ^= 1;
    assert_bad(&checked(of_table(&pages.concat())), 4, "checksum");
}

/// InnoDB's own hash, as its source describes it, in 64 bits.
fn fold(bytes: &[u8]) -> u32 {
    let pair = |a: u64, b: u64| {
        ((((a ^ b ^ 0x6294_6A4F) << 8).wrapping_add(a)) ^ 0x573E_D587).wrapping_add(b)
    };
    let sum = bytes.iter().fold(0, |sum, byte| pair(sum, u64::from(*byte)));
    u32::try_from(sum & 0xFFFF_FFFF).expect("its lower half")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// Garbage, also garbage that begins as a tablespace does, is judged and never a panic.
    #[test]
    fn garbage_is_judged(
        make in prop::sample::select(MAKES.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..9000),
        at in 0_usize..140_000,
        flags in any::<u32>(),
        name in prop::sample::select(vec!["t.ibd", "ibdata1", "undo001", "#ib_4096_0.dblwr"]),
    ) {
        let _ = found(name, &bytes, &Arc::default());
        let mut pages = make.pages(4);
        put(&mut pages[0], 54, flags);
        pages[0] = make.sealed(std::mem::take(&mut pages[0]));
        let mut whole = pages.concat();
        let at = at % whole.len();
        let end = whole.len().min(at + bytes.len());
        whole[at..end].copy_from_slice(&bytes[..end - at]);
        let mut spares = Spares::default();
        spares.gather(Path::new(if name == "t.ibd" { "ibdata1" } else { name })).feed(&whole);
        let _ = found(name, &whole, &Arc::new(spares));
    }

    /// In which pieces a file comes changes nothing.
    #[test]
    fn pieces_change_nothing(
        make in prop::sample::select(MAKES.to_vec()),
        spoiled in 0_usize..200_000,
        tail in 0_usize..3000,
        lengths in prop::collection::vec(1_usize..70_000, 1..20),
    ) {
        let mut whole = make.pages(11).concat();
        let at = spoiled % whole.len();
        whole[at] ^= 0x10;
        whole.extend(vec![3; tail]);
        let mut checker = super::Checker::new(Path::new("t.ibd"), whole.len() as u64);
        let (mut rest, mut lengths) = (whole.as_slice(), lengths.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*lengths.next().expect("a cycle")));
            checker.feed(piece);
            rest = after;
        }
        prop_assert_eq!(checker.finish(), of_table(&whole));
    }
}
