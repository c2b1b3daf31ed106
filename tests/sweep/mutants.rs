//! The sweep is itself tested: every wrong design that was once found must be caught by it, with no
//! more than two faults, and by the invariant that it breaks.

use holdstill::host::sim::Rule;
use holdstill::wrong::{self, Wrong};

use super::explore::{Caught, Delays, Sweep};
use crate::common::scenarios;

/// How many faults it takes, and which invariant is broken first.
fn expected(design: Wrong) -> (usize, Rule) {
    match design {
        Wrong::UndoInActionOrder => (0, Rule::Frozen),
        Wrong::ClaimSavedAfterItsAct => (1, Rule::Clean),
        Wrong::UndoByName => (0, Rule::Foreign),
        // A good run has let go of everything but its directory when it comes to settle: one that
        // fails shows it.
        Wrong::EarlierUndosSkipped => (0, Rule::LetGo),
        Wrong::FailedActNotUndone => (0, Rule::Told),
        Wrong::PublishBeforeCopy => (0, Rule::Complete),
        Wrong::SettleStopsAtTheFirstError
        | Wrong::CommitErrorTakenAsNo
        | Wrong::OverdueForgotten => (1, Rule::Told),
        Wrong::ThawNotABarrier => (1, Rule::Writable),
        Wrong::UnlockWithoutLastResort => (1, Rule::LetGo),
        Wrong::NoLock | Wrong::LockDroppedBeforeSuspend | Wrong::UnlockAtLoad => (0, Rule::Lock),
        Wrong::AnyTransaction | Wrong::OrderNotHeld => (1, Rule::Lock),
        Wrong::LogsLeftInMemory => (0, Rule::Logs),
        Wrong::StillnessAssumed => (1, Rule::Coordinates),
        Wrong::ReceiverPosition => (0, Rule::Coordinates),
    }
}

/// Sweeps with ever more faults until something is caught.
fn first_caught(faults_max: usize) -> Option<(usize, Caught)> {
    (0..=faults_max).find_map(|faults| Some((faults, caught_by(faults)?)))
}

fn caught_by(faults: usize) -> Option<Caught> {
    scenarios().into_iter().find_map(|scenario| {
        let mut sweep = Sweep::new(scenario, Delays::Extremes);
        sweep.all(faults);
        sweep.caught.into_iter().next()
    })
}

#[test]
fn every_wrong_design_is_caught() {
    let mut wrongly = Vec::new();
    for design in Wrong::ALL {
        let expected = expected(design);
        wrong::choose(Some(design));
        let found = first_caught(2);
        wrong::choose(None);
        println!("{}: {}", design.name(), found.as_ref().map_or("-".into(), told));
        if found.map(|(faults, caught)| (faults, caught.breach.rule)) != Some(expected) {
            wrongly.push(format!("{}: expected {expected:?}", design.name()));
        }
    }
    assert!(wrongly.is_empty(), "{wrongly:#?}");
}

fn told((faults, caught): &(usize, Caught)) -> String {
    format!("{faults} fault(s): {caught}")
}

#[test]
fn the_right_design_is_not_caught() {
    assert_eq!(first_caught(1).map(|found| told(&found)), None);
}
