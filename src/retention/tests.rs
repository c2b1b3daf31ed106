//! The rules on random histories, with clocks that jump back and forth, against properties and
//! against a second way of counting. More of them with `PROPTEST_CASES`.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Backup, Keep, Miss, Rules, State, Verdict, judge};
use crate::units::Hours;

/// How many histories each property is tried on, at least.
const HISTORIES: u32 = 2_000;
const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

#[derive(Clone, Debug)]
struct Case {
    all: Vec<Backup>,
    rules: Rules,
    now: Timestamp,
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What passes between two backups: a night, an hour, nothing, a holiday; or a clock is set.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => DAY - 5_000..DAY + 5_000,
        3 => 1..7_200_i64,
        1 => Just(0),
        2 => 0..40 * DAY,
        1 => -400 * DAY..0,
        1 => 0..20 * YEAR,
    ]
}

fn state(kind: u8, time: i64) -> State {
    match kind {
        0 => State::Unclear("damaged record".into()),
        1 => State::NotOurs("of another host".into()),
        2 | 3 => State::Damaged(second(time)),
        _ => State::Proven(second(time)),
    }
}

/// Names that are not in the order of the times.
fn backup(number: usize, kind: u8, time: i64) -> Backup {
    Backup { name: format!("{:06x}", number * 7_919_231 % 0xff_ffff), state: state(kind, time) }
}

fn history() -> impl Strategy<Value = Vec<Backup>> {
    let begin = 1_000_000_000..2_000_000_000_i64;
    (begin, vec((gap(), 0..14_u8), 0..40)).prop_map(|(mut time, steps)| {
        let steps = steps.into_iter().enumerate();
        steps
            .map(|(number, (gap, kind))| {
                time += gap;
                backup(number, kind, time)
            })
            .collect()
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let count = || option::of(1..6_u32);
    let within = option::of((1..3_000_u64).prop_map(Hours));
    (count(), count(), count(), count(), count(), within).prop_map(
        |(last, daily, weekly, monthly, yearly, within)| {
            let rules = Rules { last, daily, weekly, monthly, yearly, within };
            if rules == Rules::default() { Rules { last: Some(1), ..rules } } else { rules }
        },
    )
}

fn times(all: &[Backup]) -> impl Iterator<Item = Timestamp> {
    all.iter().filter_map(|one| match one.state {
        State::Proven(time) => Some(time),
        _ => None,
    })
}

/// Mostly it is just after the last one; or a clock was set meanwhile.
fn case() -> impl Strategy<Value = Case> {
    let ahead = prop_oneof![4 => 0..DAY, 1 => -10 * YEAR..0, 1 => 0..10 * YEAR];
    (history(), rules(), ahead).prop_map(|(all, rules, ahead)| {
        let last = times(&all).last().map_or(1_700_000_000, Timestamp::as_second);
        Case { all, rules, now: second(last + ahead) }
    })
}

fn always<T: std::fmt::Debug>(cases: impl Strategy<Value = T>, holds: impl Fn(&T)) {
    let count = Config::default().cases.max(HISTORIES);
    let config = Config { cases: count, failure_persistence: None, ..Config::default() };
    let found = TestRunner::new(config).run(&cases, |case| {
        holds(&case);
        Ok(())
    });
    if let Err(error) = found {
        panic!("{error}");
    }
}

impl Case {
    fn verdicts(&self) -> Vec<Verdict> {
        judge(&self.all, &self.rules, self.now, None)
    }

    fn removed(&self) -> BTreeSet<String> {
        let pairs = self.all.iter().zip(self.verdicts());
        let removed = pairs.filter(|(_, verdict)| matches!(verdict, Verdict::Remove(_)));
        removed.map(|(one, _)| one.name.clone()).collect()
    }

    fn pruned(&self) -> Self {
        let removed = self.removed();
        let all = self.all.iter().filter(|one| !removed.contains(&one.name)).cloned().collect();
        Self { all, ..self.clone() }
    }

    /// The proven ones that are not from the future, newest first.
    fn counted(&self) -> Vec<(Timestamp, &str)> {
        let proven = self.all.iter().filter_map(|one| match one.state {
            State::Proven(time) if time <= self.now => Some((time, one.name.as_str())),
            _ => None,
        });
        let mut proven: Vec<_> = proven.collect();
        proven.sort_unstable();
        proven.reverse();
        proven
    }

    /// What the rules keep of them, by going through them once a rule with a counter.
    fn kept_by_counting(&self) -> BTreeSet<&str> {
        let counted = self.counted();
        let mut kept: BTreeSet<&str> = counted.iter().take(1).map(|one| one.1).collect();
        let month = |time: Timestamp| {
            let date = time.to_zoned(TimeZone::UTC).date();
            i64::from(date.year()) * 12 + i64::from(date.month()) - 1
        };
        // The first of 1970 was a Thursday.
        let day = |time: Timestamp| time.as_second().div_euclid(DAY);
        let mut through = |of: Option<u32>, period: &dyn Fn(usize, Timestamp) -> i64| {
            let (mut left, mut last) = (of.unwrap_or(0), None);
            for (at, (time, name)) in counted.iter().enumerate() {
                let now = Some(period(at, *time));
                if left > 0 && now != last {
                    kept.insert(name);
                    left -= 1;
                }
                last = now;
            }
        };
        through(self.rules.last, &|at, _| i64::try_from(at).unwrap());
        through(self.rules.daily, &|_, time| day(time));
        through(self.rules.weekly, &|_, time| (day(time) + 3).div_euclid(7));
        through(self.rules.monthly, &|_, time| month(time));
        through(self.rules.yearly, &|_, time| month(time).div_euclid(12));
        if let Some(Hours(hours)) = self.rules.within {
            let newest = counted.first().map_or(0, |one| one.0.as_second());
            let oldest = newest - i64::try_from(hours).unwrap() * 3_600;
            kept.extend(counted.iter().filter(|one| one.0.as_second() >= oldest).map(|one| one.1));
        }
        kept
    }

    /// How many one more backup can push out: one a rule that counts.
    fn counts(&self) -> usize {
        let Rules { last, daily, weekly, monthly, yearly, .. } = self.rules;
        [last, daily, weekly, monthly, yearly].into_iter().flatten().count()
    }
}

#[test]
fn the_newest_that_is_whole_is_always_kept_and_so_is_what_nobody_can_judge() {
    always(case(), |case| {
        let newest = case.counted().first().map(|one| one.1.to_owned());
        for (one, verdict) in case.all.iter().zip(case.verdicts()) {
            let kept = matches!(verdict, Verdict::Keep(_));
            let future = |time| time > case.now;
            let must = match one.state {
                State::Unclear(_) | State::NotOurs(_) => true,
                State::Proven(time) | State::Damaged(time) if future(time) => true,
                State::Proven(_) => Some(&one.name) == newest.as_ref(),
                State::Damaged(_) => false,
            };
            assert!(kept || !must, "{one:?}");
            assert!(!verdict.reasons().is_empty(), "{one:?} without a reason");
        }
    });
}

#[test]
fn the_rules_keep_what_counting_keeps_and_nothing_else() {
    always(case(), |case| {
        let (kept, removed) = (case.kept_by_counting(), case.removed());
        for (_, name) in case.counted() {
            assert_eq!(kept.contains(name), !removed.contains(name), "{name}");
        }
    });
}

#[test]
fn pruning_twice_is_pruning_once() {
    always(case(), |case| assert_eq!(case.pruned().removed(), BTreeSet::new()));
}

#[test]
fn the_order_of_the_backups_is_irrelevant() {
    always(case(), |case| {
        let mut other = case.clone();
        other.all.reverse();
        assert_eq!(other.removed(), case.removed());
        other.all.sort_by(|one, two| one.name.cmp(&two.name));
        assert_eq!(other.removed(), case.removed());
    });
}

#[test]
fn one_more_backup_pushes_out_one_a_rule_at_most() {
    always((case(), gap(), 0..14_u8), |(case, gap, kind)| {
        let case = Case { rules: Rules { within: None, ..case.rules.clone() }, ..case.clone() };
        let mut more = case.clone();
        let last = times(&case.all).last().map_or(1_700_000_000, Timestamp::as_second);
        more.all.push(Backup { name: "one-more".into(), state: state(*kind, last + gap) });
        let (before, after) = (case.removed(), more.removed());
        // A damaged one counts for nobody, so that several of them can have the same place.
        let counted: BTreeSet<_> = case.counted().iter().map(|one| one.1.to_owned()).collect();
        let pushed = after.difference(&before).filter(|name| counted.contains(*name)).count();
        // Where there is no rule that counts, the newest one is kept for being that.
        assert!(pushed <= case.counts().max(1), "{pushed} pushed out");
    });
}

#[test]
fn a_damaged_one_takes_nobodys_place() {
    always(case(), |case| {
        let mut without = case.clone();
        without.all.retain(|one| !matches!(one.state, State::Damaged(_)));
        let removed = case.removed();
        let whole: BTreeSet<_> = without.all.iter().map(|one| one.name.clone()).collect();
        assert_eq!(
            removed.intersection(&whole).cloned().collect::<BTreeSet<_>>(),
            without.removed()
        );
    });
}

#[test]
fn a_clock_that_is_behind_removes_no_more() {
    always((case(), 0..30 * YEAR), |(case, back)| {
        let behind = Case { now: second(case.now.as_second() - back), ..case.clone() };
        assert!(behind.removed().is_subset(&case.removed()));
    });
}

/// A life of backups, each followed by a pruning, under a clock that jumps.
#[test]
fn whatever_the_clock_does_the_last_backup_is_there_and_the_rules_bound_the_rest() {
    always((vec((gap(), 0..14_u8), 1..40), rules()), |(steps, rules)| {
        let (mut time, mut all) = (1_700_000_000, Vec::new());
        for (number, (gap, kind)) in steps.iter().enumerate() {
            time += gap;
            let made = backup(number, 9, time);
            all.push(made.clone());
            let case = Case { all, rules: rules.clone(), now: second(time + 600) };
            let verdicts = judge(&case.all, rules, case.now, Some(&made.name));
            let kept = case.all.iter().zip(verdicts);
            let kept = kept.filter(|(_, verdict)| matches!(verdict, Verdict::Keep(_)));
            let kept: Vec<Backup> = kept.map(|(one, _)| one.clone()).collect();
            assert!(kept.contains(&made), "the new one is gone");
            let newest = case.counted().first().map(|one| one.1.to_owned());
            assert!(newest.is_none_or(|newest| kept.iter().any(|one| one.name == newest)));
            if rules.within.is_none() {
                let left = Case { all: kept.clone(), ..case.clone() }.counted().len();
                let Rules { last, daily, weekly, monthly, yearly, .. } = rules;
                let counts = [last, daily, weekly, monthly, yearly].into_iter().flatten();
                assert!(left <= counts.sum::<u32>() as usize + 1, "{left} are left");
            }
            all = kept;
            // Some of them are found damaged later.
            if let (2 | 3, Some(one)) = (kind, all.first_mut()) {
                one.state = State::Damaged(second(time));
            }
        }
    });
}

fn at(time: &str) -> Backup {
    Backup { name: time.into(), state: State::Proven(time.parse().unwrap()) }
}

#[test]
fn days_weeks_and_leap_days_are_those_of_utc() {
    let all: Vec<Backup> = [
        "2024-02-28T23:59:59Z",
        "2024-02-29T00:00:00Z",
        "2024-02-29T23:59:59Z",
        "2024-12-29T12:00:00Z",
        "2024-12-30T12:00:00Z",
        "2025-01-05T12:00:00Z",
    ]
    .map(at)
    .into();
    let now = "2025-01-06T00:00:00Z".parse().unwrap();
    let told = |rules: &Rules| {
        let verdicts = judge(&all, rules, now, None);
        verdicts.iter().map(|one| one.reasons().join("; ")).collect::<Vec<_>>()
    };
    let daily = told(&Rules { daily: Some(5), ..Rules::default() });
    assert_eq!(daily[0], "the last of 2024-02-28, 5 of 5 days");
    assert_eq!(daily[1], "2024-02-29 has a newer one");
    assert_eq!(daily[2], "the last of 2024-02-29, 4 of 5 days");
    let weekly = told(&Rules { weekly: Some(2), ..Rules::default() });
    assert_eq!(weekly[2], "before the last 2 weeks");
    assert_eq!(weekly[3], "the last of 2024-W52, 2 of 2 weeks");
    assert_eq!(weekly[4], "2025-W01 has a newer one");
    assert_eq!(weekly[5], "the newest one that is whole; the last of 2025-W01, 1 of 2 weeks");
}

#[test]
fn every_reason_is_told() {
    let all = [
        at("2026-09-01T03:00:00Z"),
        at("2026-09-20T03:00:00Z"),
        at("2026-09-21T03:00:00Z"),
        at("2031-01-01T00:00:00Z"),
    ];
    let rules = Rules { last: Some(1), within: Some(Hours(24)), ..Rules::default() };
    let now = "2026-09-21T04:00:00Z".parse().unwrap();
    let verdicts = judge(&all, &rules, now, Some("2026-09-01T03:00:00Z"));
    assert_eq!(verdicts[0], Verdict::Keep(vec![Keep::Made]));
    assert_eq!(verdicts[1], Verdict::Keep(vec![Keep::Within(Hours(24))]));
    let newest = [Keep::Newest, Keep::Last { at: 1, of: 1 }, Keep::Within(Hours(24))];
    assert_eq!(verdicts[2], Verdict::Keep(newest.into()));
    let told = "it is from the future (2031-01-01T00:00:00Z): a clock was wrong";
    assert_eq!(verdicts[3].reasons(), [told]);
    let without = judge(&all, &rules, now, None);
    assert_eq!(without[0], Verdict::Remove(vec![Miss::Last(1), Miss::Within(Hours(24))]));
}
