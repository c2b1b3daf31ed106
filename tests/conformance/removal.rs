//! The cases of a backup that goes: its name first, then its files, its record last.

use std::path::{Path, PathBuf};

use holdstill::host::{Act, Ask, Host};

use super::{Case, Place, RUN};

pub(super) const CASES: [(&str, Case); 4] = [
    ("a backup is withdrawn once, and to a free name", withdrawn_once),
    ("a directory is emptied but for one file, twice", emptied),
    ("what is not there is empty", nothing_is_empty),
    ("a directory is given away, and nothing else is", given),
];

/// A published backup, and the name that it gets.
fn published(host: &mut dyn Host, place: &Place) -> (PathBuf, PathBuf) {
    let partial = place.scratch.join(format!(".{RUN}.partial"));
    for directory in [partial.clone(), partial.join("tree"), partial.join("tree/db")] {
        host.act(&Act::NewDir(directory)).expect("it is new");
    }
    for name in ["tree/ibdata1", "tree/ib_logfile0", "tree/db/t.ibd", "coordinates.sql"] {
        write(host, &partial.join(name), "what was copied");
    }
    let record = r#"{"state":"published"}"#;
    write(host, &partial.join("backup.json"), record);
    host.act(&Act::SyncFs(partial.clone())).expect("it is synced");
    let published = place.scratch.join(RUN);
    host.act(&Act::Publish { from: partial, to: published.clone() }).expect("the name is free");
    (published, place.scratch.join(format!(".{RUN}.removing")))
}

fn write(host: &mut dyn Host, path: &Path, text: &str) {
    host.act(&Act::WriteFile { path: path.into(), text: text.into() }).expect("it is written");
}

fn gone(host: &mut dyn Host, path: &Path) {
    host.act(&Act::RemoveTree(path.into())).expect("it can be removed");
    assert_eq!(host.entry(path), Ok(None));
}

fn withdrawn_once(host: &mut dyn Host, place: &Place) {
    let (from, to) = published(host, place);
    let withdraw = Act::Withdraw { from: from.clone(), to: to.clone() };
    host.act(&Act::NewDir(to.clone())).expect("the name is free");
    host.act(&withdraw).expect_err("the name is taken");
    assert!(host.entry(&from).expect("it can be looked at").is_some());
    host.act(&Act::RemoveDir(to.clone())).expect("it is empty");
    host.act(&withdraw).expect("the name is free");
    assert_eq!(host.entry(&from), Ok(None));
    assert_eq!(host.file(&to.join("tree/db/t.ibd")), Ok(Some("what was copied".into())));
    host.act(&withdraw).expect_err("it is not there any more");
    gone(host, &to);
}

fn emptied(host: &mut dyn Host, place: &Place) {
    let (from, to) = published(host, place);
    host.act(&Act::Withdraw { from, to: to.clone() }).expect("the name is free");
    let empty = Act::Empty { directory: to.clone(), but: "backup.json".into() };
    for _ in 0..2 {
        host.act(&empty).expect("it can be emptied");
        assert_eq!(host.list(&to), Ok(vec!["backup.json".into()]));
    }
    host.act(&Act::RemoveDir(to.clone())).expect_err("the record is in it");
    host.act(&Act::RemoveFile(to.join("backup.json"))).expect("it can be removed");
    host.act(&empty).expect("it is empty");
    host.act(&Act::RemoveDir(to)).expect("it is empty");
}

fn nothing_is_empty(host: &mut dyn Host, place: &Place) {
    let directory = place.scratch.join(".nothing.removing");
    host.act(&Act::Empty { directory, but: "backup.json".into() }).expect("nothing is to be done");
}

fn given(host: &mut dyn Host, place: &Place) {
    let path = place.scratch.join("given");
    let own = |path: &Path, mode| Act::Own { path: path.into(), owner: Some((0, 0)), mode };
    host.act(&own(&path, 0o750)).expect_err("it is not there");
    host.act(&Act::NewDir(path.clone())).expect("it is new");
    for mode in [0o750, 0o700, 0o700] {
        host.act(&own(&path, mode)).expect("it is a directory");
        let entry = host.entry(&path).expect("it can be looked at").expect("it is there");
        assert_eq!((entry.uid, entry.mode), (0, mode));
    }
    write(host, &path.join("file"), "");
    host.act(&own(&path.join("file"), 0o700)).expect_err("it is a file");
    gone(host, &path);
}
