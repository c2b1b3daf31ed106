//! What is told of runs once they are over: history, figures and hooks on the simulated machine,
//! whatever went wrong before; and the check, the program itself on real files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use holdstill::config::{self, Config};
use holdstill::error::{Code, Stop};
use holdstill::history::{self, Attempt, Entry, Figures};
use holdstill::hooks::{self, Moment};
use holdstill::host::faulty::{Blow, Faulty, Late};
use holdstill::host::sim::{Event, Sim};
use holdstill::host::{Act, Ask, Host};
use holdstill::plan::{Plan, Refusal};
use holdstill::run::{self, Outcome};
use holdstill::{aftermath, ledger, settle};

use crate::common::{STATE, Scenario, golden, scenario};

const PROGRAM: &str = "/usr/local/sbin/tell";
pub(crate) const PROM: &str = "/var/lib/prom/holdstill.prom";
const FACTS: &str = "/run/holdstill/hook.json";

pub(crate) fn configured() -> Config {
    let hook = format!("['{PROGRAM}', 'dba']");
    let text = format!(
        "state_dir = '{STATE}'\n[hooks]\nbefore = {hook}\nafter = {hook}\non_failure = {hook}\n\
         [monitoring]\ntextfile = '{PROM}'\n[destination]\ndirectory = '/backup'\n"
    );
    config::parse(Path::new("/etc/h.toml"), &text).expect("it is right")
}

/// A machine where the hook's program and the collector's directory are.
pub(crate) fn equipped(scenario: &Scenario) -> Sim {
    let sim = scenario.sim.clone();
    let mut world = sim.arrange();
    world.programs.push(PROGRAM.into());
    world.files.foreign_file(Path::new(PROGRAM), "");
    for directory in [Path::new(PROM).parent().expect("it has one"), Path::new("/run/holdstill")] {
        world.files.foreign_dir(directory);
    }
    drop(world);
    sim
}

/// A run as the command line makes it, with these blows; what went wrong after it, and the machine.
fn followed_up(
    sim: Sim,
    plan: &Plan,
    script: &[(usize, Blow)],
) -> (Outcome, Vec<String>, Faulty<Sim>) {
    let mut host = Faulty::new(sim, script);
    let (config, mut figures) = (configured(), Figures::default());
    let attempt = Attempt::begin(&host).map(|attempt| attempt.of(&config));
    let outcome = run::backup(&mut host, plan, &mut |event| figures.note(&event));
    let attempt = attempt.expect("no blow falls on the first two calls");
    let wrong = aftermath::of_run(&mut host, &config, &attempt, &outcome, &figures);
    (outcome, wrong, host)
}

pub(crate) fn noted(sim: &Sim) -> Vec<Result<Entry, String>> {
    history::find(sim, Path::new(STATE)).expect("it can be read")
}

#[test]
fn a_success_is_noted_told_and_hooked() {
    let one = scenario("mariadb-replica");
    let (outcome, wrong, host) = followed_up(equipped(&one), &one.plan, &[]);
    assert_eq!(wrong, Vec::<String>::new());
    let sim = host.inner();
    let all = noted(sim);
    let [Ok(entry)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((&entry.run, entry.exit), (&sim.world().machine.run_id(), Some(0)));
    assert_eq!(entry.destination.as_deref(), Some(Path::new("/backup")));
    assert_eq!(entry.backup.as_ref(), outcome.published());
    assert_eq!((entry.files, entry.bytes.is_some_and(|bytes| bytes.0 > 0)), (Some(2), true));
    assert!(entry.locked_ms.is_some_and(|ms| ms.0 > 0), "{entry:?}");
    assert!(entry.cow_percent_max.is_some() && entry.copy_ms.is_some(), "{entry:?}");
    assert_eq!(sim.world().hooked, [format!("tell dba {FACTS}")]);
    let told = sim.world().files.text(Path::new(PROM)).map(String::from).expect("it is there");
    golden("holdstill.prom", &told);
    assert!(sim.world().files.get(Path::new(FACTS)).is_none(), "the facts are left");
    assert!(sim.world().breaches.is_empty(), "{:?}", sim.world().breaches);
}

/// Whatever goes wrong in a run: what follows it never happens while writes are stopped, and
/// happens once where they are not.
#[test]
fn nothing_follows_while_writes_are_stopped() {
    let (mut hooked, mut held_back) = (0, 0);
    for name in ["mariadb-replica", "mariadb-replica-explicit-freeze", "whole-command", "thin"] {
        let one = scenario(name);
        let sim = equipped(&one);
        let calls = followed_up(sim.clone(), &one.plan, &[]).2.calls().len();
        for blow in [
            Blow::FailBefore,
            Blow::FailAfter,
            Blow::Overdue(Late::End),
            Blow::Overdue(Late::Calls(3)),
            Blow::Event(Event::Signal),
        ] {
            for call in 2..calls {
                let (outcome, wrong, host) = followed_up(sim.clone(), &one.plan, &[(call, blow)]);
                let world = host.inner().world();
                let breaches = &world.breaches;
                assert!(breaches.is_empty(), "{name}, {call}, {blow:?}: {breaches:?}");
                let runs = world.hooked.len();
                assert!(runs <= 1, "{name}, {call}, {blow:?}: {:?}", world.hooked);
                assert!(
                    runs == 1 || !wrong.is_empty(),
                    "{name}, {call}, {blow:?}: nobody was told of {outcome:?}"
                );
                if settle::server(&outcome.left) == settle::Server::MayStandStill {
                    assert_eq!(runs, 0, "{name}, {call}, {blow:?}");
                    held_back += 1;
                }
                hooked += runs;
            }
        }
    }
    assert!(hooked > 1000 && held_back > 5, "{hooked} hooked, {held_back} held back");
}

/// The simulated machine notices, so the test above shows something.
#[test]
fn a_hook_while_writes_are_stopped_is_noticed() {
    let one = scenario("mariadb-replica");
    for lock in ["BACKUP STAGE BLOCK_COMMIT", "freeze"] {
        let mut sim = equipped(&one);
        if lock == "freeze" {
            sim.act(&Act::Freeze("/var/lib/mysql".into())).expect("it is mounted");
        } else {
            let call = crate::common::runs::call_of(&one, "FLUSH NO_WRITE");
            let mut host = Faulty::new(sim, &[(call, Blow::CrashBefore)]);
            run::backup(&mut host, &one.plan, &mut |_| {});
            sim = host.inner().clone();
        }
        let attempt = Attempt::begin(&sim).expect("it answers");
        let _breach = hooks::run(&mut sim, &configured(), Moment::After, &attempt, None);
        assert_eq!(sim.world().hooked.len(), 1);
        assert!(
            sim.world().breaches.iter().any(|one| one.what.starts_with("hook: ")),
            "{lock}: {:?}",
            sim.world().breaches
        );
    }
}

#[test]
fn a_failure_keeps_the_figures_of_the_last_success_and_tells_its_own_facts() {
    let one = scenario("mariadb-replica");
    let (_, _, host) = followed_up(equipped(&one), &one.plan, &[]);
    let sim = host.end().0;
    sim.arrange().machine.unix_seconds += 86_400;
    let copy = crate::common::runs::call_of(&one, "rsync") + 1;
    let again = Plan { run: "20260922T130640Z-0000002b".into(), ..one.plan.clone() };
    let script = [(copy + 2, Blow::Event(Event::CopyFails))];
    let (outcome, wrong, host) = followed_up(sim, &again, &script);
    assert!(outcome.result.is_err(), "{outcome:?}");
    assert_eq!(wrong, Vec::<String>::new());
    let world = host.inner().world();
    let told = world.files.text(Path::new(PROM)).expect("it is there");
    assert!(told.contains("\nholdstill_backup_bytes 1"), "{told}");
    let exit = Code::of(&outcome).number();
    assert!(told.contains(&format!("\nholdstill_last_run_exit_code {exit}\n")), "{told}");
    assert_eq!(world.hooked.len(), 2);
}

#[test]
fn a_refusal_makes_no_state_directory_and_is_noted_where_there_is_one() {
    let stop = Stop::from(Refusal::new("there is no room", "Make some."));
    let one = scenario("mariadb-replica");
    let mut sim = equipped(&one);
    sim.arrange().files.foreign_dir(Path::new("/var/lib"));
    let attempt = Attempt::begin(&sim).expect("it answers");
    let state = Path::new(STATE);
    let gone = configured_at("/var/lib/elsewhere");
    assert_eq!(aftermath::of_stop(&mut sim, &gone, &attempt, &stop), Vec::<String>::new());
    assert!(sim.world().files.get(&gone.state_dir).is_none(), "it was made");
    assert_eq!(sim.world().hooked.len(), 1, "the hook is run all the same");
    assert!(sim.world().files.get(Path::new(PROM)).is_none(), "nobody has the run lock");

    sim.act(&Act::MakeDir(ledger::directory(state))).expect("it can be made");
    assert_eq!(aftermath::of_stop(&mut sim, &configured(), &attempt, &stop), Vec::<String>::new());
    let all = noted(&sim);
    let [Ok(entry)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((entry.exit, entry.fault.as_deref()), (Some(3), Some("there is no room")));
    assert_eq!(sim.world().hooked.len(), 2);

    let busy = Stop::Busy { holder: "run 7".into() };
    let wrong = aftermath::only_noted(&mut sim, state, &attempt, &busy);
    assert_eq!((wrong, sim.world().hooked.len()), (Vec::new(), 2), "another one may hold the lock");
}

fn configured_at(state_dir: &str) -> Config {
    Config { state_dir: state_dir.into(), ..configured() }
}

/// What a hook gets, by the real machine: its arguments, the facts and nothing else; and what
/// becomes of one that fails, hangs, or is no longer ours.
#[test]
fn a_hook_is_run_with_its_facts_and_within_its_time() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let at = |name: &str| home.path().join(name);
    let program = at("hook");
    fs::write(&program, script(&at("seen"))).expect("it can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut config = Config { run_dir: at("run"), ..configured() };
    let hook =
        |word: &str| Some(config::Hook { program: program.clone(), args: vec![word.into()] });
    config.hooks.before = hook("well");
    config.hooks.after = hook("fail");
    config.hooks.on_failure = hook("hang");
    config.hooks.ms_max = holdstill::units::Millis(300);
    let mut host = holdstill::host::linux::Linux::new().expect("the process can be prepared");
    hooks::check(&host, &config).expect("all of them can be run");
    let attempt = Attempt::begin(&host).expect("it answers");
    let mut run = |config: &Config, moment| hooks::run(&mut host, config, moment, &attempt, None);

    run(&config, Moment::Before).expect("it succeeds");
    let seen: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(at("seen")).expect("it was there"))
            .expect("it is JSON");
    assert_eq!((&seen["version"], &seen["hook"]), (&1.into(), &"before".into()));
    assert_eq!(seen["destination"], "/backup");
    assert!(seen["outcome"].is_null());

    let told = run(&config, Moment::After).expect_err("it fails").to_string();
    assert_eq!(told, "'hook' failed with exit status 7: no mail today");
    let told = run(&config, Moment::OnFailure).expect_err("it hangs").to_string();
    assert_eq!(told, "'hook': not done within 300 ms");
    assert_eq!(fs::read_dir(at("run")).expect("it is there").count(), 0, "the facts are left");

    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let told = run(&config, Moment::Before).expect_err("others can change it").to_string();
    assert!(told.contains("can be changed by others"), "{told}");
    let complaints = hooks::check(&holdstill::host::linux::Linux::new().expect("again"), &config);
    assert_eq!(complaints.expect_err("others can change it").len(), 3);
}

fn script(seen: &Path) -> String {
    format!(
        "#!/bin/sh\ncase $1 in\n  well) cp \"$2\" {};;\n  fail) echo no mail today >&2; exit 7;;\n  \
         hang) sleep 600;;\nesac\n",
        seen.display()
    )
}

/// The name of this host.
pub(crate) fn us() -> String {
    let host = holdstill::host::linux::Linux::new().expect("the process can be prepared");
    host.machine().expect("it answers").host
}

/// A place with a configuration, and what a check says of it.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a directory can be made"));
        let home = place.0.path().display();
        let text = format!(
            "state_dir = '{home}/state'\n[destination]\ndirectory = '{home}/backup'\n\
             [monitoring]\nage_warning_hours = 24\nage_critical_hours = 48\n"
        );
        place.file("h.toml", &text);
        place
    }

    pub(crate) fn home(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }

    /// A backup that began so long ago.
    pub(crate) fn backup(&self, name: &str, hours_ago: i64) {
        let started = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours_ago);
        let text = serde_json::json!({
            "run": name, "host": us(), "state": "published", "started": started.to_string(),
            "copied": {"bytes": 123}, "window": {"waited_ms": 1, "locked_ms": 34},
        });
        self.file(&format!("backup/{name}/tree/ibdata1"), "");
        self.file(&format!("backup/{name}/backup.json"), &text.to_string());
    }

    /// The exit code and the line of a check.
    fn check(&self, more: &[&str]) -> (i32, String) {
        let done = Command::new(env!("CARGO_BIN_EXE_holdstill"))
            .args(["check", "--config"])
            .arg(self.0.path().join("h.toml"))
            .args(more)
            .output()
            .expect("the program can be run");
        let line = String::from_utf8(done.stdout).expect("it is a text");
        assert_eq!(line.lines().count(), 1, "{line}");
        (done.status.code().expect("it ends by itself"), line)
    }

    pub(crate) fn expect(&self, more: &[&str], code: i32, begin: &str) -> String {
        let (found, line) = self.check(more);
        assert!(found == code && line.starts_with(begin), "{found}: {line}");
        line
    }
}

const OLD: &str = "20260101T030000Z-00002a";
pub(crate) const NEW: &str = "20260102T030000Z-00002b";

#[test]
fn a_check_tells_how_the_backups_are() {
    let place = Place::new();
    place.expect(&[], 2, "CRITICAL - there is no backup");
    place.backup(OLD, 60);
    place.expect(&[], 2, &format!("CRITICAL - backup {OLD} is 60 h 0 min old"));
    place.backup(NEW, 3);
    let line = place.expect(&[], 0, &format!("OK - backup {NEW} is 3 h 0 min old"));
    assert!(line.contains(" | age=108"), "{line}");
    assert!(line.ends_with("s;86400;172800;0 locked=34ms;5000;20000;0 size=123B;;;0\n"), "{line}");
    place.expect(&["--age-warning", "2"], 1, "WARNING");
    place.expect(&["--age-warning", "1", "--age-critical", "2"], 2, "CRITICAL");
    place.expect(&["--locked-ms-warning", "33"], 1, "WARNING - writes were stopped for 34 ms");
    place.expect(&["--age-warning", "99"], 3, "UNKNOWN - age_critical_hours: expected at least");
    place.file("backup/20260103T030000Z-00002c/backup.json", "{");
    place.expect(&[], 1, "WARNING - a newer backup cannot be read: 20260103T030000Z-00002c");
}

#[test]
fn a_check_tells_of_the_dead_and_not_of_the_living() {
    let place = Place::new();
    place.backup(NEW, 3);
    let run = "20260103T030000Z-00002c";
    place.file(&format!("state/ledger/{run}.json"), "{}");
    let line = place.expect(&[], 2, &format!("CRITICAL - run {run}, begun "));
    assert!(line.contains("ago, died or left something: run 'holdstill recover'"), "{line}");
    let mut host = holdstill::host::linux::Linux::new().expect("the process can be prepared");
    let path = place.0.path().join("state/lock");
    let mut lock = |text: &str| {
        host.act(&Act::TakeRunLock { path: path.clone(), text: text.into() }).expect("it is free");
    };
    lock(&format!("run {run}, process 7, since then"));
    let line = place.expect(&[], 0, "OK - ");
    assert!(line.contains(&format!("alive: run {run}, process 7")), "{line}");
    lock("run 20260104T030000Z-00002d, process 7, since then");
    place.expect(&[], 2, &format!("CRITICAL - run {run}, begun "));
    lock("a recovery, process 7, since then");
    let line = place.expect(&[], 1, &format!("WARNING - run {run}, begun "));
    assert!(line.contains("ago, died or left something and is being settled; "), "{line}");
    lock("a run that was refused, process 7, since then");
    place.expect(&[], 2, "CRITICAL - run");
    drop(host);
    place.expect(&[], 2, "CRITICAL - run");
}

#[test]
fn a_check_tells_of_the_last_run_and_never_all_clear_of_what_it_cannot_read() {
    let place = Place::new();
    place.backup(NEW, 3);
    let mut sim = equipped(&scenario("mariadb-replica"));
    sim.act(&Act::MakeDir(STATE.into())).expect("it can be made");
    let attempt = Attempt::begin(&sim).expect("it answers");
    let stop = Stop::from(Refusal::new("there is | no\nroom", "Make some."));
    aftermath::only_noted(&mut sim, Path::new(STATE), &attempt, &stop);
    let path = history::directory(Path::new(STATE)).join(format!("{}.json", attempt.run()));
    let text = sim.world().files.text(&path).map(String::from).expect("it is noted");
    place.file(&format!("state/runs/{}.json", attempt.run()), &text);
    let line = place.expect(&[], 1, "WARNING - the last run, ");
    assert!(line.contains("was refused: there is / no room; "), "{line}");
    let cut = "state/runs/20260104T030000Z-00002d.json";
    place.file(cut, &text[..99]);
    let line = place.expect(&[], 1, "WARNING");
    let told = format!("the outcome of a run cannot be read: '{}/{cut}'", place.home().display());
    assert!(line.contains(&told), "{line}");
    place.file("h.toml", "[destination\n");
    place.expect(&[], 3, "UNKNOWN - ");
}
