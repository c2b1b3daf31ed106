//! The sweep: the real engine on the simulated machine, with something going wrong at every call.

mod check;
mod explore;
mod mutants;
mod process;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use explore::{Caught, Delays, Sweep};

use crate::common::{Scenario, scenarios};

/// How many broken invariants are shown; the first ones say it.
const SHOWN_MAX: usize = 12;

/// Where three faults are tried: the scenario whose window holds the most, or it would take hours.
const DEEP: [&str; 1] = ["mariadb-replica-explicit-freeze"];

/// Where one fault has to do: each differs from another scenario in no more than one step.
const SHALLOW: [&str; 4] =
    ["whole-command", "untraceable", "long-statement-is-waited-for", "thin-whole"];

/// The scenarios that are swept with so many faults.
fn swept(faults: usize) -> Vec<Scenario> {
    let chosen = |one: &Scenario| match faults {
        0 | 1 => true,
        2 => !SHALLOW.contains(&one.name),
        _ => DEEP.contains(&one.name),
    };
    scenarios().into_iter().filter(chosen).collect()
}

/// Sweeps scenarios with up to `faults` faults, on all processors.
fn sweep(faults: usize, delays: Delays) -> (u64, Vec<Caught>) {
    let sums = Mutex::new((0, Vec::new()));
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(faults, delays, &next, &sums));
        }
    });
    sums.into_inner().expect("no thread panicked")
}

/// One thread's share: every scenario that no other thread has taken. A scenario is not divided, so
/// what the sweep leaves out as seen before does not depend on the number of threads.
fn work(faults: usize, delays: Delays, next: &AtomicUsize, sums: &Mutex<(u64, Vec<Caught>)>) {
    while let Some(scenario) = swept(faults).into_iter().nth(next.fetch_add(1, Ordering::Relaxed)) {
        let mut sweep = Sweep::new(scenario, delays);
        sweep.all(faults);
        let mut sums = sums.lock().expect("no thread panicked");
        sums.0 += sweep.runs;
        sums.1.append(&mut sweep.caught);
    }
}

/// Nothing is caught, and the sweep was not empty.
fn assert_sound(faults: usize, delays: Delays, runs_min: u64) {
    let start = Instant::now();
    let (runs, caught) = sweep(faults, delays);
    let mut kinds = std::collections::BTreeMap::new();
    for one in &caught {
        kinds.entry(one.breach.to_string()).or_insert((0, one)).0 += 1;
    }
    let shown: Vec<_> =
        kinds.values().take(SHOWN_MAX).map(|(n, one)| format!("{n} times {one}")).collect();
    println!("{faults} fault(s), {delays:?}: {runs} runs in {:.1?}", start.elapsed());
    assert!(caught.is_empty(), "{} caught:\n{}", caught.len(), shown.join("\n"));
    assert!(runs >= runs_min, "expected at least {runs_min} runs, made {runs}");
}

#[test]
fn one_fault_anywhere_at_any_delay() {
    assert_sound(1, Delays::All, 1_000);
}

#[test]
fn two_faults_anywhere() {
    assert_sound(2, Delays::Extremes, 100_000);
}

#[test]
fn three_faults_anywhere_where_asked_for() {
    if std::env::var("HOLDSTILL_SWEEP").is_ok_and(|faults| faults == "3") {
        assert_sound(3, Delays::Extremes, 100_000);
    }
}
