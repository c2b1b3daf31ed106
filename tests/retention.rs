//! Backups that go: on the simulated machine with every call that goes wrong, and by the program
//! itself on real files.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdstill::config::{self, Config};
use holdstill::error::Code;
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::linux::{Linux, service::Service};
use holdstill::host::sim::{Event, Sim};
use holdstill::host::{Ask, Fault, Host};
use holdstill::retention::{self, Pruned, Pruning, Rules};
use holdstill::run;
use holdstill::ui::{self, Colours, Manner, Paper, Sheet};

use crate::common::shown::Kept;
use crate::common::{STATE, Scenario, golden, scenario};

const DESTINATION: &str = "/backup";
/// The backups of the simulated machine, oldest first; the rules keep the last two.
const RUNS: [&str; 5] = [
    "20260901T030000Z-000001",
    "20260902T030000Z-000002",
    "20260903T030000Z-000003",
    "20260904T030000Z-000004",
    "20260905T030000Z-000005",
];
const KEPT: usize = 2;
/// One whose removal was interrupted.
const HALF: &str = "20260820T030000Z-000000";

/// When a run of this name began; any time for a name that tells none.
fn started(run: &str) -> String {
    if run.len() < 15 {
        return "2026-01-01T00:00:00Z".into();
    }
    let (day, time) = (&run[..8], &run[9..15]);
    let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
    format!("{year}-{month}-{day}T{}:{}:{}Z", &time[..2], &time[2..4], &time[4..])
}

fn record(run: &str, host: &str, state: &str) -> String {
    format!(
        r#"{{"run":"{run}","host":"{host}","state":"{state}","started":"{}",
            "copied":{{"bytes":1}},"window":{{"waited_ms":1,"locked_ms":1}}}}"#,
        started(run)
    )
}

/// A machine with these backups, and one of others.
fn machine(scenario: &Scenario) -> Sim {
    let sim = scenario.sim.clone();
    let mut world = sim.arrange();
    let host = world.machine.host.clone();
    for run in RUNS {
        let at = Path::new(DESTINATION).join(run);
        for name in ["tree/ibdata1", "tree/db/t.ibd", "coordinates.sql"] {
            world.files.published_file(&at.join(name), "what was copied");
        }
        world.files.published_file(&at.join("backup.json"), &record(run, &host, "published"));
    }
    let theirs = Path::new(DESTINATION).join("20260801T030000Z-0000ff");
    world.files.foreign_file(&theirs.join("backup.json"), &record("x", "elsewhere", "published"));
    world.files.foreign_file(&Path::new(DESTINATION).join("theirs/tree/file"), "theirs");
    drop(world);
    sim
}

/// The same after a removal that died.
fn with_half(scenario: &Scenario) -> Sim {
    let sim = machine(scenario);
    let host = sim.world().machine.host.clone();
    let at = Path::new(DESTINATION).join(format!(".{HALF}.removing"));
    let mut world = sim.arrange();
    for (name, text) in [("tree/rest", ""), ("backup.json", &record(HALF, &host, "published"))] {
        world.files.ours_file(&at.join(name), text);
    }
    drop(world);
    sim
}

fn surveyed(host: &dyn Host) -> Result<Pruning, Fault> {
    let rules = Rules { last: Some(2), ..Rules::default() };
    retention::survey(host, Path::new(DESTINATION), Path::new(STATE), &rules, None)
}

/// One process that prunes: the machine after it, its calls, and how it went, warnings included.
fn pruned(sim: Sim, script: &[(usize, Blow)]) -> (Sim, usize, Option<Pruned>) {
    let mut host = Faulty::new(sim, script);
    let done = surveyed(&host).ok().map(|pruning| {
        let mut done = retention::prune(&mut host, &pruning);
        done.failed.extend(pruning.warnings());
        done
    });
    let calls = host.calls().len();
    (host.end().0, calls, done)
}

/// Every path below the destination.
fn files(sim: &Sim) -> Vec<PathBuf> {
    let world = sim.world();
    let below = world.files.below(Path::new(DESTINATION));
    below.map(|(path, _)| path.clone()).collect()
}

/// What holds at any moment: a name is a whole backup, the kept ones are there, nothing of others
/// is touched.
fn check(sim: &Sim, before: &Sim, why: &str) {
    let world = sim.world();
    assert!(world.breaches.is_empty(), "{why}: {:?}", world.breaches);
    assert!(world.foreign() == before.world().foreign(), "{why}: a thing of others is changed");
    for (number, run) in RUNS.iter().enumerate() {
        let at = Path::new(DESTINATION).join(run);
        let whole = ["tree/ibdata1", "tree/db/t.ibd", "coordinates.sql", "backup.json"]
            .iter()
            .all(|name| world.files.get(&at.join(name)).is_some());
        let there = world.files.get(&at).is_some();
        assert!(whole == there, "{why}: '{run}' is half a backup");
        assert!(there || number < RUNS.len() - KEPT, "{why}: '{run}' is gone");
    }
}

/// Whatever goes wrong, twice, the third pruning has done what one would have.
#[test]
fn whatever_goes_wrong_a_name_is_a_whole_backup_and_the_next_one_finishes() {
    let one = scenario("mariadb-replica");
    let before = with_half(&one);
    let (clean, calls, done) = pruned(before.clone(), &[]);
    let done = done.expect("it can look");
    assert_eq!(done.removed, [HALF, RUNS[0], RUNS[1], RUNS[2]]);
    // The scenario's own earlier backup has a record that nobody can read.
    let always = done.failed.len();
    assert!(always == 1 && done.failed[0].contains("damaged record"), "{:?}", done.failed);
    check(&clean, &before, "without a blow");
    let (wanted, mut tried) = (files(&clean), 0_u32);
    for (call, blow) in (0..calls).flat_map(|call| Blow::EVERY.map(|blow| (call, blow))) {
        let (sim, _, done) = pruned(before.clone(), &[(call, blow)]);
        let why = format!("{blow:?} at call {call}");
        check(&sim, &before, &why);
        let dead = matches!(blow, Blow::CrashBefore | Blow::CrashHalf | Blow::CrashAfter);
        if files(&sim) != wanted && !dead && blow != Blow::PowerLoss {
            let told = done.is_none_or(|done| done.failed.len() > always || done.signal.is_some());
            assert!(told, "{why}: nobody is told");
        }
        let (sim, again, _) = pruned(sim, &[]);
        assert_eq!(files(&sim), wanted, "{why}");
        tried += 1;
        if blow != Blow::CrashHalf && blow != Blow::FailAfter {
            continue;
        }
        for second in 0..again {
            let (sim, ..) = pruned(before.clone(), &[(call, blow)]);
            let (sim, ..) = pruned(sim, &[(second, blow)]);
            check(&sim, &before, &format!("{why}, then at {second}"));
            let (sim, _, done) = pruned(sim, &[]);
            assert_eq!(files(&sim), wanted, "{why}, then at {second}: {done:?}");
            tried += 1;
        }
    }
    println!("{tried} prunings with blows");
    assert!(tried > 1_000, "only {tried}");
}

#[test]
fn a_mount_below_a_backup_and_a_change_meanwhile_keep_it() {
    let one = scenario("mariadb-replica");
    let mut sim = machine(&one);
    let pruning = surveyed(&sim).expect("looked");
    let at = |number: usize| Path::new(DESTINATION).join(RUNS[number]);
    let mut mounted = sim.world().mounts[0].clone();
    mounted.mount.point = at(0).join("tree/db");
    sim.arrange().mounts.push(mounted);
    let text = record(RUNS[1], "elsewhere", "published");
    sim.arrange().files.published_file(&at(1).join("backup.json"), &text);
    let done = retention::prune(&mut sim, &pruning);
    assert_eq!(done.removed, [RUNS[2]]);
    assert!(done.failed[0].contains("is mounted there"), "{done:?}");
    assert!(done.failed[1].ends_with("it is not what it was"), "{done:?}");
    let world = sim.world();
    for number in [0, 1, 3, 4] {
        assert!(world.files.get(&at(number).join("tree/db/t.ibd")).is_some(), "{number}");
    }
}

fn configured(more: &str) -> Config {
    let text = format!("[destination]\ndirectory = '{DESTINATION}'\n{more}");
    config::parse(Path::new("/etc/h.toml"), &text).expect("it is right")
}

/// After a run, whatever went wrong in it: old backups go only if it published and left nothing.
#[test]
fn a_run_that_failed_removes_nothing() {
    let one = scenario("mariadb-replica");
    let config = configured("[retention]\nkeep_last = 2\n");
    let calls = {
        let mut host = Faulty::new(machine(&one), &[]);
        run::backup(&mut host, &one.plan, &mut |_| {});
        host.calls().len()
    };
    let (mut pruned, mut not) = (0, 0);
    for call in 0..calls {
        for blow in [Blow::FailBefore, Blow::FailAfter, Blow::Event(Event::Signal)] {
            let before = machine(&one);
            let mut host = Faulty::new(before.clone(), &[(call, blow)]);
            let outcome = run::backup(&mut host, &one.plan, &mut |_| {});
            let after = retention::after(&mut host, &config, &one.plan.run, &outcome);
            let world = host.inner().world();
            let gone = RUNS
                .iter()
                .filter(|run| world.files.get(&Path::new(DESTINATION).join(run)).is_none());
            let gone = gone.count();
            let why = format!("{blow:?} at {call}: {outcome:?}");
            match (Code::of(&outcome), after) {
                (Code::Clean, Ok(Some((_, done)))) if done.signal.is_none() => {
                    assert_eq!(gone, RUNS.len() - 1, "{why}, {done:?}");
                    pruned += 1;
                }
                (Code::Clean, Ok(Some(_)) | Err(_)) => {}
                (Code::Clean, Ok(None)) => panic!("{why}: not even looked"),
                (_, after) => {
                    assert!(gone == 0 && matches!(after, Ok(None)), "{why}");
                    not += 1;
                }
            }
            if let Some(path) = outcome.published() {
                assert!(world.files.get(&path.join("tree/ibdata1")).is_some(), "{why}");
            }
        }
    }
    assert!(pruned > 20 && not > 100, "{pruned} pruned, {not} did not");
}

#[test]
fn without_rules_or_without_the_new_backup_nothing_is_removed() {
    let one = scenario("mariadb-replica");
    let mut sim = machine(&one);
    let outcome = run::backup(&mut sim, &one.plan, &mut |_| {});
    let run = &one.plan.run;
    for more in ["", "[retention]\n"] {
        let after = retention::after(&mut sim, &configured(more), run, &outcome);
        assert_eq!(after, Ok(None));
    }
    let config = configured("[retention]\nkeep_last = 2\n");
    let told = retention::after(&mut sim, &config, "20260906T030000Z-000009", &outcome);
    let told = told.expect_err("its backup is not there").to_string();
    assert!(told.contains("is not seen in '/backup'"), "{told}");
    let names = sim.world().files.names(Path::new(DESTINATION));
    assert!(RUNS.iter().all(|run| names.iter().any(|name| name == run)), "{names:?}");
}

/// A destination with everything that may stand in one, and a configuration.
struct Home {
    directory: tempfile::TempDir,
    host: String,
}

impl Home {
    fn new() -> Self {
        let host = Linux::new().and_then(|host| host.machine().map_err(std::io::Error::other));
        let host = host.expect("it can be asked").host;
        let home = Self { directory: tempfile::tempdir().expect("it can be made"), host };
        for name in ["backup", "state"] {
            fs::create_dir(home.path(name)).expect("it is new");
            let mode = fs::Permissions::from_mode(0o700);
            fs::set_permissions(home.path(name), mode).expect("it is ours");
        }
        home.rules("keep_last = 1\nkeep_daily = 2\nkeep_within = '2h'\n");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn rules(&self, rules: &str) {
        let at = |name: &str| self.path(name).display().to_string();
        let text = format!(
            "state_dir = '{}'\n[destination]\ndirectory = '{}'\n[retention]\n{rules}",
            at("state"),
            at("backup"),
        );
        let path = self.path("h.toml");
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    }

    fn backup(&self, name: &str, record: &str) {
        let at = self.path("backup").join(name);
        fs::create_dir_all(at.join("tree/db")).expect("it is new");
        fs::write(at.join("tree/db/t.ibd"), "rows").expect("it can be written");
        fs::write(at.join("backup.json"), record).expect("it can be written");
    }

    fn published(&self, run: &str) {
        self.backup(run, &record(run, &self.host, "published"));
    }

    /// Everything that may stand there.
    fn fill(&self) {
        for run in [
            "20260101T030000Z-0000aa",
            "20260102T030000Z-0000ab",
            "20260102T213000Z-0000ac",
            "20260103T010000Z-0000ad",
            "20260103T020000Z-0000ae",
            "29990101T000000Z-0000af",
        ] {
            self.published(run);
        }
        let [one, two, other] =
            ["20251201T030000Z-0000ba", "20251202T030000Z-0000bb", "20251203T030000Z-0000bc"];
        self.backup(one, "{\"run\": ");
        self.backup(two, &record(two, "elsewhere", "published"));
        self.backup(other, &record(two, &self.host, "published"));
        let damaged = "20251204T030000Z-0000bd";
        self.backup(damaged, &record(damaged, &self.host, "damaged"));
        let partial = "20251205T030000Z-0000be";
        self.backup(partial, &record(partial, &self.host, "partial"));
        self.backup("for-good", &record("20260101T030000Z-0000aa", &self.host, "published"));
        let tree = self.path("backup/20251206T030000Z-0000bf");
        self.published("20251206T030000Z-0000bf");
        fs::remove_dir_all(tree.join("tree")).expect("it is there");
        fs::create_dir_all(self.path("backup/lost+found/x")).expect("it is new");
        fs::create_dir_all(self.path("backup/.20251207T030000Z-0000c0.partial")).expect("new");
        let interrupted = ".20251208T030000Z-0000c1.removing";
        self.backup(interrupted, &record("20251208T030000Z-0000c1", &self.host, "published"));
        self.backup(".20251209T030000Z-0000c2.removing", "no record");
        let link = self.path("backup/20251210T030000Z-0000c3");
        symlink("20260101T030000Z-0000aa", link).expect("it is new");
    }

    fn says(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
        command.arg("prune").args(args).arg("--config").arg(self.path("h.toml"));
        command.output().expect("the program can be run")
    }

    /// Every path below the directory.
    fn listing(&self) -> Vec<String> {
        let done = Command::new("find").arg(".").current_dir(self.directory.path()).output();
        let done = done.expect("find is there");
        let text = String::from_utf8(done.stdout).expect("plain names");
        let mut all: Vec<String> = text.lines().map(String::from).collect();
        all.sort();
        all
    }
}

fn text(done: &Output, home: &Home) -> String {
    let said = [done.stdout.clone(), done.stderr.clone()].concat();
    let said = String::from_utf8(said).expect("it is a text");
    let said = said.replace(&home.directory.path().display().to_string(), "HOME");
    let (mut told, code) = (String::new(), done.status.code().expect("it ends by itself"));
    for line in said.lines() {
        // How long an act took differs.
        let line = line.split_once(" ms  ").map_or(line, |(_, act)| act);
        let line = line.split_once(", process ").map_or(line, |(before, _)| before);
        let _cannot_fail = writeln!(told, "{line}");
    }
    let _cannot_fail = writeln!(told, "exit {code}");
    told
}

#[test]
fn the_program_tells_each_reason_and_removes_what_it_told() {
    let home = Home::new();
    home.fill();
    let before = home.listing();
    let mut told = format!("== asked\n{}", text(&home.says(&["--dry-run"]), &home));
    assert_eq!(home.listing(), before, "something was touched");
    let _cannot_fail = write!(told, "== done\n{}", text(&home.says(&[]), &home));
    let goes = |line: &&String| {
        ["0000aa", "0000ab", "0000bd", "0000c1"]
            .iter()
            .any(|run| line.contains(run) && line.starts_with("./backup/"))
    };
    let stays: Vec<&String> = before.iter().filter(|line| !goes(line)).collect();
    let after = home.listing();
    let after: Vec<_> = after.iter().filter(|line| *line != "./state/lock").collect();
    assert_eq!(after, stays);
    let _cannot_fail = write!(told, "== again\n{}", text(&home.says(&[]), &home));
    home.rules("");
    let _cannot_fail = write!(told, "== without a rule\n{}", text(&home.says(&[]), &home));
    let wrong = "keep_last = 0\nkeep_within = '0h'|keep_within = '3 days'|keep_within = '3d'";
    for wrong in wrong.split('|') {
        home.rules(wrong);
        let _cannot_fail = write!(told, "== wrong rules\n{}", text(&home.says(&[]), &home));
    }
    home.rules("keep_last = 1\n");
    let mode = fs::Permissions::from_mode(0o777);
    fs::set_permissions(home.path("backup"), mode).expect("it is ours");
    let _cannot_fail = write!(told, "== open to others\n{}", text(&home.says(&[]), &home));
    golden("prune.txt", &told);
}

#[test]
fn beside_a_run_nothing_is_removed() {
    let home = Home::new();
    home.fill();
    let before = home.listing();
    let lock = fs::File::create(home.path("state/lock")).expect("it can be made");
    lock.lock().expect("nobody has it");
    let done = home.says(&[]);
    assert_eq!(done.status.code(), Some(75), "{done:?}");
    assert_eq!(home.says(&["--dry-run"]).status.code(), Some(0), "asking needs no lock");
    let after = home.listing();
    let after: Vec<_> = after.iter().filter(|line| *line != "./state/lock").collect();
    assert_eq!(after, before.iter().collect::<Vec<_>>());
}

/// After a run: as a log all of it, to a person what went, to cron nothing: its run is one line.
#[test]
fn each_manner_tells_of_old_backups_what_suits_it() {
    let mut sim = machine(&scenario("mariadb-replica"));
    let pruning = surveyed(&sim).expect("looked");
    let done = retention::prune(&mut sim, &pruning);
    let said = |manner| {
        let kept = Kept::new(manner, Service::default());
        kept.screen.pruned(&pruning, &done);
        kept.text().out
    };
    let lines = said(Manner::Lines);
    assert_eq!(lines, ui::pruning(&pruning) + &ui::pruned(&pruning, &done));
    assert!(lines.ends_with("removed 3, kept 4\n"), "{lines}");
    let sheet = Sheet { columns: 80, colours: Colours::None, paper: Paper::Plain };
    let person = said(Manner::Terminal(sheet));
    let told: Vec<_> =
        RUNS[..3].iter().map(|run| format!("    removed {run}: not of the last 2")).collect();
    assert_eq!(person.lines().collect::<Vec<_>>(), told);
    assert_eq!(said(Manner::Brief) + &said(Manner::Quiet), "");
}
