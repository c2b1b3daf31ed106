//! The manifest: every path survives, and what was bent or cut is told with its line.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

const RUN: &str = "20261123T010203Z-00002a";

fn entry(path: &str, is: Type) -> Entry {
    Entry {
        path: path.into(),
        is,
        size: Bytes(if is == Type::File { 3 } else { 0 }),
        mode: 0o750,
        uid: 100,
        gid: 101,
        mtime: Moment { seconds: -1, nanos: 500_000_000 },
        target: (is == Type::Link).then(|| "/var".into()),
        blake3: (is == Type::File).then(|| Digest::of(b"abc")),
    }
}

fn manifest() -> Manifest {
    let entries = vec![
        entry("tree/a", Type::File),
        entry("tree", Type::Directory),
        entry("tree/db", Type::Directory),
        entry("tree.2", Type::Directory),
        entry("tree/db.1", Type::Link),
        entry("tree/db/t.ibd", Type::File),
    ];
    Manifest::new(RUN, entries)
}

fn wrong(text: &str) -> String {
    Manifest::parse(text).expect_err(text).to_string()
}

#[test]
fn it_reads_as_written_line_by_line() {
    let text = manifest().text().unwrap();
    assert_eq!(Manifest::parse(&text), Ok(manifest()));
    let first = concat!(
        r#"{"path":"tree","type":"directory","size":0,"mode":"0750","uid":100,"gid":101,"#,
        r#""mtime":-1,"mtime_ns":500000000}"#
    );
    assert_eq!(text.lines().nth(1), Some(first));
    assert_eq!(text.lines().last(), Some(r#"{"end":true,"entries":6,"files":2,"bytes":6}"#));
    let paths: Vec<_> = manifest().entries.into_iter().map(|one| one.path).collect();
    let wanted = ["tree", "tree.2", "tree/a", "tree/db", "tree/db.1", "tree/db/t.ibd"];
    assert_eq!(paths, wanted.map(PathBuf::from));
}

#[test]
fn a_cut_one_is_never_whole() {
    let text = manifest().text().unwrap();
    for end in 0..text.len() {
        assert!(Manifest::parse(&text[..end]).is_err(), "{end}");
    }
    let lines: Vec<&str> = text.lines().collect();
    for missing in 0..lines.len() {
        let mut rest = lines.clone();
        rest.remove(missing);
        assert!(Manifest::parse(&(rest.join("\n") + "\n")).is_err(), "{missing}");
    }
    assert!(wrong(&format!("{text}x\n")).contains("expected the end of the text"));
}

#[test]
fn what_was_bent_is_told_with_its_line() {
    let text = manifest().text().unwrap();
    let bent = |from: &str, to: &str| wrong(&text.replacen(from, to, 1));
    for (from, to, told) in [
        ("holdstill-manifest", "x", "line 1: expected the format 'holdstill-manifest', found 'x'"),
        ("\"version\":1", "\"version\":2", "line 1: expected version 1, found version 2"),
        ("tree/a", "tree/../a", "line 4: expected a path below 'tree'"),
        ("tree/a", "/a", "line 4: expected a path below 'tree'"),
        ("tree/a", "treex/a", "line 4: expected a path below 'tree'"),
        ("tree/a", "tree/z", "line 5: expected a path behind 'tree/z', found 'tree/db'"),
        ("tree/a", "tree.2/b/a", "line 4: expected a directory 'tree.2/b' before"),
        ("tree/db/t.ibd", "tree/db.1/t", "line 7: expected a directory 'tree/db.1' before"),
        ("0750", "750", "line 2: expected a mode like '0640', found '750'"),
        ("500000000", "5000000000", "line 2: "),
        ("500000000", "1000000000", "line 2: expected nanoseconds below"),
        ("\"link\"", "\"file\"", "line 6: expected no 'target' of a file, found one"),
        ("\"file\"", "\"directory\"", "line 4: expected no 'blake3' of a directory, found one"),
        ("\"entries\":6", "\"entries\":7", "line 8: expected 7 entries"),
        ("/var", r"\\y", r"line 6: expected '\\' or '\xNN' for each backslash, found '\y'"),
    ] {
        let found = bent(from, to);
        assert!(found.starts_with(told), "{from} as {to}: {found}");
    }
}

#[test]
fn a_byte_that_is_no_text_survives() {
    let odd = PathBuf::from(OsString::from_vec(b"tree/\xff\\x41 \n\xc3\xa4".to_vec()));
    assert_eq!(path::escape(&odd), "tree/\\xff\\\\x41 \n\u{e4}");
    assert_eq!(path::unescape(&path::escape(&odd)), Ok(odd));
    for wrong in [r"\x41", r"a\", r"\xf", r"\xFF", r"\xc3\xa4", r"\q"] {
        assert!(path::unescape(wrong).is_err(), "{wrong}");
    }
    assert_eq!(path::parent(Path::new("tree/a/b")), Some(Path::new("tree/a")));
    assert_eq!(path::parent(Path::new("tree")), None);
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => 1_u8..47, 3 => 48_u8..128, 2 => 128_u8.., 1 => Just(b'\\')];
    vec(byte, 1..12).prop_filter("a name", |name| name != b"." && name != b"..")
}

fn files() -> impl Strategy<Value = Vec<Entry>> {
    let numbers = any::<(u64, u32, u32, i64)>();
    let one = (name(), 0..3_u8, numbers, 0..0o10000_u32, 0..1_000_000_000_u32);
    vec(one, 0..20).prop_map(|all| {
        let mut seen = std::collections::BTreeSet::new();
        let fresh = all.into_iter().filter(|one| seen.insert(one.0.clone()));
        fresh
            .map(|(name, is, (size, uid, gid, seconds), mode, nanos)| {
                let is = [Type::File, Type::Link, Type::Other][usize::from(is)];
                let path = [b"tree/", &name[..]].concat();
                Entry {
                    size: Bytes(size),
                    mode,
                    uid,
                    gid,
                    mtime: Moment { seconds, nanos },
                    target: (is == Type::Link).then(|| OsString::from_vec(name).into()),
                    path: OsString::from_vec(path).into(),
                    ..entry("", is)
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read(mut files in files()) {
        files.push(entry("tree", Type::Directory));
        let manifest = Manifest::new(RUN, files);
        let text = manifest.text().unwrap();
        prop_assert_eq!(text.lines().count(), manifest.entries.len() + 2);
        prop_assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    }

    #[test]
    fn garbage_is_an_error(text in ".{0,200}", bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Manifest::parse(&text).is_err());
        prop_assert!(Manifest::parse(&String::from_utf8_lossy(&bytes)).is_err());
    }

    #[test]
    fn a_bent_text_is_an_error_or_another_manifest(
        spots in btree_set(0..900_usize, 1..4),
        byte in 32_u8..127,
    ) {
        let mut text = manifest().text().unwrap().into_bytes();
        for spot in spots.iter().filter(|spot| **spot < text.len()).collect::<Vec<_>>() {
            text[*spot] = byte;
        }
        let _no_panic = Manifest::parse(&String::from_utf8_lossy(&text));
    }
}
