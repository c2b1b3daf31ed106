//! Backups that are proven: what a run on the simulated machine publishes is held against its own
//! manifest, and the program itself tells what somebody did to a backup on real files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use holdstill::digest::Digest;
use holdstill::error::Code;
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::linux::Linux;
use holdstill::host::sim::Sim;
use holdstill::host::{Ask, Found, Priority, Type};
use holdstill::manifest::{self, Entry, Manifest};
use holdstill::memory::{self, Finding, How};
use holdstill::retention::{self, Rules};
use holdstill::store::{self, ManifestFile};
use holdstill::units::Millis;
use holdstill::verify::{self, End, Order, Share};
use holdstill::{run, store::Record};

use crate::common::{BASE, STATE, Scenario, scenario};

const RUN: &str = "20261123T010203Z-00002a";

/// A machine with a backup that a run has just published.
fn published(one: &Scenario) -> (Sim, PathBuf) {
    let mut sim = one.sim.clone();
    let outcome = run::backup(&mut sim, &one.plan, &mut |_| {});
    let path = outcome.published().expect("nothing is wrong").clone();
    (sim, path)
}

fn verified(sim: &Sim, run: &str, path: &Path) -> Vec<String> {
    let order = Order { path, run, share: Share::All, priority: Priority::default() };
    let end = verify::verify(sim, &order, &mut |_| {}).expect("it can be looked at");
    let End::Looked(verdict) = end else { panic!("it was not looked at: {end:?}") };
    verdict.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn what_a_run_publishes_is_what_its_manifest_says() {
    for one in ["mariadb-replica", "two-volumes", "thin", "linked"].map(scenario) {
        let (sim, path) = published(&one);
        assert_eq!(verified(&sim, &one.plan.run, &path), Vec::<String>::new(), "{}", one.name);
        sim.arrange().files.published_file(&path.join("tree/ib_logfile0"), "rEdo");
        let told = verified(&sim, &one.plan.run, &path);
        assert_eq!(told, ["changed content: 'tree/ib_logfile0'"], "{}", one.name);
    }
}

/// What is linked is not copied, and is in the manifest as what it is in the earlier backup.
#[test]
fn what_did_not_change_is_linked_and_in_the_manifest() {
    let one = scenario("linked");
    let (sim, path) = published(&one);
    let found = sim.tree(&path.join("tree")).expect("it can be seen").found;
    let names = |one: &Found| (one.path.display().to_string(), one.names);
    let names: Vec<_> = found.iter().map(names).collect();
    assert_eq!(names, [("ib_logfile0".to_owned(), 2), ("ibdata1".to_owned(), 1)]);
    assert_eq!(verified(&sim, &one.plan.run, &path), Vec::<String>::new());
    let world = sim.world();
    let text = world.files.text(&path.join("backup.json")).expect("there is one");
    let record = store::read(text).expect("it is whole");
    let linked = record.linked.clone().expect("it tells what is linked");
    assert_eq!((linked.run.as_deref(), linked.files, linked.bytes.0), (Some(BASE), 1, 4));
    assert_eq!(record.copied.files, Some(2), "the whole of it counts");
    assert_eq!(record.bytes_copied().0 + 4, record.copied.bytes.0);
    assert!(world.files.get(&path.join("unchanged.list")).is_none(), "the list was left");
}

/// An earlier backup that is not what its manifest says is linked to once and never again.
#[test]
fn what_the_earlier_manifest_does_not_say_is_no_backup() {
    let one = scenario("linked");
    let manifest = Path::new("/backup").join(BASE).join(manifest::FILE);
    let mut sim = one.sim.clone();
    let text = sim.world().files.text(&manifest).expect("it is there").to_owned();
    let bent = text.replace("\"mode\":\"0600\"", "\"mode\":\"0640\"");
    sim.arrange().files.foreign_file(&manifest, &bent);
    let outcome = run::backup(&mut sim, &one.plan, &mut |_| {});
    let told = outcome.result.expect_err("it is another manifest").fault.to_string();
    assert!(told.contains("cannot link to") && told.contains("the record tells"), "{told}");
    let mut plan = one.plan.clone();
    plan.linking.iter_mut().flat_map(|all| &mut all.base).for_each(|base| {
        base.manifest = Digest::of(bent.as_bytes());
    });
    let outcome = run::backup(&mut sim, &plan, &mut |_| {});
    let told = outcome.result.expect_err("it is not what stands there").fault.to_string();
    assert!(told.contains("'tree/ib_logfile0' is not what the manifest"), "{told}");
    let known = memory::recall(&sim, Path::new(STATE), BASE).expect("it can be read");
    assert!(matches!(known.standing(), memory::Standing::Damaged(..)), "{known:?}");
}

#[test]
fn a_copy_that_cannot_be_read_back_is_no_backup() {
    let one = scenario("mariadb-replica");
    let calls = {
        let mut host = Faulty::new(one.sim.clone(), &[]);
        run::backup(&mut host, &one.plan, &mut |_| {});
        host.calls().len()
    };
    let mut seen = 0;
    for call in 0..calls {
        let mut host = Faulty::new(one.sim.clone(), &[(call, Blow::FailBefore)]);
        let outcome = run::backup(&mut host, &one.plan, &mut |_| {});
        let Err(failure) = &outcome.result else { continue };
        if failure.phase == "read back" {
            assert_eq!(Code::of(&outcome), Code::RolledBack, "{failure:?}");
            assert!(failure.hint().is_some());
            seen += 1;
        }
    }
    assert!(seen > 5, "only {seen} calls fail while it is read back");
}

/// The seal as the documentation has it checked, with sed.
#[test]
fn the_seal_can_be_checked_by_hand() {
    let (sim, path) = published(&scenario("mariadb-replica"));
    let text = sim.world().files.text(&path.join("backup.json")).expect("there is one").to_owned();
    let home = tempfile::tempdir().expect("a directory can be made");
    let file = home.path().join("backup.json");
    fs::write(&file, &text).expect("it can be written");
    let sed = |args: &[&str]| {
        let done = Command::new("sed").args(args).arg(&file).stdin(Stdio::null()).output();
        done.expect("sed is there").stdout
    };
    let told = sed(&["-n", r#"s/^  "seal": "\([0-9a-f]*\)"$/\1/p"#]);
    let open = sed(&[r#"s/^  "seal": "[0-9a-f]*"$/  "seal": ""/"#]);
    let told = String::from_utf8(told).expect("it is a text");
    assert_eq!(told.trim(), Digest::of(&open).to_string());
    let told: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let manifest =
        sim.world().files.text(&path.join(manifest::FILE)).expect("it is there").to_owned();
    assert_eq!(told["manifest"]["blake3"], Digest::of(manifest.as_bytes()).to_string());
}

#[test]
fn the_schema_of_the_record_has_all_its_keys() {
    let (sim, path) = published(&scenario("mariadb-replica"));
    let text = sim.world().files.text(&path.join("backup.json")).expect("there is one").to_owned();
    let record: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let schema = serde_json::to_value(schemars::schema_for!(Record)).expect("it is JSON");
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().expect("an object").keys().cloned().collect()
    };
    let (mut told, mut known) = (keys(&record), keys(&schema["properties"]));
    told.sort();
    known.sort();
    assert_eq!(told, known);
}

/// One that is known to be damaged keeps nobody's place, and the newest proven one stays.
#[test]
fn a_damaged_backup_does_not_count_for_retention() {
    let one = scenario("mariadb-replica");
    let (mut sim, path) = published(&one);
    let newest = &one.plan.run;
    let text = sim.world().files.text(&path.join("backup.json")).expect("there is one").to_owned();
    let old = "20260101T010203Z-00002b";
    let older = text.replace(newest.as_str(), old);
    let started = older.split("\"started\": \"").nth(1).and_then(|rest| rest.split('"').next());
    let older = older.replace(started.expect("it is told"), "2026-01-01T01:02:03Z");
    let seal = older.split("\"seal\": \"").nth(1).and_then(|rest| rest.split('"').next());
    let older = store::sealed(&older.replace(seal.expect("it has one"), "")).expect("it is open");
    let at = path.with_file_name(old);
    for (name, text) in [("backup.json", older.as_str()), ("tree/ibdata1", "")] {
        sim.arrange().files.published_file(&at.join(name), text);
    }
    let rules = Rules { last: Some(1), ..Rules::default() };
    let goes = |sim: &Sim| -> Vec<String> {
        let place = path.parent().expect("it has one");
        let all = retention::survey(sim, place, Path::new(STATE), &rules, None).expect("looked");
        all.goes().map(|one| one.backup.name.clone()).collect()
    };
    assert_eq!(goes(&sim), [old]);
    let finding = Finding {
        at: sim.machine().expect("it is known").began(),
        took_ms: Millis(1),
        files: None,
        bytes: None,
        ready_ms: None,
        problems_found: 1,
        problems: vec!["missing: 'tree/x'".into()],
    };
    memory::remember(&mut sim, Path::new(STATE), newest, How::Sample, finding).expect("noted");
    assert!(!goes(&sim).contains(&old.to_owned()), "the only proven one would go");
}

/// A destination on real files with one backup, and the program that looks at it.
struct Home {
    directory: tempfile::TempDir,
}

fn record(path: &Path, manifest: &ManifestFile) {
    let host = Linux::new().expect("the process can be prepared").machine().expect("named").host;
    let record = serde_json::json!({
        "version": 2, "run": RUN, "host": host, "state": "published",
        "started": "2026-11-23T01:02:03Z", "copied": {"bytes": 1},
        "window": {"waited_ms": 1, "locked_ms": 1}, "manifest": manifest,
    });
    let text = serde_json::to_string_pretty(&record).expect("it can be written");
    let open = format!("{},\n  \"seal\": \"\"\n}}\n", text.trim_end_matches("\n}"));
    fs::write(path.join("backup.json"), store::sealed(&open).expect("it is open")).expect("new");
}

impl Home {
    fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().expect("a directory can be made") };
        let path = home.backup();
        fs::create_dir_all(path.join("tree/db")).expect("it is new");
        for name in ["ibdata1", "db/t.MYD", "db/u.MYD"] {
            fs::write(path.join("tree").join(name), format!("rows of {name}")).expect("it is new");
        }
        let host = Linux::new().expect("the process can be prepared");
        let entry = |one: Found| {
            let at = path.join(&one.path);
            let sum = (one.is == Type::File).then(|| Digest::of(&fs::read(at).expect("there")));
            Entry::new(one.path.clone(), &one, sum)
        };
        let found = host.tree(&path).expect("it can be looked at").found;
        let manifest = Manifest::new(RUN, found.into_iter().map(entry).collect());
        let text = manifest.text().expect("it can be written");
        fs::write(path.join(manifest::FILE), &text).expect("it is new");
        record(&path, &ManifestFile::new(&text, manifest.totals()));
        let text = format!(
            "state_dir = '{}'\n[destination]\ndirectory = '{}'\n",
            home.path("state").display(),
            home.path("backup").display(),
        );
        fs::create_dir(home.path("state")).expect("it is new");
        fs::write(home.path("h.toml"), text).expect("it can be written");
        for (name, mode) in [("h.toml", 0o600), ("backup", 0o700), ("state", 0o700)] {
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(home.path(name), mode).expect("it is ours");
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn backup(&self) -> PathBuf {
        self.path("backup").join(RUN)
    }

    /// What the program says: both streams, and its exit code.
    fn says(&self, args: &[&str]) -> (String, i32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
        let done = command.args(args).arg("--config").arg(self.path("h.toml")).output();
        let Output { status, stdout, stderr } = done.expect("the program can be run");
        let said = String::from_utf8([stdout, stderr].concat()).expect("it is a text");
        (said, status.code().expect("it ends by itself"))
    }
}

#[test]
fn the_program_tells_what_changed_and_remembers_it() {
    let home = Home::new();
    let (said, code) = home.says(&["verify"]);
    assert!(said.starts_with(&format!("{RUN}: sound: read 3 files, 47 B in ")), "{said}");
    assert_eq!(code, 0, "{said}");
    let host = Linux::new().expect("the process can be prepared");
    let known = memory::recall(&host, &home.path("state"), RUN).expect("it can be read");
    assert!(matches!(known.standing(), memory::Standing::Verified(_)), "{known:?}");
    fs::remove_file(home.backup().join("tree/db/t.MYD")).expect("it is there");
    fs::write(home.backup().join("tree/db/new"), "").expect("it is new");
    let (said, code) = home.says(&["verify", RUN]);
    assert!(said.contains("DAMAGED: 2 problems; read 2 files"), "{said}");
    assert!(said.contains("\n  extra: 'tree/db/new', a file\n"), "{said}");
    assert!(said.contains("\n  missing: 'tree/db/t.MYD'\n"), "{said}");
    assert_eq!(code, 9, "{said}");
    let (said, code) = home.says(&["check", "--age-warning=8783", "--age-critical=8784"]);
    let told = format!("a newer backup is damaged: {RUN}: extra: 'tree/db/new', a file");
    assert!(said.starts_with("CRITICAL - ") && said.contains(&told) && code == 2, "{said}");
}

#[test]
fn programs_get_all_problems_and_people_some() {
    let home = Home::new();
    for number in 0..30 {
        fs::write(home.backup().join(format!("tree/{number:02}")), "").expect("it is new");
    }
    let (said, code) = home.says(&["verify", "--all", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("one line of JSON");
    assert_eq!((&told["state"], code), (&"damaged".into(), 9));
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(30));
    assert_eq!(told["problems"][0]["problem"], "extra");
    assert_eq!(told["problems"][0]["path"], "tree/00");
    let (said, _) = home.says(&["verify"]);
    assert!(said.ends_with("  and 10 more, which '--json' tells\n"), "{said}");
    assert_eq!(said.lines().count(), 22, "{said}");
}

#[test]
fn a_share_is_told_as_one_and_an_unknown_backup_with_the_nearest() {
    let home = Home::new();
    let (said, code) = home.says(&["verify", "--sample", "100%", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).expect("one line of JSON");
    assert_eq!((&told["how"], &told["files"], code), (&"sample".into(), &3.into(), 0));
    let (said, code) = home.says(&["verify", "20261124"]);
    assert!(said.contains("there is no backup '20261124' in "), "{said}");
    assert_eq!(code, 2, "{said}");
    assert_eq!(home.says(&["verify", "--sample", "0%"]).1, 2);
    assert_eq!(home.says(&["verify", RUN, "--all"]).1, 2);
}

#[test]
fn what_cannot_be_noted_is_told() {
    let home = Home::new();
    fs::write(home.path("state/known"), "in the way").expect("it is new");
    let (said, code) = home.says(&["verify"]);
    assert!(said.contains("cannot note what was found of"), "{said}");
    assert_eq!(code, 0, "{said}");
}
