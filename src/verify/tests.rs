//! Verification on real files: whatever is done to a backup is named, and nothing else is.

// What is done to a backup here is done by somebody else than us.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::digest::Digest;
use crate::host::Type;
use crate::host::linux::Linux;
use crate::manifest::Entry;
use crate::store::{ManifestFile, StatementsFile};

const RUN: &str = "20261123T010203Z-00002a";

struct Backup {
    _home: tempfile::TempDir,
    path: PathBuf,
}

/// Somewhere between the sources of the format: what a run writes, without the run.
fn record(manifest: Option<&ManifestFile>, statements: &StatementsFile) -> String {
    let record = serde_json::json!({
        "version": 2, "run": RUN, "host": "h", "state": "published",
        "started": "2026-11-23T01:02:03Z", "copied": {"bytes": 1},
        "window": {"waited_ms": 1, "locked_ms": 1},
        "manifest": manifest, "statements": statements,
    });
    let text = serde_json::to_string_pretty(&record).unwrap();
    let open = text.trim_end_matches("\n}");
    store::sealed(&format!("{open},\n  \"seal\": \"\"\n}}\n")).unwrap()
}

fn backup() -> Backup {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(RUN);
    fs::create_dir_all(path.join("tree/db")).unwrap();
    for (name, text) in [("ibdata1", "system"), ("db/t.ibd", "rows"), ("db/u.ibd", "more rows")] {
        fs::write(path.join("tree").join(name), text).unwrap();
    }
    symlink("/var/log", path.join("tree/log")).unwrap();
    fs::write(path.join("coordinates.sql"), "CHANGE MASTER").unwrap();
    let host = Linux::new().unwrap();
    let found = host.tree(&path).unwrap().found.into_iter();
    let found = found.filter(|one| one.path.starts_with("tree"));
    let entry = |one: crate::host::Found| {
        let text = (one.is == Type::File).then(|| fs::read(path.join(&one.path)).unwrap());
        Entry::new(one.path.clone(), &one, text.map(|text| Digest::of(&text)))
    };
    let manifest = Manifest::new(RUN, found.map(entry).collect());
    let text = manifest.text().unwrap();
    fs::write(path.join(manifest::FILE), &text).unwrap();
    let file = ManifestFile::new(&text, manifest.totals());
    let record = record(Some(&file), &StatementsFile::new("CHANGE MASTER"));
    fs::write(path.join(RECORD), record).unwrap();
    Backup { _home: home, path }
}

impl Backup {
    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn verified(&self, share: Share) -> End {
        let order = Order { path: &self.path, run: RUN, share, priority: Priority::default() };
        verify(&Linux::new().unwrap(), &order, &mut |_| {}).unwrap()
    }

    fn told(&self, share: Share) -> Vec<String> {
        let End::Looked(verdict) = self.verified(share) else { panic!("it was not looked at") };
        verdict.problems.iter().map(ToString::to_string).collect()
    }
}

/// Writes a file without its time telling.
fn bend(path: &Path, text: &str) {
    let time = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, text).unwrap();
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(time))
        .unwrap();
}

#[test]
fn a_backup_that_nobody_touched_is_sound() {
    let End::Looked(verdict) = backup().verified(Share::All) else { panic!("not looked at") };
    assert_eq!(verdict.problems, []);
    assert_eq!((verdict.how, verdict.files, verdict.bytes), (How::Verify, 3, Bytes(19)));
    assert!(verdict.finding().is_sound());
}

/// Two backups with files in common: damage in one of those is told of both, and the one is whole
/// without the other.
#[test]
fn a_file_that_others_share_is_told_of_them_as_well() {
    const NEXT: &str = "20261124T010203Z-00002b";
    let first = backup();
    let next = first.path.with_file_name(NEXT);
    fs::create_dir_all(next.join("tree/db")).unwrap();
    let us = Linux::new().unwrap().machine().unwrap().host;
    for (at, run) in [(&first.path, RUN), (&next, NEXT)] {
        let record = serde_json::json!({
            "version": 1, "run": run, "host": us, "state": "published",
            "started": "2026-11-23T01:02:03Z", "copied": {"bytes": 1},
            "window": {"waited_ms": 1, "locked_ms": 1},
        });
        fs::write(at.join("others.json"), record.to_string()).unwrap();
    }
    fs::rename(next.join("others.json"), next.join(RECORD)).unwrap();
    fs::remove_file(first.at("others.json")).unwrap();
    for (name, to) in [("ibdata1", "ibdata1"), ("db/t.ibd", "db/renamed.ibd")] {
        fs::hard_link(first.at("tree").join(name), next.join("tree").join(to)).unwrap();
    }
    fs::copy(first.at("tree/db/u.ibd"), next.join("tree/db/u.ibd")).unwrap();
    let told = || {
        let End::Looked(verdict) = first.verified(Share::All) else { panic!("not looked at") };
        let sharers = verdict.sharers.clone().unwrap();
        let of = |one: &Sharer| {
            let finding = verdict.finding_of(one);
            (one.run.clone(), finding.problems, finding.problems_found)
        };
        sharers.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(told(), []);
    bend(&first.at("tree/db/u.ibd"), "mOre rows");
    assert_eq!(told(), [], "what is its own is its own affair");
    bend(&first.at("tree/db/t.ibd"), "rOws");
    let wanted = vec!["changed content: 'tree/db/renamed.ibd'".to_owned()];
    assert_eq!(told(), [(NEXT.to_owned(), wanted, 1)]);
}

#[test]
fn whatever_is_done_to_it_is_named_and_nothing_else() {
    type Harm = fn(&Backup);
    let harms: [(Harm, &[&str]); 13] = [
        (|one| bend(&one.at("tree/ibdata1"), "sYstem"), &["changed content: 'tree/ibdata1'"]),
        (
            |one| bend(&one.at("tree/ibdata1"), "sys"),
            &["truncated: 'tree/ibdata1': expected 6 bytes, found 3"],
        ),
        (
            |one| bend(&one.at("tree/ibdata1"), "systematic"),
            &["longer: 'tree/ibdata1': expected 6 bytes, found 10"],
        ),
        (|one| fs::remove_file(one.at("tree/db/t.ibd")).unwrap(), &["missing: 'tree/db/t.ibd'"]),
        (
            |one| fs::remove_dir_all(one.at("tree/db")).unwrap(),
            &["missing: 'tree/db'", "missing: 'tree/db/t.ibd'", "missing: 'tree/db/u.ibd'"],
        ),
        (|one| fs::write(one.at("tree/db/x"), "").unwrap(), &["extra: 'tree/db/x', a file"]),
        (|one| fs::create_dir(one.at("tree.x")).unwrap(), &["extra: 'tree.x', a directory"]),
        (
            |one| fs::set_permissions(one.at("tree/db"), PermissionsExt::from_mode(0o777)).unwrap(),
            &["changed mode: 'tree/db': expected '0755', found '0777'"],
        ),
        (
            |one| {
                fs::remove_file(one.at("tree/log")).unwrap();
                symlink("/var/lib", one.at("tree/log")).unwrap();
            },
            &["changed link: 'tree/log': expected '/var/log', found '/var/lib'"],
        ),
        (
            |one| {
                fs::remove_file(one.at("tree/db/t.ibd")).unwrap();
                symlink("u.ibd", one.at("tree/db/t.ibd")).unwrap();
            },
            &["changed type: 'tree/db/t.ibd': expected 'file', found 'link'"],
        ),
        (
            |one| fs::remove_file(one.at("coordinates.sql")).unwrap(),
            &["missing: 'coordinates.sql'"],
        ),
        (
            |one| bend(&one.at("coordinates.sql"), "CHANGE MASTEr"),
            &["changed content: 'coordinates.sql'"],
        ),
        (|one| fs::remove_file(one.at("manifest.jsonl")).unwrap(), &["missing: 'manifest.jsonl'"]),
    ];
    for (harm, wanted) in harms {
        let one = backup();
        // What a run of this test leaves of a mode depends on the mask of whoever runs it.
        fs::set_permissions(one.at("tree/db"), PermissionsExt::from_mode(0o755)).unwrap();
        let before = one.told(Share::All);
        harm(&one);
        let mut told = one.told(Share::All);
        told.retain(|problem| {
            !before.contains(problem) && !problem.starts_with("changed time: 'tree/log'")
        });
        let mode = |problem: &String| problem.starts_with("changed mode: 'tree/db'");
        if let Some(mode) = told.iter_mut().find(|one| mode(one)) {
            *mode =
                format!("{}expected '0755', found '0777'", &mode[..mode.find("expected").unwrap()]);
        }
        told.retain(|problem| !problem.starts_with("changed time: 'tree/db/t.ibd'"));
        assert_eq!(told, wanted);
    }
}

#[test]
fn a_time_that_was_set_is_told() {
    let one = backup();
    let file = File::options().write(true).open(one.at("tree/db/t.ibd")).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(5, 7);
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
    let told = one.told(Share::All);
    assert!(told[0].starts_with("changed time: 'tree/db/t.ibd': expected '"), "{told:?}");
    assert!(told[0].ends_with("found '5.000000007'"), "{told:?}");
}

#[test]
fn nothing_is_believed_of_a_bent_record_or_manifest() {
    let one = backup();
    let text = fs::read_to_string(one.at(RECORD)).unwrap();
    fs::write(one.at(RECORD), text.replace("\"bytes\": 1\n", "\"bytes\": 3\n")).unwrap();
    let told = one.told(Share::All);
    assert!(told[0].starts_with("damaged record: its seal is"), "{told:?}");
    fs::write(one.at(RECORD), &text[..40]).unwrap();
    assert!(one.told(Share::All)[0].starts_with("damaged record: EOF"));
    fs::write(one.at(RECORD), [0xff]).unwrap();
    assert!(one.told(Share::All)[0].starts_with("damaged record: "));
    fs::remove_file(one.at(RECORD)).unwrap();
    assert!(one.told(Share::All)[0].starts_with("damaged record: "));
    let one = backup();
    let text = fs::read_to_string(one.at("manifest.jsonl")).unwrap();
    fs::write(one.at("manifest.jsonl"), text.replace("db/u.ibd", "db/v.ibd")).unwrap();
    let told = one.told(Share::All);
    assert!(told[0].starts_with("damaged manifest 'manifest.jsonl': the record tells"), "{told:?}");
}

#[test]
fn one_that_goes_or_never_had_a_manifest_is_not_damaged() {
    let one = backup();
    fs::write(one.at(RECORD), record(None, &StatementsFile::new(""))).unwrap();
    assert_eq!(one.verified(Share::All), End::NoManifest);
    let one = backup();
    let order =
        Order { path: &one.path, run: RUN, share: Share::All, priority: Priority::default() };
    let away = one.path.with_file_name(format!(".{RUN}.removing"));
    let mut first = true;
    let end = verify(&Linux::new().unwrap(), &order, &mut |_| {
        if std::mem::take(&mut first) {
            fs::rename(&one.path, &away).unwrap();
        }
    });
    assert_eq!(end, Ok(End::Gone));
    assert_eq!(one.verified(Share::All), End::Gone);
}

#[test]
fn a_share_reads_some_and_looks_at_all() {
    let one = backup();
    let (mut files, mut harmed) = (0, 0);
    bend(&one.at("tree/ibdata1"), "sYstem");
    fs::remove_file(one.at("tree/db/t.ibd")).unwrap();
    let now = Linux::new().unwrap().machine().unwrap().began();
    for turn in 0..100 {
        let turn = Turn { of: 100, at: turn };
        files += usize::from(turn.takes(Path::new("tree/ibdata1")));
        harmed += usize::from(turn.takes(Path::new("tree/db/u.ibd")));
    }
    assert_eq!((files, harmed), (1, 1));
    let today = Turn::of(Share::Percent(1), now, 3).takes(Path::new("tree/ibdata1"));
    let told = one.told(Share::Percent(1));
    assert!(told.contains(&"missing: 'tree/db/t.ibd'".to_owned()), "{told:?}");
    assert_eq!(told.contains(&"changed content: 'tree/ibdata1'".to_owned()), today, "{told:?}");
}
