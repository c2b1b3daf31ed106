//! `--json` against its description: every line of many runs has the envelope, and the statuses,
//! figures and phases that came are those that `packaging/json-lines.md` lists, both ways.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use holdstill::config::Complaint;
use holdstill::error::{Code, Stop};
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::linux::service::Service;
use holdstill::host::sim::Event;
use holdstill::offsite::{Pushed, Trouble};
use holdstill::plan::Refusal;
use holdstill::recover;
use holdstill::retention::{self, Rules};
use holdstill::run::{self, Drilled};
use holdstill::store::BadPages;
use holdstill::ui::{Manner, PushedTo};
use holdstill::units::Millis;
use serde_json::Value;

use crate::common::runs;
use crate::common::shown::{Kept, call_of, clock, shown};
use crate::common::{STATE, Scenario, scenario, scenarios};

/// The description.
const DESCRIPTION: &str = include_str!("../packaging/json-lines.md");

/// How far the clock goes on with each look.
const STEP_MS: i64 = 150;

fn json() -> Manner {
    Manner::Json(clock(STEP_MS))
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

fn told(one: &Scenario, script: &[(usize, Blow)]) -> Vec<Value> {
    lines(&shown(json(), one.sim.clone(), &one.plan, script).out)
}

/// Runs in which everything that can be told is told.
fn everything() -> Vec<Vec<Value>> {
    let mut all: Vec<_> = scenarios().iter().map(|one| told(one, &[])).collect();
    let one = scenario("mariadb-replica");
    let listening = call_of(&one, "rsync") + 2;
    for event in [Event::StoreFills, Event::Unmounted, Event::Signal, Event::CopyFails] {
        all.push(told(&one, &[(listening, Blow::Event(event))]));
    }
    all.push(told(&one, &[(call_of(&one, "BLOCK_COMMIT"), Blow::Event(Event::Statement))]));
    let full = scenario("mariadb-replica");
    full.sim.arrange().volumes.free = 0;
    all.push(told(&full, &[(listening, Blow::Event(Event::StoreFills))]));
    all.push(told(&one, &[(call_of(&one, "umount"), Blow::FailBefore)]));
    all.extend([dead_runs(), not_begun(), pruned(), bad_pages(), drilled(), pushed()]);
    all
}

/// What is told of a run that died, where it can be settled, and where it cannot.
fn dead_runs() -> Vec<Value> {
    let one = scenario("mariadb-replica");
    let copy = runs::call_of(&one, "rsync") + 1;
    let mut host = Faulty::new(one.sim, &[(copy, Blow::CrashBefore)]);
    run::backup(&mut host, &one.plan, &mut |_| {});
    let mut sim = host.end().0;
    let bad = Path::new(STATE).join("ledger/20260101T000000Z-00000001.json");
    sim.arrange().files.foreign_file(&bad, "no ledger");
    let kept = Kept::new(json(), Service::default());
    kept.screen.recovered(&recover::recover(&mut sim, Path::new(STATE)).expect("it can look"));
    lines(&kept.text().out)
}

fn not_begun() -> Vec<Value> {
    let kept = Kept::new(json(), Service::default());
    let complaints = vec![Complaint::new("one", "Do this."), Complaint::new("two", "Do that.")];
    kept.screen.stopped(&Stop::Usage(complaints));
    assert_eq!(kept.text().err, "holdstill: one\nhint: Do this.\nholdstill: two\nhint: Do that.\n");
    lines(&kept.text().out)
}

fn bad_pages() -> Vec<Value> {
    let kept = Kept::new(json(), Service::default());
    let one = BadPages { file: "tree/t.ibd".into(), checked: 9, bad: 1, first_bad: vec![7] };
    kept.screen.event(&run::Event::BadPages(one));
    lines(&kept.text().out)
}

/// What is told of old backups.
fn pruned() -> Vec<Value> {
    let rules = Rules { last: Some(1), ..Rules::default() };
    let mut sim = scenario("mariadb-replica").sim;
    let pruning = retention::survey(
        &sim,
        Path::new("/backup"),
        Path::new(crate::common::STATE),
        &rules,
        None,
    )
    .expect("it can look");
    let done = retention::prune(&mut sim, &pruning);
    let kept = Kept::new(json(), Service::default());
    kept.screen.pruned(&pruning, &done);
    lines(&kept.text().out)
}

/// What is told of the places that get the backup after a run.
fn pushed() -> Vec<Value> {
    let kept = Kept::new(json(), Service::default());
    let trouble = Trouble::new("no route", "Look at the network.");
    let all = [(Ok(Pushed::Sent), Code::Clean), (Err(&trouble), Code::NotPushed)];
    for (ended, code) in all {
        kept.screen.pushed(&PushedTo { place: "vault", run: "R", ended, code });
    }
    let all = lines(&kept.text().out);
    let exits: Vec<_> = all.iter().map(|line| line["figures"]["exit"].clone()).collect();
    assert_eq!(exits, [0, 10], "the last line has the exit code of the process");
    assert!(kept.text().err.contains("hint: Look at the network."));
    all
}

/// What is told of a drill after a run.
fn drilled() -> Vec<Value> {
    let kept = Kept::new(json(), Service::default());
    for drilled in [Drilled::Sound(Millis(412), 181), Drilled::Failed("no table".into())] {
        kept.screen.event(&run::Event::Phase(run::DRILL));
        kept.screen.event(&run::Event::Drilled(drilled));
    }
    lines(&kept.text().out)
}

/// The words between backticks.
fn words(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// What stands under a heading of the description.
fn under(heading: &str) -> &'static str {
    let (_, rest) = DESCRIPTION.split_once(&format!("\n## {heading}\n")).expect("it is there");
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The first two cells of each row of the table there.
fn rows(heading: &str) -> Vec<(&'static str, &'static str)> {
    let lines = under(heading).lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let mut cells = line.split('|').skip(1);
            (cells.next().expect("a cell"), cells.next().expect("another"))
        })
        .collect()
}

/// The names of all figures in a value, those inside others too.
fn names(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(inside) => {
            for (name, value) in inside {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                names(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| names(one, &format!("{path}[]"), found)),
        _ => {}
    }
}

#[test]
fn every_line_has_the_envelope() {
    for run in everything() {
        let mut before = String::new();
        for (line, at) in run.iter().zip(1..) {
            let keys: Vec<_> = line.as_object().expect("an object").keys().collect();
            let envelope = ["figures", "phase", "run", "sequence", "status", "time", "version"];
            assert_eq!(keys, envelope);
            assert_eq!((&line["version"], &line["sequence"]), (&1.into(), &at.into()));
            let time = line["time"].as_str().expect("a text");
            let read: jiff::Timestamp = time.parse().expect("RFC 3339");
            assert_eq!(format!("{read:.3}"), time);
            assert!(time.len() == "2026-09-21T13:06:40.000Z".len() && *time > *before, "{time}");
            before = time.to_owned();
        }
    }
}

#[test]
fn what_comes_is_described_and_what_is_described_comes() {
    let mut came: BTreeMap<String, BTreeSet<BTreeSet<String>>> = BTreeMap::new();
    let (mut figures, mut phases) = (BTreeSet::new(), BTreeSet::new());
    for line in everything().iter().flatten() {
        let own = line["figures"].as_object().expect("an object").keys().cloned().collect();
        came.entry(line["status"].as_str().expect("a text").into()).or_default().insert(own);
        phases.insert(line["phase"].as_str().expect("a text").to_owned());
        names(&line["figures"], "", &mut figures);
    }
    let row = |(status, figures): (&str, &str)| {
        let status = words(status).pop_first().expect("a status");
        (status, BTreeSet::from([words(figures)]))
    };
    let described: BTreeMap<_, _> = rows("Statuses").into_iter().map(row).collect();
    assert_eq!(came, described);
    assert_eq!(figures, rows("Figures").into_iter().flat_map(|(name, _)| words(name)).collect());
    assert_eq!(phases, words(under("Phases")));
}

#[test]
fn the_example_is_a_line() {
    let example = DESCRIPTION.lines().find(|line| line.starts_with('{')).expect("an example");
    let example: Value = serde_json::from_str(example).expect("an object");
    let line = told(&scenario("mariadb-replica"), &[]);
    let line = line.iter().find(|line| line["status"] == "copying").expect("it copies");
    assert_eq!(example["figures"], line["figures"]);
    assert_eq!((&example["run"], &example["phase"]), (&line["run"], &line["phase"]));
}

/// The copy tells of itself twice a second, and a reader is not to drown.
#[test]
fn what_changes_all_the_time_is_told_once_a_second() {
    let kept = Kept::new(json(), Service::default());
    for bytes in 0..100 {
        let bytes = holdstill::units::Bytes(bytes);
        let progress = holdstill::copy::rsync::Progress { bytes, percent: 1 };
        kept.screen.event(&run::Event::Copying(progress));
        let filling = run::Filling { percent: 3, full_in: None };
        kept.screen.event(&run::Event::Filling(filling));
    }
    let told = lines(&kept.text().out);
    for status in ["copying", "store-fill"] {
        let times = told.iter().filter(|line| line["status"] == status);
        let times: Vec<_> = times
            .map(|line| line["time"].as_str().expect("a text").parse().expect("a time"))
            .map(jiff::Timestamp::as_millisecond)
            .collect();
        assert!(times.len() > 20, "{status}: only {}", times.len());
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1_000), "{times:?}");
    }
}

#[test]
fn the_ends_say_what_the_process_says() {
    let one = scenario("mariadb-replica");
    let last = |script: &[(usize, Blow)]| told(&one, script).pop().expect("it ends");
    let good = last(&[]);
    assert_eq!((&good["status"], &good["figures"]["exit"]), (&"published".into(), &0.into()));
    assert_eq!(good["figures"]["ledger"], Value::Null);
    let copy = call_of(&one, "rsync") + 2;
    let left = last(&[(copy, Blow::Event(Event::Unmounted))]);
    assert_eq!((&left["status"], &left["figures"]["exit"]), (&"failed".into(), &6.into()));
    assert_eq!(left["figures"]["failed_phase"], "copy");
    assert!(left["figures"]["hint"].is_string() && left["figures"]["ledger"].is_string());
    let means = left["figures"]["left"][0]["means"].as_str().expect("a text");
    assert!(means.starts_with("the unpublished copy"), "{means}");
    let refused = Stop::from(Refusal::new("no", "Do this."));
    let kept = Kept::new(json(), Service::default());
    kept.screen.stopped(&refused);
    let line = lines(&kept.text().out).pop().expect("a line");
    assert_eq!((&line["run"], &line["phase"]), (&Value::Null, &"plan".into()));
    let wanted = serde_json::json!({"exit": 3, "reasons": [{"fault": "no", "hint": "Do this."}]});
    assert_eq!(line["figures"], wanted);
}

#[test]
fn the_program_itself_says_why_it_does_not_begin() {
    let done = Command::new(env!("CARGO_BIN_EXE_holdstill"))
        .args(["backup", "--json", "--config", "/nowhere/h.toml"])
        .output()
        .expect("the program can be run");
    assert_eq!(done.status.code(), Some(2));
    let told = lines(&String::from_utf8_lossy(&done.stdout));
    let [line] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&line["status"], &line["figures"]["exit"]), (&"not-begun".into(), &2.into()));
    let err = String::from_utf8_lossy(&done.stderr);
    let fault = line["figures"]["reasons"][0]["fault"].as_str().expect("a text");
    assert!(err.starts_with(&format!("holdstill: {fault}\nhint: ")), "{err}");
}
