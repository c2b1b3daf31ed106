//! A machine whose first backup a simulated run of the real engine has made, and others like it.

use std::path::Path;

use holdstill::catalog::{self, Backup, Catalog};
use holdstill::check;
use holdstill::history::{self, Attempt, Entry, Figures};
use holdstill::host::faulty::Faulty;
use holdstill::host::sim::Sim;
use holdstill::host::{Act, Ask as _, Host as _};
use holdstill::memory::{self, Finding, How};
use holdstill::report::{self, Report};
use holdstill::units::{Bytes, Millis};
use holdstill::{aftermath, run};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::common::{STATE, scenario};
use crate::monitoring::{configured, equipped};

const DAY_S: i64 = 86_400;
pub(super) const GIB: u64 = 1 << 30;

/// A machine, and the record and the outcome of its run, to make others of.
pub(super) struct Facts {
    sim: Sim,
    pub(super) record: Value,
    outcome: Entry,
    began: Timestamp,
}

impl Facts {
    /// After one run of the real engine.
    fn captured() -> Self {
        let one = scenario("mariadb-replica");
        let mut host = Faulty::new(equipped(&one), &[]);
        let (config, mut figures) = (configured(), Figures::default());
        let attempt = Attempt::begin(&host).map(|attempt| attempt.of(&config)).expect("it answers");
        let outcome = run::backup(&mut host, &one.plan, &mut |event| figures.note(&event));
        aftermath::of_run(&mut host, &config, &attempt, &outcome, &figures);
        let sim = host.end().0;
        let path = outcome.published().expect("it is published").join("backup.json");
        let text = sim.world().files.text(&path).map(String::from).expect("it is there");
        let mut record: Value = serde_json::from_str(&text).expect("it is JSON");
        // As of the first version: a later one may be sealed, and what is changed here would break
        // that.
        record["version"] = json!(1);
        record.as_object_mut().expect("it is an object").remove("seal");
        let outcome = history::find(&sim, Path::new(STATE)).expect("looked").remove(0);
        Self { record, outcome: outcome.expect("it is whole"), began: attempt.started(), sim }
    }

    /// The same machine before that run.
    pub(super) fn empty() -> Self {
        let mut sim = equipped(&scenario("mariadb-replica"));
        sim.act(&Act::MakeDir(STATE.into())).expect("it can be made");
        for name in sim.list(Path::new("/backup")).expect("it is there") {
            sim.act(&Act::RemoveTree(Path::new("/backup").join(name))).expect("it is there");
        }
        Self { sim, ..Self::captured() }
    }

    fn time(&self, day: i64) -> Timestamp {
        self.began + SignedDuration::from_secs(day * DAY_S)
    }

    /// The name of the run of a day.
    pub(super) fn run(&self, day: i64) -> String {
        format!("{}-{:06x}", self.time(day).strftime("%Y%m%dT%H%M%SZ"), 0xa0_0000 + day)
    }

    /// It is so many days after the first run.
    pub(super) fn now(&self, day: i64) {
        self.sim.arrange().machine.unix_seconds = self.time(day).as_second() + 3 * 3600;
    }

    /// A backup of a day, with figures like those of a server that grows.
    pub(super) fn backup(&mut self, day: i64, change: impl FnOnce(&mut Value, &mut Entry)) {
        let (run, mut record, mut entry) =
            (self.run(day), self.record.clone(), self.outcome.clone());
        let wave = u64::try_from(day * 37 % 11).expect("no day is negative");
        let began = self.time(day);
        let bytes = (400 + 2 * u64::try_from(day).expect("as before")) * GIB;
        let copy_ms = 2_400_000 + wave * 61_000;
        record["run"] = json!(run);
        record["started"] = json!(began.to_string());
        record["copied"] = json!({"files": 18_412 + day, "bytes": bytes});
        record["timings_ms"]["copy"] = json!(copy_ms);
        record["timings_ms"]["prepare"] = json!(21_000 + wave * 900);
        record["window"]["waited_ms"] = json!(3 + wave);
        record["window"]["locked_ms"] = json!(19 + wave * 2);
        record["window"]["suspended_ms"] = json!(9 + wave);
        record["coordinates"]["own"]["gtid_current_pos"] =
            json!(format!("0-1-{}", 4711 + day * 997));
        entry.run.clone_from(&run);
        entry.backup = Some(Path::new("/backup").join(&run));
        (entry.started, entry.ended) = (began, began + SignedDuration::from_mins(44));
        (entry.bytes, entry.files) = (Some(Bytes(bytes)), Some(18_412));
        entry.took_ms = Some(Millis(copy_ms + 90_000));
        entry.copy_ms = Some(Millis(copy_ms));
        (entry.waited_ms, entry.locked_ms) = (Some(Millis(3 + wave)), Some(Millis(19 + wave * 2)));
        entry.suspended_ms = Some(Millis(9 + wave));
        entry.cow_percent_max = Some(20 + wave * 4);
        change(&mut record, &mut entry);
        let path = Path::new("/backup").join(&run);
        let mut world = self.sim.arrange();
        world.files.published_file(&path.join("tree/ibdata1"), "");
        world.files.published_file(&path.join("backup.json"), &record.to_string());
        drop(world);
        history::save(&mut self.sim, Path::new(STATE), &entry).expect("it can be written");
    }

    /// A run of a day that made none.
    pub(super) fn failure(&mut self, day: i64, exit: u8, phase: Option<&str>, fault: &str) {
        let began = self.time(day);
        let entry = Entry {
            run: self.run(day),
            started: began,
            ended: began + SignedDuration::from_mins(2),
            took_ms: Some(Millis(120_000)),
            exit: Some(exit),
            phase: phase.map(String::from),
            fault: Some(fault.into()),
            backup: None,
            bytes: None,
            files: None,
            copy_ms: None,
            waited_ms: None,
            locked_ms: None,
            suspended_ms: None,
            cow_percent_max: None,
            ..self.outcome.clone()
        };
        history::save(&mut self.sim, Path::new(STATE), &entry).expect("it can be written");
    }

    pub(super) fn found(&mut self, day: i64, how: How, problems: &[&str]) {
        let finding = Finding {
            at: self.time(day) + SignedDuration::from_hours(1),
            took_ms: Millis(1_260_000),
            files: (how != How::Drill).then_some(18_412),
            bytes: (how != How::Drill).then_some(Bytes(400 * GIB)),
            ready_ms: (how == How::Drill).then_some(Millis(41_300)),
            problems_found: problems.len() as u64,
            problems: problems.iter().map(|one| (*one).into()).collect(),
        };
        let run = self.run(day);
        memory::remember(&mut self.sim, Path::new(STATE), &run, how, finding).expect("written");
    }

    pub(super) fn file(&self, path: &str, text: &str) {
        self.sim.arrange().files.ours_file(Path::new(path), text);
    }

    pub(super) fn look(&self) -> Catalog {
        catalog::look(&self.sim, &configured()).expect("it can look")
    }

    pub(super) fn page(&self) -> String {
        let (sim, config) = (&self.sim, configured());
        let catalog = self.look();
        let seen = check::look(sim, &config).expect("it can look");
        let findings = check::judge(&seen, &config.monitoring.limits);
        let all = history::find(sim, &config.state_dir).expect("it can look");
        let runs: Vec<Entry> = all.iter().flatten().cloned().collect();
        let unreadable: Vec<String> = all.into_iter().filter_map(Result::err).collect();
        let (findings, runs, unreadable) = (&findings, &runs, &unreadable);
        report::html(&Report { catalog: &catalog, findings, runs, unreadable })
    }
}

/// One backup of each state, and names that are odd.
pub(super) fn every_state() -> Facts {
    let mut facts = Facts::empty();
    for day in [0, 1, 2, 3, 9] {
        facts.backup(day, |_, _| {});
    }
    facts.backup(4, |record, entry| {
        record["window"]["locked_ms"] = json!(9_321);
        entry.locked_ms = Some(Millis(9_321));
        let own = &mut record["coordinates"]["own"];
        *own = json!({"file": "binlog.000123", "position": 4_567_890, "gtid_executed": null,
            "gtid_binlog_pos": null, "gtid_slave_pos": null, "gtid_current_pos": null});
        record["killed"] = json!([{"id": 77, "user": "<script>alert(1)</script>", "seconds": 612}]);
        record["bad_pages"] = json!([{"file": "tree/db/old.ibd", "checked": 640,
            "bad": 2, "first_bad": [3, 4]}]);
        record["manifest"] = json!({"file": "manifest.jsonl", "blake3": "0".repeat(64),
            "entries": 19_000, "files": 18_416, "bytes": 408 * GIB});
    });
    facts.failure(
        5,
        4,
        Some("copy"),
        "rsync: write failed on \"<b>\": No space left on device (28)",
    );
    facts.failure(6, 3, None, "the destination '/backup' is not mounted");
    facts.found(1, How::Verify, &[]);
    facts.found(2, How::Verify, &[]);
    facts.found(2, How::Drill, &[]);
    facts.found(3, How::Verify, &["'tree/db/<script>.ibd' is changed", "'tree/ibdata1' is cut"]);
    let (other, cut) = (facts.run(7), facts.run(8));
    let text = facts.record.to_string();
    let stranger = text.replace("\"host\":\"", "\"host\":\"not-");
    assert_ne!(stranger, text);
    facts.file(&format!("/backup/{other}/backup.json"), &stranger);
    facts.file(&format!("/backup/{cut}/backup.json"), &text[..99]);
    let partial = format!("/backup/.{}.partial/backup.json", facts.run(10));
    facts.file(&partial, &text);
    facts.file(&format!("{STATE}/ledger/{}.json", facts.run(10)), "{}");
    facts.file(&format!("/backup/.{}.partial/tree/x", facts.run(11)), "");
    facts.file(&format!("/backup/.{}.removing/tree/x", facts.run(12)), "");
    facts.file("/backup/lost+found/x", "");
    facts.now(12);
    facts
}

pub(super) fn one(catalog: &Catalog, day: i64, facts: &Facts) -> Backup {
    catalog.find(Some(&facts.run(day))).expect("it is there").clone()
}
