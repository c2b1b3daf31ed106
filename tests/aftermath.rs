//! What follows where a run has not told its end, could not take the lock, or shares its state with
//! another server: on the simulated machine, and the program itself on real files.

use std::cell::RefCell;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdstill::check::{self, With};
use holdstill::claim::Claim;
use holdstill::error::Stop;
use holdstill::history::{self, Attempt, Entry};
use holdstill::hooks::{self, Moment};
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::linux::Linux;
use holdstill::host::sim::Sim;
use holdstill::host::{Act, Answer, Fault, Host, Look};
use holdstill::plan::Refusal;
use holdstill::recover::{self, End, Recovered};
use holdstill::settle::Left;
use holdstill::{aftermath, config, ledger, run};

use crate::common::runs::call_of;
use crate::common::{STATE, scenario};
use crate::monitoring::{NEW, PROM, Place, configured, equipped, noted};

const BY: &str = "'holdstill recover'";
const NO_HOOK: &str = "no hook is run: another run may be alive";

/// A machine on which a run died right after this act, and the run.
fn died_after(act: &str) -> (Sim, String) {
    let one = scenario("mariadb-replica");
    let script = [(call_of(&one, act) + 1, Blow::CrashBefore)];
    let mut host = Faulty::new(equipped(&one), &script);
    run::backup(&mut host, &one.plan, &mut |_| {});
    (host.end().0, one.plan.run)
}

/// Settles the dead and follows that up; what went wrong.
fn recovered(sim: &mut Sim, by: &str) -> Vec<String> {
    let all = recover::recover(sim, Path::new(STATE)).expect("it can look");
    aftermath::of_recovery(sim, Path::new(STATE), Some(&configured()), &all, by)
}

fn prom(sim: &Sim) -> Option<String> {
    sim.world().files.text(Path::new(PROM)).map(String::from)
}

#[test]
fn a_run_that_died_is_noted_by_who_settles_it() {
    let (mut sim, run) = died_after("rsync");
    sim.arrange().machine.unix_seconds += 3600;
    assert_eq!(recovered(&mut sim, BY), Vec::<String>::new());
    let all = noted(&sim);
    let [Ok(entry)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((&entry.run, entry.exit, &entry.backup), (&run, None, &None));
    assert_eq!(entry.started.to_string(), "2026-09-21T13:06:40Z", "as its id says");
    assert_eq!(entry.ended, sim.world().machine.began(), "when it was settled");
    assert_eq!(entry.destination.as_deref(), Some(Path::new("/backup")));
    let fault = entry.fault.as_deref().expect("it says why");
    assert!(fault.starts_with("it died, ") && fault.ends_with(&format!("settled by {BY}")));
    let told = prom(&sim).expect("it is written");
    assert!(told.contains("\nholdstill_last_run_exit_code -1\n"), "{told}");
    assert!(told.contains("\nholdstill_leftovers 0\n"), "{told}");
    let seen = check::look(&sim, &configured()).expect("it can look");
    assert_eq!(seen.last.and_then(|last| last.fault).as_deref(), Some(fault));
}

#[test]
fn a_run_that_died_after_it_published_has_its_backup() {
    let (mut sim, run) = died_after("mv --no-clobber");
    assert_eq!(recovered(&mut sim, "run 7"), Vec::<String>::new());
    let all = noted(&sim);
    let [Ok(entry)] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(entry.backup, Some(Path::new("/backup").join(run)), "{entry:?}");
}

#[test]
fn who_has_told_an_end_keeps_it() {
    let (mut sim, run) = died_after("rsync");
    let attempt = Attempt::begin(&sim).expect("it answers");
    let stop = Stop::Busy { holder: "me".into() };
    let told = Entry { run, ..attempt.stopped(&sim, &stop) };
    history::save(&mut sim, Path::new(STATE), &told).expect("it can be written");
    assert_eq!(recovered(&mut sim, BY), Vec::<String>::new());
    assert_eq!(noted(&sim), [Ok(told)]);
}

#[test]
fn what_a_recovery_leaves_is_told_but_not_while_writes_may_be_stopped() {
    let (mut sim, _) = died_after("rsync");
    let bad = ledger::path(Path::new(STATE), "20260101T000000Z-000001");
    sim.arrange().files.foreign_file(&bad, "{");
    assert_eq!(recovered(&mut sim, BY), Vec::<String>::new());
    let told = prom(&sim).expect("it is written");
    assert!(told.contains("\nholdstill_leftovers 1\n"), "{told}");

    let (mut sim, run) = died_after("rsync");
    let claim = Claim::Frozen { point: "/var/lib/mysql".into() };
    let left = vec![Left { claim, fault: Fault::unsure("it may be frozen") }];
    let end = End::Kept { run, left, ledger: None };
    let all = [Recovered { path: bad, end }];
    let config = configured();
    let wrong = aftermath::of_recovery(&mut sim, Path::new(STATE), Some(&config), &all, BY);
    assert!(wrong.len() == 1 && wrong[0].ends_with("writes may still be stopped"), "{wrong:?}");
    assert_eq!((prom(&sim), noted(&sim)), (None, Vec::new()));
}

/// A machine on which the run lock changes hands at each look.
struct Changing {
    sim: Sim,
    holders: RefCell<Vec<Option<&'static str>>>,
}

impl Host for Changing {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        match what {
            Look::RunLock(_) => {
                let holder = self.holders.borrow_mut().pop().expect("it looks twice");
                Ok(Answer::Text(holder.map(String::from)))
            }
            other => self.sim.look(other),
        }
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        panic!("a check does '{what}'")
    }
}

#[test]
fn a_run_that_begins_or_ends_while_it_is_looked_at_is_not_dead() {
    let (sim, run) = died_after("rsync");
    let own: &'static str = format!("run {run}, process 7, since then").leak();
    let planning = Some("a run that still plans, process 7, since then");
    let settling = Some("a recovery, process 7, since then");
    let other = Some("run 20270101T000000Z-000001, process 7, since then");
    for (before, after, with) in [
        (None, None, Some(With::Nobody)),
        (None, Some(own), None),
        (Some(own), None, None),
        (Some(own), Some(own), None),
        (planning, Some(own), None),
        (planning, planning, Some(With::Settler)),
        (settling, None, Some(With::Settler)),
        (None, settling, Some(With::Settler)),
        (other, other, Some(With::Nobody)),
    ] {
        let holders = RefCell::new(vec![after, before]);
        let host = Changing { sim: sim.clone(), holders };
        let seen = check::look(&host, &configured()).expect("it can look");
        let found: Vec<With> = seen.leftovers.iter().map(|one| one.with).collect();
        assert_eq!(found, with.into_iter().collect::<Vec<_>>(), "{before:?}, {after:?}");
        assert_eq!(seen.alive.as_deref(), after);
        assert!(seen.leftovers.iter().all(|one| one.run == run && one.age_s.is_some()));
    }
}

/// The program itself, with the configuration of a place.
fn program(place: &Place, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_holdstill"))
        .args(words)
        .arg("--config")
        .arg(place.home().join("h.toml"))
        .output()
        .expect("the program can be run")
}

/// A configuration whose hook keeps its facts, for a server that is not there.
fn hooked() -> (Place, PathBuf) {
    let place = Place::new();
    let home = place.home().display().to_string();
    let text = format!(
        "state_dir = '{home}/state'\nrun_dir = '{home}/run'\n[server]\nsocket = '{home}/none'\n\
         [destination]\ndirectory = '{home}/backup'\n[hooks]\n\
         on_failure = ['{home}/hook', '{home}/seen']\n"
    );
    place.file("h.toml", &text);
    place.file("hook", "#!/bin/sh\ncp \"$2\" \"$1\"\n");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(place.home().join("hook"), mode).expect("it is ours");
    let seen = place.home().join("seen");
    (place, seen)
}

fn json(path: &Path) -> serde_json::Value {
    let text = fs::read_to_string(path).expect("it is there");
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn a_run_lock_that_cannot_be_had_is_told_by_the_hook() {
    let (place, seen) = hooked();
    let state = place.home().join("state");
    fs::create_dir(&state).expect("it can be made");
    // It cannot be opened to write, and nobody has it.
    std::os::unix::fs::symlink("nowhere/lock", state.join("lock")).expect("it can be made");
    let done = program(&place, &["backup"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(json(&seen)["outcome"]["exit"], 1);
    let fault = json(&seen)["outcome"]["fault"].to_string();
    assert!(fault.contains("cannot take the lock"), "{fault}");
}

#[test]
fn a_run_lock_of_another_keeps_the_hook_back() {
    let (place, seen) = hooked();
    let mut host = Linux::new().expect("the process can be prepared");
    let path = place.home().join("state/lock");
    host.act(&Act::MakeDir(place.home().join("state"))).expect("it can be made");
    host.act(&Act::TakeRunLock { path, text: "run 7, process 1, since then".into() })
        .expect("it is free");
    let done = program(&place, &["backup"]);
    assert_eq!((done.status.code(), seen.exists()), (Some(75), false), "{done:?}");
    // A lock that is seen to be another's while taking it fails for another reason, and our own.
    let config = config::load(&host, &place.home().join("h.toml")).expect("it is right");
    let attempt = Attempt::begin(&host).expect("it answers");
    let stop = Stop::from(Fault::unsure("no space left"));
    let wrong = aftermath::without_lock(&mut host, &config, &attempt, &stop);
    assert_eq!((wrong.join("\n"), seen.exists()), (NO_HOOK.into(), false));
    let text = format!("a run that still plans, process {}, since then", std::process::id());
    let path = place.home().join("state/lock");
    host.act(&Act::TakeRunLock { path, text }).expect("we have it");
    let wrong = aftermath::without_lock(&mut host, &config, &attempt, &stop);
    assert_eq!((wrong.join("\n"), seen.exists()), (String::new(), true));
}

#[test]
fn a_run_has_one_id_from_its_first_line() {
    let (place, seen) = hooked();
    fs::create_dir(place.home().join("state")).expect("it can be made");
    let done = program(&place, &["backup", "--json"]);
    let out = String::from_utf8(done.stdout).expect("it is a text");
    let lines: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let run = lines.last().expect("it says something")["run"].as_str().expect("it has an id");
    assert!(lines.iter().all(|line| line["run"] == run), "{out}");
    assert_eq!(
        (json(&seen)["run"].as_str(), json(&seen)["outcome"]["run"].as_str()),
        (Some(run), Some(run))
    );
    assert!(history::path(&place.home().join("state"), run).exists(), "it is not noted");
}

#[test]
fn of_two_servers_each_is_told_its_own() {
    let place = Place::new();
    place.backup(NEW, 3);
    let mut host = Linux::new().expect("the process can be prepared");
    let state = place.home().join("state");
    let attempt = Attempt::begin(&host).expect("it answers");
    let stop = Stop::from(Refusal::new("no", "Do."));
    let other = Entry { destination: Some("/other".into()), ..attempt.stopped(&host, &stop) };
    history::save(&mut host, &state, &other).expect("it can be written");
    place.expect(&[], 0, "OK - ");
    let own = Entry { destination: Some(place.home().join("backup")), ..other };
    history::save(&mut host, &state, &own).expect("it can be written");
    place.expect(&[], 1, "WARNING - the last run, ");
}

#[test]
fn arguments_that_are_no_text_are_told() {
    let odd = std::ffi::OsStr::from_bytes(b"--\xff");
    let run = |word: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
        command.arg(word).arg(odd).output().expect("the program can be run")
    };
    let checked = run("check");
    let line = String::from_utf8(checked.stdout).expect("it is a text");
    assert!(checked.status.code() == Some(3) && line.starts_with("UNKNOWN - "), "{line}");
    assert_eq!(run("backup").status.code(), Some(2));
}

/// Needs root; in the lab a case does the same with whole runs.
#[test]
fn a_hook_sees_the_mounts_that_the_program_was_started_with() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let at = |name: &str| home.path().join(name);
    let mut host = Linux::new().expect("the process can be prepared");
    let view = |of: &str| fs::read_link(format!("/proc/{of}/ns/mnt")).expect("it can be read");
    let before = view("thread-self");
    if host.act(&Act::Isolate).is_err() {
        return;
    }
    assert_ne!(view("thread-self"), before, "there is no namespace of its own");
    fs::write(at("hook"), "#!/bin/sh\nreadlink /proc/self/ns/mnt >\"$1\"\n").expect("written");
    fs::set_permissions(at("hook"), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut config = config::Config { run_dir: at("run"), ..configured() };
    let args = vec![at("seen").display().to_string()];
    config.hooks.after = Some(config::Hook { program: at("hook"), args });
    let attempt = Attempt::begin(&host).expect("it answers");
    for _ in 0..2 {
        hooks::run(&mut host, &config, Moment::After, &attempt, None).expect("it succeeds");
        let seen = fs::read_to_string(at("seen")).expect("it was there");
        assert_eq!(Path::new(seen.trim()), before);
        fs::remove_file(at("seen")).expect("it is there");
    }
    assert_ne!(view("thread-self"), before, "the run is not where its mounts are any more");
}
