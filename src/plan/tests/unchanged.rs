//! Which backup unchanged files are linked to, and everything that speaks against it.

use std::path::Path;

use serde_json::{Value, json};

use super::world::{BACKUP, REDO, World, entry};
use crate::digest::Digest;
use crate::host::{Kind, Moment, Synchrony, Type};
use crate::manifest::{self, Entry, Manifest};
use crate::memory::{Finding, How, Known};
use crate::plan::{Plan, Verdict};
use crate::store::ManifestFile;
use crate::units::{Bytes, Millis};

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");
const BASE: &str = "20261122T001226Z-000001";
/// When it began, in seconds since 1970.
const BEGAN: i64 = 1_795_306_346;

fn file(path: &str, seconds: i64, nanos: u32) -> Entry {
    Entry {
        path: path.into(),
        is: Type::File,
        size: Bytes(1 << 20),
        mode: 0o640,
        uid: 100,
        gid: 101,
        mtime: Moment { seconds, nanos },
        target: None,
        blake3: Some(Digest::of(path.as_bytes())),
    }
}

fn tree() -> Entry {
    Entry { is: Type::Directory, size: Bytes(0), blake3: None, ..file("tree", BEGAN - 9, 0) }
}

fn base_manifest() -> String {
    let entries = vec![
        tree(),
        file("tree/#new", BEGAN, 0),
        file("tree/ibdata1", BEGAN + 3, 0),
        // Two seconds, and twice the 12 ms that the clock may be off.
        file("tree/near", BEGAN - 3, 976_000_000),
        file("tree/old", BEGAN - 3, 975_999_999),
        file("tree/t.ibd", BEGAN - 86_400, 7),
    ];
    Manifest::new(BASE, entries).text().unwrap()
}

fn record() -> Value {
    let text = base_manifest();
    let manifest = ManifestFile::new(&text, Manifest::parse(&text).unwrap().totals());
    json!({
        "version": 1, "host": "db2", "run": BASE, "state": "published",
        "started": "2026-11-22T00:12:26Z", "copied": {"files": 7, "bytes": 3_221_225_472_u64},
        "datadir": "", "window": {"waited_ms": 3, "locked_ms": 27}, "manifest": manifest,
        "sources": [{"vg": "data", "lv": "mysql", "filesystem": "xfs", "mount": "/var/lib/mysql",
                     "tree": "tree", "snapshot": "thick"}],
        "linked": {"run": null, "why_not": null, "files": 0, "bytes": 0, "clock_ms_max": 12},
    })
}

/// A machine with an earlier backup of this record.
fn world_with(record: &Value) -> World {
    let mut world = World::new(MARIADB);
    world.config.insert_str(0, "[copy]\nunchanged = \"link\"\n");
    for path in [BASE.to_owned(), format!("{BASE}/tree")] {
        world.entries.extend([entry(&format!("/backup/{path}"), BACKUP, Kind::Directory)]);
    }
    let at = Path::new("/backup").join(BASE);
    world.files.insert(at.join("backup.json"), record.to_string());
    world.files.insert(at.join(manifest::FILE), base_manifest());
    world
}

/// What is told of it, and the plan.
fn told(world: &World) -> (String, Plan) {
    let planned = world.plan().expect("nothing speaks against a backup");
    let note = planned.notes.iter().find(|note| note.aspect.name() == "incremental");
    let letter = |verdict| if verdict == Verdict::Warning { "! " } else { "" };
    let note = note.map(|note| format!("{}{}", letter(note.verdict), note.found));
    (note.unwrap_or_default(), planned.plan)
}

#[test]
fn what_was_written_well_before_the_newest_backup_may_be_linked() {
    let (note, plan) = told(&world_with(&record()));
    let wanted = "files unchanged since 20261122T001226Z-000001 are linked to it: at most 2 of \
                  its 5 files, 2 MiB";
    assert_eq!(note, wanted);
    let source = &plan.sources[0];
    let links = source.links.as_ref().expect("there is something to link");
    assert_eq!(links.names, ["old", "t.ibd"]);
    assert!(links.list.starts_with(&plan.publish.partial), "{}", links.list.display());
    for arg in ["--modify-window=-1", &format!("--link-dest=/backup/{BASE}/tree"), "--from0"] {
        assert!(links.cmd.args.iter().any(|one| one == arg), "no '{arg}': {}", links.cmd);
    }
    assert!(source.copy.args.iter().any(|arg| arg == "--ignore-existing"));
    let acts = plan.acts();
    let at = |what: &str| acts.iter().position(|act| act.contains(what)).expect(what);
    assert!(at("--link-dest") < at("--ignore-existing"), "{acts:#?}");
}

#[test]
fn nothing_is_looked_for_or_linked_unless_it_is_wanted() {
    let mut world = world_with(&record());
    world.config = world.config.replace("link", "copy");
    let (note, plan) = told(&world);
    assert_eq!((note.as_str(), &plan.linking, &plan.sources[0].links), ("", &None, &None));
    assert!(!plan.sources[0].copy.args.iter().any(|arg| arg == "--ignore-existing"));
    assert!(!world.asked.borrow().iter().any(|look| look.contains(BASE)));
}

#[test]
fn without_an_earlier_backup_of_the_same_volumes_everything_is_copied() {
    for (key, value) in [
        ("datadir", json!("mysql")),
        ("host", json!("db3")),
        ("sources", json!([])),
        ("sources", {
            let mut sources = record()["sources"].clone();
            sources[0]["lv"] = json!("other");
            sources
        }),
    ] {
        let mut record = record();
        record[key] = value;
        let (note, plan) = told(&world_with(&record));
        assert_eq!(note, "everything is copied: it is the first backup", "{key}");
        assert!(plan.base().is_none() && plan.sources[0].links.is_none());
    }
}

#[test]
fn whatever_speaks_against_the_newest_backup_is_told_and_everything_is_copied() {
    type Harm = fn(&mut Value, &mut World);
    let known = |how| {
        let finding = Finding {
            at: "2026-11-22T01:00:00Z".parse().unwrap(),
            took_ms: Millis(1),
            files: None,
            bytes: None,
            ready_ms: None,
            problems_found: 1,
            problems: vec!["changed content: 'tree/t.ibd'".into()],
        };
        serde_json::to_string(&Known { found: [(how, finding)].into(), ..Known::nothing(BASE) })
    };
    let harms: [(Harm, &str); 11] = [
        (|_, world| world.synchrony = Synchrony::Free, "nothing keeps the clock right"),
        (|it, _| it["linked"] = Value::Null, "does not tell whether its clock was kept right"),
        (|it, _| it["linked"]["clock_ms_max"] = Value::Null, "whether its clock was kept right"),
        (|it, _| it["started"] = json!("2026-11-22T02:12:27Z"), "from the future"),
        (|it, _| it["manifest"] = Value::Null, "has no manifest"),
        (|it, _| it["manifest"]["blake3"] = json!(Digest::of(b"x")), "tells its sum as"),
        (|it, _| it["state"] = json!("damaged"), "its record says so"),
        (
            |it, _| {
                let pages = json!({"file": "tree/t.ibd", "checked": 9, "bad": 1, "first_bad": [4]});
                it["bad_pages"] = json!([pages]);
            },
            "bad pages of the source",
        ),
        (
            |_, world| world.entries.extend([entry(&at(), REDO, Kind::Directory)]),
            "another filesystem",
        ),
        (|_, world| drop(world.files.remove(&Path::new(&at()).join(manifest::FILE))), "has lost"),
        (|_, world| drop(world.files.insert(remembered(), "{".into())), "may be damaged"),
    ];
    for (harm, why) in harms {
        let (mut record, mut scratch) = (record(), world_with(&record()));
        harm(&mut record, &mut scratch);
        let mut world = world_with(&record);
        harm(&mut record, &mut world);
        let (note, plan) = told(&world);
        assert!(
            note.starts_with("! everything is copied: ") && note.contains(why),
            "{why}: {note}"
        );
        assert!(plan.sources[0].links.is_none() && plan.base().is_none(), "{why}");
        let told = plan.linking.expect("it was wanted").why_not.expect("there is a reason");
        assert!(told.contains(why), "{told}");
    }
    for how in [How::Verify, How::Sample, How::Drill, How::Shared] {
        let mut world = world_with(&record());
        world.files.insert(remembered(), known(how).unwrap());
        let (note, _) = told(&world);
        assert!(note.contains("is damaged: changed content"), "{how:?}: {note}");
    }
}

fn at() -> String {
    format!("/backup/{BASE}")
}

/// What verifications found of it.
fn remembered() -> std::path::PathBuf {
    format!("/var/lib/holdstill/known/{BASE}.json").into()
}
