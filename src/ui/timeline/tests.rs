//! The drawing at several widths, of windows of every kind, as it must look.

use super::*;
use crate::units::Millis;

const MS: u64 = 1_000_000;

fn point(let_go_ns: u64, suspended_ns: Option<u64>, resumed_ns: u64) -> PointTimes {
    let volume = "lab/data".into();
    PointTimes {
        volume,
        let_go_ns,
        seen_ns: let_go_ns,
        suspended_ns,
        resumed_ns,
        transactions: None,
    }
}

fn times(points: Vec<PointTimes>) -> WindowTimes {
    let proof = Proof {
        asked_ns: Some(1_000 * MS),
        granted_ns: Some(1_012 * MS + 400_000),
        points,
        proven_ns: Some(1_064 * MS),
        unlocked_ns: Some(1_066 * MS + 250_000),
        unmoved: None,
    };
    let kind = WindowTimes { lock: "backup-stage", when: "late", tries: 1, ..Default::default() };
    WindowTimes { proof, ..kind }.measured()
}

fn seen() -> WindowTimes {
    times(vec![point(1_020 * MS, Some(1_032 * MS + 500_000), 1_063 * MS + 100_000)])
}

/// The drawing, which is never wider than it may be.
fn drawn(times: &WindowTimes, columns: usize) -> String {
    let drawn = draw(times, columns);
    let widest = drawn.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(columns), "{widest:?} columns instead of {columns}:\n{drawn}");
    assert!(drawn.lines().all(|line| line.trim_end() == line), "spaces at an end:\n{drawn}");
    drawn
}

#[test]
fn at_80_columns() {
    let wanted = "\
held still: waited 12 ms, locked 53 ms, suspended 30 ms (backup-stage, late)
  lock asked     granted       suspended           live again proven unlocked
  |..............|-------------|###################|----------|------|
  0              12.4          32.5                63.1       64.0   66.2 ms
  . waits, - locked, # suspended (not to scale)
";
    assert_eq!(drawn(&seen(), 80), wanted);
}

#[test]
fn a_wide_terminal_is_not_filled() {
    let wide = drawn(&seen(), 132);
    assert_eq!(wide, drawn(&seen(), 100));
    assert!(wide.lines().any(|line| line.chars().count() > 90), "{wide}");
}

#[test]
fn a_narrow_terminal_has_a_list() {
    let wanted = "\
held still: waited 12 ms, locked 53 ms,
suspended 30 ms (backup-stage, late)
        0 ms lock asked
     12.4 ms granted
     32.5 ms suspended
     63.1 ms live again
     64.0 ms proven
     66.2 ms unlocked
";
    assert_eq!(drawn(&seen(), 40), wanted);
}

#[test]
fn every_width_is_kept() {
    let none = times(Vec::new());
    (24..140).for_each(|columns| {
        drawn(&seen(), columns);
        drawn(&none, columns);
    });
}

#[test]
fn a_suspend_that_no_look_fell_into_lies_between_two_moments() {
    let unseen = times(vec![point(1_020 * MS, None, 1_063 * MS)]);
    let drawn = drawn(&unseen, 80);
    assert!(drawn.starts_with("held still: waited 12 ms, locked 53 ms (backup"));
    assert!(drawn.contains(" let go ") && !drawn.contains(" suspended  "), "{drawn}");
    assert!(drawn.contains("|~~~~") && drawn.contains("~ suspended in here"), "{drawn}");
}

#[test]
fn of_two_volumes_the_first_suspend_and_the_last_that_is_live_again() {
    let first = point(1_020 * MS, Some(1_030 * MS), 1_040 * MS);
    let second = point(1_041 * MS, Some(1_050 * MS), 1_063 * MS);
    let drawn = drawn(&times(vec![first, second]), 80);
    assert!(drawn.contains(" 30.0 ") && drawn.contains(" 63.0 "), "{drawn}");
    assert!(!drawn.contains("40.0") && !drawn.contains("50.0"), "{drawn}");
}

#[test]
fn several_tries_are_told_and_so_is_a_lock_that_came_first() {
    let again = WindowTimes { tries: 3, when: "late, then first", ..seen() };
    let drawn = drawn(&again, 80).replace('\n', " ");
    assert!(drawn.contains("(backup-stage, late, then first, the last of 3 tries)"), "{drawn}");
}

#[test]
fn a_window_without_a_lock() {
    let proof = Proof {
        points: vec![point(5 * MS, Some(7 * MS), 2_305 * MS)],
        unmoved: Some(true),
        ..Proof::default()
    };
    let kind = WindowTimes { lock: "none", when: "first", tries: 1, ..Default::default() };
    let none = WindowTimes { proof, ..kind }.measured();
    assert_eq!(none.waited_ms, Millis(0));
    let wanted = "\
held still: nothing was locked, suspended 2298 ms (none, first)
  suspended                                             live again
  |#####################################################|
  0                                                     2298 ms
  # suspended (not to scale)
";
    assert_eq!(drawn(&none, 66), wanted);
}

#[test]
fn a_window_of_which_nothing_is_known_has_no_drawing() {
    let nothing = WindowTimes { lock: "none", when: "first", ..Default::default() };
    assert_eq!(drawn(&nothing, 80), "held still: nothing was locked (none, first)\n");
}
