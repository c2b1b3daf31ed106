//! The order of acts, exactly: of a run in which nothing goes wrong, of what the audit promises,
//! and of the ways out. `HOLDSTILL_BLESS=1` writes the files anew; the difference is for review.

use std::path::Path;

use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::sim::{Event, Sim};
use holdstill::plan::Plan;
use holdstill::recover;
use holdstill::run::{self, Outcome};

use crate::common::recorder::Recorder;
use crate::common::runs::{call_of, crashed};
use crate::common::{STATE, Scenario, golden, scenario, scenarios};

/// Holds a trace against its golden file.
fn check(name: &str, trace: &[String]) {
    golden(name, &(trace.join("\n") + "\n"));
}

fn backup(sim: Sim, plan: &Plan, script: &[(usize, Blow)]) -> (Vec<String>, Outcome) {
    let mut host = Recorder::new(Faulty::new(sim, script));
    let outcome = run::backup(&mut host, plan, &mut |_| {});
    (host.acts.take(), outcome)
}

/// A backup in which an act goes wrong.
fn spoiled(scenario: &Scenario, words: &str, blow: Blow) -> (Vec<String>, Outcome) {
    let script = [(call_of(scenario, words), blow)];
    backup(scenario.sim.clone(), &scenario.plan, &script)
}

#[test]
fn a_good_run_acts_in_the_golden_order() {
    for scenario in scenarios() {
        let (acts, _) = backup(scenario.sim, &scenario.plan, &[]);
        check(&format!("{}.txt", scenario.name), &acts);
    }
}

#[test]
fn a_good_run_does_what_the_audit_promised() {
    // Whether the kernel lets lvm be held is seen only when that is tried.
    let foreseen = |one: &Scenario| one.succeeds && one.name != "untraceable";
    for scenario in scenarios().into_iter().filter(foreseen) {
        let (acts, outcome) = backup(scenario.sim, &scenario.plan, &[]);
        assert!(outcome.result.is_ok() && outcome.is_clean(), "{}", scenario.name);
        assert_eq!(scenario.plan.acts(), acts, "{}", scenario.name);
    }
}

#[test]
fn a_failed_snapshot_lets_the_server_go_first() {
    let scenario = scenario("two-volumes");
    let (acts, outcome) = spoiled(&scenario, "lvcreate", Blow::FailHalf);
    assert!(outcome.result.is_err() && outcome.is_clean());
    check("failed-snapshot.txt", &acts);
}

#[test]
fn a_signal_rolls_back() {
    let scenario = scenario("mariadb-replica");
    let (acts, outcome) = spoiled(&scenario, "rsync", Blow::Event(Event::Signal));
    let signal = outcome.result.expect_err("it was interrupted").signal;
    assert_eq!(signal, Some(15));
    check("interrupted-copy.txt", &acts);
}

#[test]
fn a_pool_that_fills_up_ends_the_copy() {
    for name in ["thin", "thin-whole"] {
        let scenario = scenario(name);
        for words in ["mount", "rsync"] {
            let (acts, outcome) = spoiled(&scenario, words, Blow::Event(Event::PoolFills));
            let why = outcome.result.as_ref().expect_err("the copy is given up").fault.to_string();
            assert!(why.contains("too full: data 95 %"), "{why}");
            assert!(outcome.is_clean() && acts.iter().any(|act| act.starts_with("lvremove")));
        }
    }
}

#[test]
fn a_volume_that_others_make_in_the_pool_is_not_taken_for_ours() {
    let scenario = scenario("thin");
    for words in ["lvm>", "BLOCK_COMMIT", "arm the dead-man for 30000", "ENGINE LOGS"] {
        let (_, outcome) = spoiled(&scenario, words, Blow::Event(Event::OthersInPool));
        assert!(outcome.result.is_ok() && outcome.is_clean(), "{words}: {:?}", outcome.result);
    }
}

#[test]
fn a_dead_run_is_recovered() {
    let scenario = scenario("two-volumes");
    let mut host =
        Recorder::new(crashed(&scenario, &[(call_of(&scenario, "lvcreate"), Blow::CrashHalf)]));
    let all = recover::recover(&mut host, Path::new(STATE)).expect("it can look");
    assert!(all.iter().all(|one| one.end.is_clean()) && all.len() == 1, "{all:?}");
    check("recovered-window.txt", &host.acts.take());
}

#[test]
fn nothing_is_told_while_the_server_stands_still() {
    let scenario = scenario("two-volumes");
    let snapshot = call_of(&scenario, "lvcreate");
    for script in [&[][..], &[(snapshot, Blow::FailHalf)]] {
        let mut host = Recorder::new(Faulty::new(scenario.sim.clone(), script));
        let acts = host.acts.clone();
        run::backup(&mut host, &scenario.plan, &mut |_| acts.push("told"));
        let trace = acts.take();
        let at = |words: &str| trace.iter().position(|act| act.starts_with(words));
        let (arm, unlocked) = (at("arm the dead-man"), at("close the lock session"));
        let window = &trace[arm.expect("it opens")..unlocked.expect("it closes")];
        assert!(window.iter().all(|line| line != "told"), "{window:#?}");
        assert!(trace.iter().any(|line| line == "told"));
    }
}
