//! What goes where, who owns it, what differs, and what is told: data in, text out.

use std::path::{Path, PathBuf};

use super::compare::{Problem, Whose, compare};
use super::layout::{Homeless, Layout, Wish, lay_out};
use super::marker::{self, Marker};
use super::*;
use crate::digest::Digest;
use crate::host::{Found, Tree};
use crate::manifest::{Moment, Type};

const RUN: &str = "20261123T010203Z-00002a";

fn entry(path: &str, is: Type, text: &str) -> Entry {
    Entry {
        path: path.into(),
        is,
        size: Bytes(text.len() as u64),
        mode: if is == Type::Directory { 0o750 } else { 0o640 },
        uid: 102,
        gid: 106,
        mtime: Moment { seconds: 1_000, nanos: 5 },
        target: None,
        blake3: (is == Type::File).then(|| Digest::of(text.as_bytes())),
    }
}

fn directory(path: &str) -> Entry {
    entry(path, Type::Directory, "")
}

fn file(path: &str) -> Entry {
    entry(path, Type::File, "text")
}

/// A data directory below the volume's root, logs beside it, undo files on another volume.
fn entries() -> Vec<Entry> {
    vec![
        directory("tree"),
        directory("tree/data"),
        file("tree/data/auto.cnf"),
        directory("tree/data/db"),
        file("tree/data/db/auto.cnf"),
        file("tree/data/ibdata1"),
        directory("tree/logs"),
        directory("tree/logs/deep"),
        file("tree/logs/deep/binlog.000001"),
        file("tree/logs/index"),
        directory("tree.2"),
        directory("tree.2/undo"),
        file("tree.2/undo/undo_001"),
    ]
}

fn wish(from: &str, to: Option<&str>) -> Wish {
    Wish { from: from.into(), to: to.map(Into::into) }
}

fn paths(placed: &layout::Placed) -> Vec<&str> {
    placed.entries.iter().filter_map(|one| one.path.to_str()).collect()
}

#[test]
fn the_data_directory_goes_where_it_is_told_and_the_rest_is_not_forgotten() {
    let wishes = [wish("tree/data", Some("/new"))];
    let Layout { placed, kept_back, homeless } =
        lay_out(&entries(), &wishes, Identity::New).unwrap();
    assert_eq!(placed.len(), 1);
    assert_eq!(paths(&placed[0]), ["db", "db/auto.cnf", "ibdata1"]);
    assert_eq!(kept_back, [Path::new("tree/data/auto.cnf")]);
    let lost =
        |path: &str, files, bytes| Homeless { path: path.into(), files, bytes: Bytes(bytes) };
    assert_eq!(homeless, [lost("tree/logs", 2, 8), lost("tree.2/undo", 1, 4)]);
    let kept = lay_out(&entries(), &wishes, Identity::Kept).unwrap();
    assert_eq!(paths(&kept.placed[0]), ["auto.cnf", "db", "db/auto.cnf", "ibdata1"]);
    assert!(kept.kept_back.is_empty());
}

#[test]
fn what_is_named_has_its_own_place_and_the_inner_name_counts() {
    let wishes = [
        wish("tree/data", Some("/new")),
        wish("tree/logs", Some("/logs")),
        wish("tree/logs/deep", None),
        wish("tree.2", Some("/undo")),
    ];
    let layout = lay_out(&entries(), &wishes, Identity::New).unwrap();
    assert_eq!(layout.homeless, []);
    let all: Vec<_> = layout.placed.iter().map(paths).collect();
    assert_eq!(
        all,
        [vec!["db", "db/auto.cnf", "ibdata1"], vec!["index"], vec!["undo", "undo/undo_001"]]
    );
    assert_eq!(layout.placed[1].excluded, [Path::new("deep")]);
    for wrong in ["tree.3", "tree/data/ibdata1"] {
        let wishes = [wish("tree/data", Some("/new")), wish(wrong, None)];
        assert_eq!(lay_out(&entries(), &wishes, Identity::New), Err(PathBuf::from(wrong)));
    }
}

fn place(entries: Vec<Entry>) -> Place {
    Place {
        from: "tree/data".into(),
        was: "/var/lib/mysql/data".into(),
        to: "/new".into(),
        stands: Stands::Absent,
        root: directory("tree/data"),
        entries,
        excluded: Vec::new(),
    }
}

fn found(entry: &Entry) -> Found {
    Found {
        path: entry.path.clone(),
        is: entry.is,
        size: entry.size,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        target: entry.target.clone(),
        inode: 1,
        names: 1,
    }
}

#[test]
fn what_landed_is_held_against_the_manifest_and_the_owner_that_was_asked_for() {
    let place = place(vec![directory("db"), file("db/t.ibd")]);
    let whole: Vec<Found> = place.entries.iter().map(found).collect();
    let told = |found: Vec<Found>, owner| -> Vec<String> {
        let compared = compare(&place, Tree { found, unseen: Vec::new() }, owner);
        compared.problems.iter().map(ToString::to_string).collect()
    };
    assert_eq!(told(whole.clone(), None), Vec::<String>::new());
    let mut cut = whole.clone();
    cut[1].size.0 = 3;
    let words = "truncated: 'tree/data/db/t.ibd': expected 4 bytes, found 3";
    assert_eq!(told(cut, None), [words]);
    let marker = Found { path: marker::NAME.into(), ..whole[1].clone() };
    let fsck = Found { path: "lost+found".into(), ..whole[0].clone() };
    let of_others = Found { path: "other".into(), ..whole[1].clone() };
    let more = [vec![marker], whole.clone(), vec![fsck]].concat();
    assert_eq!(told(more.clone(), None), Vec::<String>::new());
    let more = [more, vec![of_others]].concat();
    assert_eq!(told(more, None), ["extra: 'tree/data/other', a file"]);
    let theirs = Owner { uid: 1, gid: 2 };
    assert_eq!(told(whole.clone(), Some(theirs)).len(), 2);
    let given = whole.into_iter().map(|one| Found { uid: 1, gid: 2, ..one }).collect();
    assert_eq!(told(given, Some(theirs)), Vec::<String>::new());
}

#[test]
fn damage_of_the_backup_is_told_apart() {
    let of = crate::verify::Problem::new(Path::new("tree/a"), crate::verify::What::Missing);
    let problem = |fault| Problem { of: of.clone(), fault };
    let all = [problem(Whose::Copy), problem(Whose::Backup)];
    assert_eq!(of_backup(&all), ["missing: 'tree/a'"]);
    assert_eq!(all[1].to_string(), "in the backup: missing: 'tree/a'");
}

fn asked() -> Asked {
    Asked {
        backup: RUN.into(),
        to: "/new".into(),
        trees: Vec::new(),
        without: Vec::new(),
        owner: None,
        identity: Identity::New,
        damage: Damage::Refused,
        statements: None,
    }
}

#[test]
fn only_the_same_restore_has_the_same_marker() {
    let places = [place(Vec::new())];
    let of = |asked: &Asked, owner| Marker::of(RUN, asked, owner, &places);
    let text = of(&asked(), None).text();
    assert_eq!(Marker::parse(&text), Ok(of(&asked(), None)));
    let kept = Asked { identity: Identity::Kept, ..asked() };
    let without = Asked { without: vec!["tree.2".into()], ..asked() };
    for other in [of(&kept, None), of(&without, None), of(&asked(), Some(Owner { uid: 1, gid: 1 }))]
    {
        assert!(Marker::parse(&text).unwrap() != other);
    }
    for end in 0..text.len() - 1 {
        assert!(Marker::parse(&text[..end]).is_err());
    }
    assert!(marker::is_name(".holdstill-restore.json.new") && !marker::is_name("x"));
}

fn record(version: &str) -> Record {
    let text = format!(
        r#"{{"version":2,"run":"{RUN}","state":"published","host":"db1",
            "started":"2026-11-23T01:02:03Z","datadir":"data",
            "server":{{"flavour":"mysql","version":[{version}],"text":"{version}"}},
            "sources":[{{"vg":"vg","lv":"lv","filesystem":"xfs","snapshot":"thick",
      "mount":"/var/lib/mysql","tree":"tree"}},
                       {{"vg":"vg","lv":"lv","filesystem":"xfs","snapshot":"thick",
      "mount":"/srv/undo","tree":"tree.2"}}],
            "coordinates":{{"own":{{"file":"binlog.000007","position":157,
              "gtid_executed":null,"gtid_binlog_pos":null,"gtid_slave_pos":null,
              "gtid_current_pos":null}},"channels":[]}},
            "opening":{{"libraries":[{{"file":"ha_rocksdb","kind":"STORAGE ENGINE"}}],
              "variables":{{"innodb_page_size":"8192",
              "innodb_undo_directory":"/srv/undo/a","log_bin_basename":"/logs/binlog",
              "innodb_data_home_dir":"/var/lib/mysql/data"}}}},
            "copied":{{"bytes":1}},"window":{{"waited_ms":1,"locked_ms":1}},
  "seal": ""
}}"#
    );
    Record::parse(&crate::store::sealed(&text).unwrap()).unwrap()
}

#[test]
fn a_record_says_where_everything_was() {
    let record = record("9,7,1");
    assert_eq!(record.datadir(), Path::new("tree/data"));
    assert_eq!(record.origin(Path::new("tree/data")), Path::new("/var/lib/mysql/data"));
    assert_eq!(record.origin(Path::new("tree.2/undo")), Path::new("/srv/undo/undo"));
    assert_eq!(record.origin(Path::new("tree.2")), Path::new("/srv/undo"));
    assert!(Record::parse("{").is_err() && Record::parse("{}").is_err());
}

#[test]
fn what_a_server_needs_follows_the_files() {
    let other = Place {
        from: "tree.2".into(),
        was: "/srv/undo".into(),
        to: "/new-undo".into(),
        ..place(Vec::new())
    };
    let plan = Plan {
        run: RUN.into(),
        backup: "/backup".into(),
        record: record("9,7,1"),
        places: vec![place(Vec::new()), other],
        kept_back: Vec::new(),
        owner: None,
        us: Us::Root,
        damage: Damage::Refused,
        rooms: Vec::new(),
        marker: String::new(),
        statements: None,
        preparation: None,
        notes: Vec::new(),
        rsync: "/usr/bin/rsync".into(),
    };
    assert_eq!(
        needs(&plan, Identity::New),
        [
            "datadir = /new",
            "innodb_page_size = 8192",
            "innodb_data_home_dir = /new",
            "innodb_undo_directory = /new-undo/a",
            "log_bin = /logs/binlog",
            "plugin-load-add = ha_rocksdb",
            "server_id = A_NUMBER_OF_ITS_OWN",
            "skip_replica_start",
        ]
    );
    assert!(!needs(&plan, Identity::Kept).iter().any(|line| line.starts_with("server_id")));
    let told = statements(&plan.record);
    assert!(told.contains("SOURCE_LOG_FILE = 'binlog.000007', SOURCE_LOG_POS = 157"), "{told}");
}
