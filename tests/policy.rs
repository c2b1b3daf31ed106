//! What an operator chose, as it turns out on a run: long statements that are refused, waited for
//! or ended, a snapshot without a lock, and appliers that do not stand as they should.

use holdstill::host::faulty::Blow;
use holdstill::host::sim::{Event, Running, Twist};

use crate::common::runs::{backup, call_of, failure};
use crate::common::{Scenario, scenario};

fn with(name: &str, statements: &[Running]) -> Scenario {
    let scenario = scenario(name);
    scenario.sim.arrange().server.statements = statements.to_vec();
    scenario
}

fn running(id: u64, verb: &'static str, age_s: u64) -> Running {
    Running { id, verb, age_s, until: u64::MAX }
}

#[test]
fn a_statement_that_became_long_since_the_plan_is_refused_before_anything_is_stopped() {
    let one = with("mysql-two-channels", &[running(8, "UPDATE", 7)]);
    let (acts, outcome, sim) = backup(one.sim, &one.plan, &[]);
    assert!(!acts.iter().any(|act| act.contains("STOP ")), "{acts:#?}");
    assert_eq!(
        failure((acts, outcome, sim)),
        "wait for long statements: the lock would wait for what has run for long: UPDATE of 'app' \
         in session 8 for 8 s"
    );
}

#[test]
fn what_the_lock_does_not_wait_for_is_let_run() {
    let one = with("mariadb-replica", &[running(8, "SELECT", 700), running(9, "UPDATE", 7)]);
    let (_, outcome, sim) = backup(one.sim, &one.plan, &[]);
    assert!(outcome.result.is_ok() && outcome.killed.is_empty());
    assert_eq!(sim.world().server.statements.len(), 2);
}

#[test]
fn patience_has_an_end() {
    let one = with("long-statement-is-waited-for", &[running(8, "CREATE", 7)]);
    let (acts, outcome, sim) = backup(one.sim, &one.plan, &[]);
    let told = acts.iter().filter(|act| act.starts_with("Waiting")).count();
    assert_eq!(told, 1, "{acts:#?}");
    assert_eq!(
        failure((acts, outcome, sim)),
        "wait for long statements: the lock would wait for what has run for long, after 10000 ms: \
         CREATE of 'app' in session 8 for 18 s"
    );
}

#[test]
fn a_signal_is_heeded_while_waiting() {
    let one = with("long-statement-is-waited-for", &[running(8, "CREATE", 7)]);
    let begin = call_of(&one, "sync --file-system") + 1;
    // For so many calls it asks, waits, and asks again.
    for call in begin..begin + 12 {
        let script = [(call, Blow::Event(Event::Signal))];
        let (acts, outcome, _) = backup(one.sim.clone(), &one.plan, &script);
        assert_eq!(outcome.result.expect_err("it was interrupted").signal, Some(15));
        assert!(!acts.iter().any(|act| act.contains("STOP SLAVE")), "call {call}");
    }
}

#[test]
fn only_old_selects_are_ended_and_all_of_them_are_named() {
    let all = [running(8, "SELECT", 700), running(9, "SELECT", 800)];
    let one = with("long-select-is-killed", &all);
    let (_, outcome, sim) = backup(one.sim, &one.plan, &[]);
    let path = outcome.result.expect("it succeeds").path;
    let record = sim.world().files.text(&path.join("backup.json")).map(String::from);
    let record: serde_json::Value =
        serde_json::from_str(&record.expect("it is there")).expect("it is JSON");
    let expected = serde_json::json!([
        {"id": 8, "user": "app", "seconds": 701},
        {"id": 9, "user": "app", "seconds": 801},
    ]);
    assert_eq!(record["killed"], expected);
    assert_eq!(sim.world().server.killed, [8, 9]);

    let one = with("long-select-is-killed", &[running(8, "UPDATE", 700), running(9, "SELECT", 7)]);
    let ran = backup(one.sim, &one.plan, &[]);
    assert!(ran.2.world().server.killed.is_empty());
    assert_eq!(
        failure(ran),
        "wait for long statements: the lock would wait for what has run for long, after 10000 ms: \
         UPDATE of 'app' in session 8 for 711 s, SELECT of 'app' in session 9 for 18 s"
    );
}

/// A select that grows old while something else is waited for is ended, too.
#[test]
fn a_select_may_grow_old_enough() {
    let one = with("long-select-is-killed", &[running(9, "SELECT", 55)]);
    let (_, outcome, sim) = backup(one.sim, &one.plan, &[]);
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert_eq!(sim.world().server.killed, [9]);
}

/// A lock that is not granted in time costs its session: MySQL keeps half of it, and another try in
/// the same session would be an outage.
#[test]
fn a_lock_that_timed_out_is_asked_for_in_another_session() {
    for (name, lock) in [("mysql-alone", "FLUSH TABLES"), ("mariadb-replica", "BLOCK_COMMIT")] {
        let one = scenario(name);
        let call = call_of(&one, lock);
        let (acts, outcome, _) =
            backup(one.sim, &one.plan, &[(call, Blow::Event(Event::Statement))]);
        assert!(outcome.result.is_ok() && outcome.is_clean(), "{name}: {outcome:?}");
        let at = |words: &str| -> Vec<usize> {
            let found = acts.iter().enumerate().filter(|(_, act)| act.contains(words));
            found.map(|(at, _)| at).collect()
        };
        let (asked, opened) = (at(lock), at("connect the lock session"));
        let closed = at("close the lock session");
        assert!(asked.len() > 1 && opened.len() == asked.len(), "{name}: {acts:#?}");
        assert!(asked[0] < closed[0] && closed[0] < opened[1], "{name}: {acts:#?}");
    }
}

#[test]
fn without_a_lock_whoever_writes_is_told_before_the_copy() {
    let one = scenario("replica-without-a-lock");
    for words in ["FLUSH NO_WRITE", "lvm> ", "dismiss the dead-man"] {
        let call = call_of(&one, words);
        let script = [(call, Blow::Event(Event::Write))];
        let (acts, outcome, sim) = backup(one.sim.clone(), &one.plan, &script);
        assert!(!acts.iter().any(|act| act.starts_with("rsync")), "{words}: {acts:#?}");
        assert_eq!(
            failure((acts, outcome, sim)),
            "prove that it held still: the times do not prove that the server held still: the \
             server's position moved, and nothing was locked"
        );
    }
}

/// The snapshot may be taken before anything more is asked: what was asked before must count.
#[test]
fn without_a_lock_the_position_is_asked_before_the_order() {
    let one = scenario("replica-without-a-lock");
    let ordered = call_of(&one, "lvm> ");
    let leap = Blow::Event(Event::Lvm(Twist::Leap));
    for write in 4..8 {
        let leaps = (1..4).map(|later| (ordered + later, leap));
        let script: Vec<_> = leaps.chain([(ordered + write, Blow::Event(Event::Write))]).collect();
        let (_, outcome, sim) = backup(one.sim.clone(), &one.plan, &script);
        assert!(sim.world().breaches.is_empty(), "{:?}", sim.world().breaches);
        if outcome.result.is_err() {
            assert!(outcome.is_clean() && sim.world().rests().is_empty());
        }
    }
}

#[test]
fn temporary_tables_are_looked_for_again_when_the_applier_stands() {
    let one = scenario("mariadb-replica");
    one.sim.arrange().server.temporary_tables = 1;
    assert_eq!(
        failure(backup(one.sim, &one.plan, &[])),
        "stop the applier: the applier holds 1 temporary tables open, which no backup contains"
    );
}

#[test]
fn appliers_that_stand_until_the_copy_has_ended_are_started_on_every_way_out() {
    let one = scenario("stopped-during-copy");
    let copy = call_of(&one, "rsync");
    for blow in [Blow::FailHalf, Blow::Event(Event::Signal), Blow::Event(Event::Overflow)] {
        let (acts, outcome, sim) = backup(one.sim.clone(), &one.plan, &[(copy, blow)]);
        assert!(outcome.result.is_err() && outcome.is_clean(), "{blow:?}: {outcome:?}");
        assert!(sim.world().server.channels.iter().all(|one| one.applies == one.applied));
        assert!(acts.iter().any(|act| act.contains("START REPLICA")), "{acts:#?}");
    }
}
