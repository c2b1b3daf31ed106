//! The room that a copy needs, as it turns out on a run: COW stores that fill, are extended or
//! cannot be, and a destination that goes away.

use std::path::Path;

use holdstill::host::faulty::{Blow, Late};
use holdstill::host::sim::Event;
use holdstill::recover;

use crate::common::recorder::Recorder;
use crate::common::runs::{backup, call_of, crashed, failure};
use crate::common::{STATE, Scenario, scenario};

/// The store, and what is told when it is given up.
const STORE: &str = "lab/hs-20260921T130640Z-0000002a";
const GIVEN_UP: &str = "copy: the COW store of 'lab/hs-20260921T130640Z-0000002a' will not last: \
                        97 % of 512 MiB are used, 'cow_percent_stop' is 95";

/// The call in which a copy is listened to for the first time.
fn listening(scenario: &Scenario) -> usize {
    call_of(scenario, "rsync") + 1
}

/// The store of a scenario fills while it is copied; what was done and told.
fn filling(scenario: &Scenario, more: &[(usize, Blow)]) -> (Vec<String>, Result<(), String>) {
    let mut script = vec![(listening(scenario), Blow::Event(Event::StoreFills))];
    script.extend_from_slice(more);
    let (acts, outcome, sim) = backup(scenario.sim.clone(), &scenario.plan, &script);
    if outcome.result.is_ok() {
        assert!(outcome.is_clean() && sim.world().rests().is_empty(), "{outcome:#?}");
        return (acts, Ok(()));
    }
    let why = failure((Vec::new(), outcome, sim));
    (acts, Err(why))
}

/// The call in which it is extended then: a signal, the destination, the store and its group are
/// looked at before, and the source is synced.
fn extension(scenario: &Scenario) -> usize {
    listening(scenario) + 6
}

fn told<'a>(acts: &'a [String], begin: &str) -> Vec<&'a str> {
    acts.iter().map(String::as_str).filter(|act| act.starts_with(begin)).collect()
}

/// The store is not extended, for this reason, and so it will not last.
fn given_up(scenario: &Scenario, why: &str) {
    let (acts, ended) = filling(scenario, &[]);
    assert_eq!(ended, Err(GIVEN_UP.into()));
    let words = format!("NotExtended(\"'{STORE}' is not extended: {why}\")");
    assert_eq!(told(&acts, "NotExt"), [words]);
}

#[test]
fn a_store_that_fills_is_extended() {
    let (acts, ended) = filling(&scenario("mariadb-replica"), &[]);
    assert_eq!(ended, Ok(()));
    let larger = format!("lvextend --yes {STORE} --size {}b", 1024 << 20);
    assert_eq!(told(&acts, "lvextend"), [larger]);
    assert_eq!(told(&acts, "Extended"), [format!("Extended(\"'{STORE}' to 1 GiB\")")]);
}

#[test]
fn it_is_extended_by_what_is_free() {
    let one = scenario("mariadb-replica");
    one.sim.arrange().volumes.free = 64 << 20;
    let (acts, ended) = filling(&one, &[]);
    assert_eq!(ended, Ok(()));
    let larger = format!("lvextend --yes {STORE} --size {}b", 576 << 20);
    assert_eq!(told(&acts, "lvextend"), [larger]);
}

#[test]
fn one_that_may_not_grow_is_given_up() {
    let mut one = scenario("mariadb-replica");
    for store in one.plan.sources.iter_mut().filter_map(|source| source.store.as_mut()) {
        store.size_max = store.step;
    }
    given_up(&one, "it has 512 MiB, 'cow_extend_max' is 512 MiB");
}

#[test]
fn one_in_a_full_group_is_given_up() {
    let one = scenario("mariadb-replica");
    one.sim.arrange().volumes.free = 0;
    given_up(&one, "nothing is free in the volume group 'lab'");
}

#[test]
fn an_extension_that_fails_is_tried_once() {
    let mut one = scenario("mariadb-replica");
    for store in one.plan.sources.iter_mut().filter_map(|source| source.store.as_mut()) {
        store.percent_stop = 99;
    }
    let (acts, ended) = filling(&one, &[(extension(&one), Blow::FailBefore)]);
    assert_eq!(ended, Ok(()), "what cannot be extended may still last: {acts:#?}");
    let tried = (told(&acts, "lvextend").len(), told(&acts, "NotExtended").len());
    assert_eq!(tried, (1, 1), "{acts:#?}");
}

#[test]
fn an_extension_that_does_not_end_keeps_the_ledger() {
    let one = scenario("mariadb-replica");
    let late = (extension(&one), Blow::Overdue(Late::End));
    let script = [(listening(&one), Blow::Event(Event::StoreFills)), late];
    let (acts, outcome, _) = backup(one.sim, &one.plan, &script);
    assert!(outcome.result.is_err() && !outcome.is_clean(), "lvm may still do it: {outcome:#?}");
    assert!(told(&acts, "lvremove").is_empty(), "lvm may be at that very volume: {acts:#?}");
}

#[test]
fn an_extension_that_dies_leaves_nobody_waiting() {
    let one = scenario("mariadb-replica");
    let (acts, ended) = filling(&one, &[(extension(&one), Blow::FailHalf)]);
    assert_eq!(ended, Err("copy: left suspended: 'lab-data': it failed".into()));
    let resumed = acts.iter().position(|act| act == "dmsetup resume lab-data");
    let settled = acts.iter().position(|act| act.starts_with("end the long command"));
    assert!(resumed.is_some() && resumed < settled, "{acts:#?}");
}

#[test]
fn an_extension_that_dies_with_us_is_let_go_by_the_recovery() {
    let one = scenario("mariadb-replica");
    let dies = (extension(&one), Blow::CrashHalf);
    let script = [(listening(&one), Blow::Event(Event::StoreFills)), dies];
    let mut host = Recorder::new(crashed(&one, &script));
    let all = recover::recover(&mut host, Path::new(STATE)).expect("it can look");
    assert!(all.iter().all(|one| one.end.is_clean()) && all.len() == 1, "{all:?}");
    let acts = host.acts.take();
    let at = |begin: &str| acts.iter().position(|act| act.starts_with(begin));
    let resumed = at("dmsetup resume lab-data");
    assert!(resumed.is_some() && resumed < at("lvremove"), "{acts:#?}");
}

#[test]
fn a_destination_that_goes_away_is_noticed() {
    let one = scenario("mariadb-replica");
    let gone = [(listening(&one), Blow::Event(Event::Unmounted))];
    let (_, outcome, _) = backup(one.sim, &one.plan, &gone);
    let told = outcome.result.as_ref().expect_err("it must fail").fault.to_string();
    let why = "the destination is not what it was: expected device 8:17 mounted at '/backup', \
               found nothing";
    assert_eq!(told, why);
    let left: Vec<_> = outcome.left.iter().map(|one| one.claim.to_string()).collect();
    assert_eq!(left, ["partial copy /backup/.20260921T130640Z-0000002a.partial"]);
}

#[test]
fn a_copy_that_fails_is_no_backup() {
    let one = scenario("mariadb-replica");
    let fails = [(listening(&one), Blow::Event(Event::CopyFails))];
    let failed = failure(backup(one.sim, &one.plan, &fails));
    assert_eq!(failed, "copy: rsync ended with status 24: some files vanished");
}
