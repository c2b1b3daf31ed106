//! Restores with every call that goes wrong, on the simulated machine: a directory without a marker
//! is whole, and the same command finishes.

use std::path::{Path, PathBuf};

use holdstill::digest::Digest;
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::sim::Sim;
use holdstill::host::{Act, Answer, Ask as _, Fault, Host, Look};
use holdstill::manifest::{Entry, Manifest, Type};
use holdstill::restore::make::{self, Shelf};
use holdstill::restore::{self, Asked, Damage, Identity, Outcome};
use holdstill::store::{self, ManifestFile};

use crate::common::scenario;

const RUN: &str = "20260901T030000Z-000001";
const TO: &str = "/srv/new";
const UNDO: &str = "/srv/undo";

/// What is in the backup, and where it goes.
const FILES: [(&str, &str); 4] = [
    ("tree/data/db/t.ibd", "/srv/new/db/t.ibd"),
    ("tree/data/ibdata1", "/srv/new/ibdata1"),
    ("tree/data/mysql/user.MYD", "/srv/new/mysql/user.MYD"),
    ("tree.2/undo_001", "/srv/undo/undo_001"),
];

const RECORD: &str = r#"{"version":2,"run":"20260901T030000Z-000001","state":"published",
    "host":"db1","started":"2026-09-01T03:00:00Z","datadir":"data",
    "server":{"flavour":"mariadb","version":[10,11,9],"text":"10.11.9-MariaDB"},
    "sources":[{"vg":"vg","lv":"lv","filesystem":"xfs","snapshot":"thick",
      "mount":"/var/lib/mysql","tree":"tree"},
      {"vg":"vg","lv":"lv","filesystem":"xfs","snapshot":"thick",
      "mount":"/undo","tree":"tree.2"}],
    "coordinates":{"own":{"file":null,"position":null,"gtid_executed":null,
      "gtid_binlog_pos":null,"gtid_slave_pos":null,"gtid_current_pos":null},"channels":[]},
    "copied":{"bytes":1},"window":{"waited_ms":1,"locked_ms":1},"manifest":MANIFEST,
  "seal": ""
}"#;

fn backup() -> PathBuf {
    Path::new("/backup").join(RUN)
}

/// A machine with one backup.
fn machine() -> Sim {
    let mut sim = scenario("mariadb-replica").sim;
    let mut world = sim.arrange();
    for (name, _) in FILES.iter().chain([&("tree/data/auto.cnf", "")]) {
        world.files.published_file(&backup().join(name), &format!("what is in {name}"));
    }
    world.files.foreign_dir(Path::new("/srv"));
    world.programs.push("/usr/bin/rsync".into());
    drop(world);
    // Another mode than what is ours alone has.
    for name in ["tree/data", "tree.2"] {
        let (path, owner) = (backup().join(name), None);
        sim.act(&Act::Own { path, owner, mode: 0o750 }).expect("it is there");
    }
    let tree = sim.tree(&backup()).expect("it can be seen");
    let entries = tree
        .found
        .iter()
        .filter(|one| one.path.starts_with("tree") || one.path.starts_with("tree.2"));
    let entries = entries.map(|one| {
        let text = sim.file(&backup().join(&one.path)).ok().flatten();
        let sum = (one.is == Type::File).then(|| Digest::of(text.unwrap_or_default().as_bytes()));
        Entry::new(one.path.clone(), one, sum)
    });
    let manifest = Manifest::new(RUN, entries.collect());
    let text = manifest.text().expect("it is a manifest");
    let file = serde_json::to_string(&ManifestFile::new(&text, manifest.totals()));
    let record = RECORD.replace("MANIFEST", &file.expect("it is data"));
    let record = store::sealed(&record).expect("its seal is open");
    for (name, text) in [("manifest.jsonl", text), ("backup.json", record)] {
        sim.arrange().files.published_file(&backup().join(name), &text);
    }
    sim
}

fn asked() -> Asked {
    Asked {
        backup: "newest".into(),
        to: TO.into(),
        trees: vec![("tree.2".into(), UNDO.into())],
        without: Vec::new(),
        owner: None,
        identity: Identity::New,
        damage: Damage::Refused,
        statements: None,
    }
}

fn shelf() -> Shelf<'static> {
    Shelf { destination: Path::new("/backup"), state_dir: Path::new("/var/lib/holdstill") }
}

/// One process that restores; nothing if the plan was refused.
fn restored(host: &mut dyn Host) -> Option<Outcome> {
    let plan = make::plan(host, &asked(), Some(&shelf())).ok()?;
    Some(restore::restore(host, &plan, &mut |_| {}))
}

fn is_marked(sim: &Sim, directory: &str) -> bool {
    let path = Path::new(directory).join(".holdstill-restore.json");
    sim.world().files.text(&path).is_some()
}

/// Whether all files are there, as they should be, and on stable storage.
fn is_whole(sim: &Sim, directory: &str) -> bool {
    let world = sim.world();
    FILES.iter().filter(|(_, to)| Path::new(to).starts_with(directory)).all(|(name, to)| {
        let node = world.files.get(Path::new(to));
        node.is_some_and(|node| node.synced && node.text == Some(format!("what is in {name}")))
    })
}

/// What holds at any moment. One that is not there yet, or was only made, is no data directory.
fn check(sim: &Sim, before: &Sim, why: &str) {
    for directory in [TO, UNDO] {
        let names = sim.world().files.names(Path::new(directory));
        let begun = names.iter().any(|name| !name.starts_with(".holdstill-restore.json"));
        let marked = is_marked(sim, directory);
        let whole = is_whole(sim, directory);
        assert!(!begun || marked || whole, "{why}: {directory} is half");
        let mode = sim.entry(Path::new(directory)).ok().flatten().map_or(0o700, |one| one.mode);
        assert!(whole || mode == 0o700, "{why}: {directory} is half, and mode {mode:o}");
    }
    let (now, then) = (sim.world(), before.world());
    assert!(now.breaches.is_empty(), "{why}: {:?}", now.breaches);
    assert!(now.foreign() == then.foreign(), "{why}: a thing of others is changed");
    let of = |world: &holdstill::host::sim::World| -> Vec<_> {
        world
            .files
            .below(Path::new("/backup"))
            .map(|(path, node)| (path.clone(), node.clone()))
            .collect()
    };
    assert!(of(&now) == of(&then), "{why}: the backup is changed");
}

#[test]
fn whatever_goes_wrong_a_directory_without_a_marker_is_whole_and_the_same_command_finishes() {
    let before = machine();
    let mut calm = Faulty::new(before.clone(), &[]);
    let outcome = restored(&mut calm).expect("the plan is made");
    assert_eq!(outcome.unfinished, None);
    let calls = calm.calls().len();
    assert!(calls > 30, "only {calls} calls");
    let mut told_half = 0;
    for at in 0..calls {
        for blow in Blow::EVERY {
            let why = format!("{blow:?} at call {at}");
            let mut host = Faulty::new(before.clone(), &[(at, blow)]);
            let outcome = restored(&mut host);
            let (sim, _) = host.end();
            check(&sim, &before, &why);
            match outcome {
                Some(Outcome { unfinished: None, .. }) => {
                    assert!(is_whole(&sim, TO) && is_whole(&sim, UNDO), "{why}: told to be whole");
                }
                Some(_) => told_half += 1,
                None => {}
            }
            sim.arrange().signal = None;
            let mut again = Faulty::new(sim, &[]);
            let finished = restored(&mut again);
            let (sim, _) = again.end();
            check(&sim, &before, &why);
            let whole = [TO, UNDO].iter().all(|one| is_whole(&sim, one) && !is_marked(&sim, one));
            let refused = finished.is_none();
            assert!(whole || refused, "{why}: the same command did not finish: {finished:?}");
            let marked = [TO, UNDO].iter().any(|one| is_marked(&sim, one));
            assert!(!refused || !marked || !is_marked(&sim, TO), "{why}: nobody goes on with it");
        }
    }
    assert!(told_half > 20, "only {told_half} were told as not whole");
}

/// A host on which what was copied is spoiled once, when it is on stable storage.
struct Spoiling {
    sim: Sim,
    times: u32,
}

impl Host for Spoiling {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.sim.look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        let done = self.sim.act(what);
        if matches!(what, Act::SyncFs(path) if path == Path::new(TO)) && self.times > 0 {
            self.times -= 1;
            let path = Path::new(TO).join("ibdata1");
            self.sim.arrange().files.ours_file(&path, "what is IN tree/data/ibdata1");
        }
        done
    }
}

#[test]
fn a_copy_that_went_wrong_is_made_once_more_and_not_for_ever() {
    for (times, problems) in [(1, 0), (2, 1)] {
        let mut host = Spoiling { sim: machine(), times };
        let plan = make::plan(&host, &asked(), Some(&shelf())).expect("it can be made");
        let mut again = 0;
        let outcome = restore::restore(&mut host, &plan, &mut |event| {
            again += u32::from(matches!(event, restore::Event::Again(1)));
        });
        assert_eq!((again, outcome.problems.len()), (1, problems), "{outcome:?}");
        assert_eq!(outcome.unfinished.is_none(), problems == 0);
        assert_eq!(is_marked(&host.sim, TO), problems > 0);
        let told = outcome.problems.iter().map(ToString::to_string);
        for one in told {
            assert_eq!(one, "changed content: 'tree/data/ibdata1'");
        }
    }
}

#[test]
fn an_interrupted_restore_is_gone_on_with_by_the_same_words_alone() {
    let mut host = machine();
    host.arrange().signal = None;
    let plan = make::plan(&host, &asked(), Some(&shelf())).expect("it can be made");
    host.arrange().signal = Some(15);
    let outcome = restore::restore(&mut host, &plan, &mut |_| {});
    let unfinished = outcome.unfinished.expect("a signal came");
    assert_eq!((unfinished.signal, unfinished.left.is_empty()), (Some(15), true));
    host.arrange().signal = None;
    let mut spoiling = Spoiling { sim: host, times: 9 };
    let outcome = restore::restore(&mut spoiling, &plan, &mut |_| {});
    assert!(outcome.unfinished.is_some());
    let host = spoiling.sim;
    let told = |asked: &Asked| make::plan(&host, asked, Some(&shelf())).expect_err("another").what;
    let other = told(&Asked { identity: Identity::Kept, ..asked() });
    assert!(other.contains("was asked for with other words"), "{other}");
    host.arrange().files.foreign_file(&Path::new(TO).join("mine.cnf"), "");
    let strange = told(&asked());
    assert!(strange.contains("what is not of the backup is there: 'mine.cnf'"), "{strange}");
}
