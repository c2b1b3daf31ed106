//! The pages of tablespaces: real ones of each format, and made ones for what a real one seldom
//! shows. What the server's own `innochecksum` says of them is held against ours in the lab, by
//! `judge_files`.

mod made;
mod real;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdstill::pages::{Checked, Checker, Found, Spares};

/// As a file of this name, in one piece.
fn found(name: &str, bytes: &[u8], spares: &Arc<Spares>) -> Found {
    let mut checker = Checker::new(Path::new(name), bytes.len() as u64).with(spares);
    checker.feed(bytes);
    checker.finish()
}

/// The same of a table's file, without copies.
fn of_table(bytes: &[u8]) -> Found {
    found("t.ibd", bytes, &Arc::default())
}

/// What was checked; anything else is a failure.
fn checked(found: Found) -> Checked {
    match found {
        Found::Checked(checked) => checked,
        other => panic!("{other}"),
    }
}

/// What a table's file says in words, with its bad pages.
fn words(found: &Found) -> String {
    let bad = match found {
        Found::Checked(checked) => checked.bad.as_slice(),
        _ => &[],
    };
    bad.iter().fold(found.to_string(), |text, page| format!("{text}\n  {page}"))
}

/// What the files of one directory hold of copies, as a caller gathers them.
fn spares_of(files: &[(&str, &[u8])]) -> Arc<Spares> {
    let mut spares = Spares::default();
    for (name, bytes) in files {
        assert!(Spares::holds(Path::new(name)), "{name}");
        spares.gather(Path::new(name)).feed(bytes);
    }
    Arc::new(spares)
}

/// For the lab, which compares with the server's own `innochecksum`: reads a list of files, one a
/// line, from `HOLDSTILL_LAB_FILES`, with the copies in those that the lab names in
/// `HOLDSTILL_LAB_SPARES`, and says of each what was found.
#[test]
#[ignore = "for the lab: judges the files of a real server"]
fn judge_files() {
    let list = std::env::var("HOLDSTILL_LAB_FILES").expect("the lab says which files");
    let list = fs::read_to_string(list).expect("the list can be read");
    let mut spares = Spares::default();
    for path in std::env::var("HOLDSTILL_LAB_SPARES").unwrap_or_default().split_terminator(':') {
        spares.gather(Path::new(path)).feed(&fs::read(path).expect("a file of copies can be read"));
    }
    println!("spares: {}", spares.len());
    let spares = Arc::new(spares);
    for path in list.lines().map(PathBuf::from) {
        let bytes = fs::read(&path).expect("a listed file can be read");
        let found = found(&path.display().to_string(), &bytes, &spares);
        let verdict = if found.is_sound() { "sound" } else { "bad" };
        println!("pages: {}: {verdict}: {}", path.display(), words(&found).replace("\n ", ";"));
    }
}
