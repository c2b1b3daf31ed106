//! The cases of a tree that is looked at and read: everything in it is found, and the sums are
//! those of what was written.

use holdstill::digest::Digest;
use holdstill::host::{Act, Ask, Host, Priority, Reading, ToRead, Type};
use holdstill::units::{Bytes, Millis};

use super::{Case, Place};

pub(super) const CASES: [(&str, Case); 2] = [
    ("a tree is found in order and read to its end", found_and_read),
    ("what is not there, or of another length, is told", told),
];

fn found_and_read(host: &mut dyn Host, place: &Place) {
    let root = place.scratch.join("reading");
    for directory in [root.clone(), root.join("tree"), root.join("tree/db")] {
        host.act(&Act::NewDir(directory)).expect("it is new");
    }
    let texts = [("tree/db/t.frm", "definition"), ("tree/ib_logfile0", "redo")];
    for (name, text) in texts {
        host.act(&Act::WriteFile { path: root.join(name), text: text.into() }).expect("new");
    }
    let tree = host.tree(&root).expect("it can be looked at");
    assert_eq!(tree.unseen, []);
    let found: Vec<_> = tree.found.iter().map(|one| (one.path.to_str(), one.is)).collect();
    let wanted = [
        (Some("tree"), Type::Directory),
        (Some("tree/db"), Type::Directory),
        (Some("tree/db/t.frm"), Type::File),
        (Some("tree/ib_logfile0"), Type::File),
    ];
    assert_eq!(found, wanted);
    let files = texts.map(|(name, text)| (name, text.len() as u64));
    let sums = read(host, &reading(&root, &files));
    let wanted = texts.map(|(_, text)| Ok(Digest::of(text.as_bytes())));
    assert_eq!(sums, wanted);
    host.act(&Act::RemoveTree(root)).expect("it can be removed");
}

fn told(host: &mut dyn Host, place: &Place) {
    let root = place.scratch.join("reading");
    host.tree(&root).expect_err("it is not there");
    host.readings(Millis(1)).expect_err("nothing is read");
    host.act(&Act::NewDir(root.clone())).expect("it is new");
    host.act(&Act::WriteFile { path: root.join("a"), text: "abc".into() }).expect("new");
    let sums = read(host, &reading(&root, &[("a", 2), ("a", 4), ("none", 1)]));
    assert_eq!(sums[0], Err("expected 2 bytes, found 3".into()));
    assert_eq!(sums[1], Err("expected 4 bytes, found 3".into()));
    assert!(sums[2].is_err());
    host.act(&Act::RemoveTree(root)).expect("it can be removed");
}

fn reading(root: &std::path::Path, files: &[(&str, u64)]) -> Reading {
    let file = |(path, size): &(&str, u64)| ToRead { path: path.into(), size: Bytes(*size) };
    let files = files.iter().map(file).collect();
    Reading { directory: root.into(), files, priority: Priority::default() }
}

fn read(host: &dyn Host, reading: &Reading) -> Vec<Result<Digest, String>> {
    host.read(reading.clone()).expect("it can begin");
    let mut all = Vec::new();
    loop {
        let came = host.readings(Millis(60_000)).expect("it goes on");
        all.extend(came.files);
        if came.over {
            break;
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, sum)| sum.map(|sum| sum.blake3)).collect()
}
