//! What is well and what is not: the whole table of rules, pure.
//!
//! Deliberately absent: an all-clear for what is not known. Without a backup that can be read there
//! is none.

use super::{Last, Leftover, Newest, PlaceSeen, Seen, With};
use crate::config::CheckLimits;

/// How grave it is; the numbers are Nagios' exit codes, the order is not theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// 0.
    Ok,
    /// 3: it cannot be told.
    Unknown,
    /// 1.
    Warning,
    /// 2.
    Critical,
}

/// One thing that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave it is.
    pub state: State,
    /// What it is.
    pub text: String,
}

impl State {
    /// The exit code.
    pub fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The word that begins the line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// A clock may be a little ahead of another.
const AHEAD_S_MAX: i64 = 300;

/// Judges what was seen; at least one finding, the gravest first.
pub fn judge(seen: &Seen, limits: &CheckLimits) -> Vec<Finding> {
    let mut all = Vec::new();
    all.push(newest(seen.newest.as_ref(), limits));
    all.extend(seen.newest.as_ref().map(|newest| locked(newest, limits)));
    all.extend(
        seen.unreadable
            .iter()
            .map(|one| finding(State::Warning, format!("a newer backup cannot be read: {one}"))),
    );
    let warning = |text: String| finding(State::Warning, text);
    let newer = |one| finding(State::Critical, format!("a newer backup is damaged: {one}"));
    all.extend(seen.damaged.iter().map(newer));
    let older = |one| warning(format!("an older backup is damaged: {one}"));
    all.extend(seen.damaged_before.iter().map(older));
    all.extend(seen.newest.as_ref().and_then(verified));
    let unknown = |why| warning(format!("what is known of a backup cannot be read: {why}"));
    all.extend(seen.unknown.iter().map(unknown));
    all.extend(seen.last.as_ref().map(last));
    all.extend(damaged(&seen.damaged_outcomes));
    all.extend(seen.leftovers.iter().map(leftover));
    all.extend(seen.places.iter().flat_map(|one| place(one, seen.newest.is_some(), limits)));
    all.extend(seen.alive.iter().map(|one| finding(State::Ok, format!("alive: {one}"))));
    all.sort_by_key(|one| std::cmp::Reverse(one.state));
    all
}

/// The gravest state among findings.
pub fn worst(findings: &[Finding]) -> State {
    findings.iter().map(|one| one.state).max().unwrap_or(State::Unknown)
}

fn finding(state: State, text: impl Into<String>) -> Finding {
    Finding { state, text: text.into() }
}

fn newest(newest: Option<&Newest>, limits: &CheckLimits) -> Finding {
    let Some(Newest { name, age_s, .. }) = newest else {
        return finding(State::Critical, "there is no backup");
    };
    if *age_s < -AHEAD_S_MAX {
        return finding(State::Warning, format!("backup {name} is from the future"));
    }
    let hours = |hours: u64| i64::try_from(hours.saturating_mul(3600)).unwrap_or(i64::MAX);
    let text = format!("backup {name} is {} old", age(*age_s));
    match *age_s {
        age if age > hours(limits.age_critical_hours) => finding(State::Critical, text),
        age if age > hours(limits.age_warning_hours) => finding(State::Warning, text),
        _ => finding(State::Ok, text),
    }
}

fn age(seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    match minutes / 60 {
        0 => format!("{minutes} min"),
        hours @ 1..=99 => format!("{hours} h {} min", minutes % 60),
        hours => format!("{} days", hours / 24),
    }
}

/// As old as a backup at home may be; a push that failed since is a warning, however young it is.
fn place(seen: &PlaceSeen, any: bool, limits: &CheckLimits) -> Vec<Finding> {
    let PlaceSeen { name, age_s, failed, damaged } = seen;
    let hours = |hours: u64| i64::try_from(hours.saturating_mul(3600)).unwrap_or(i64::MAX);
    let text = |old: i64| format!("the newest backup at '{name}' is {} old", age(old));
    let mut all = Vec::new();
    match *age_s {
        Some(old) if old > hours(limits.age_critical_hours) => {
            all.push(finding(State::Critical, text(old)));
        }
        Some(old) if old > hours(limits.age_warning_hours) => {
            all.push(finding(State::Warning, text(old)));
        }
        Some(old) => all.push(finding(State::Ok, text(old))),
        None if any && failed.is_none() => {
            all.push(finding(State::Warning, format!("no backup was ever pushed to '{name}'")));
        }
        None => {}
    }
    let failed = failed.as_ref().map(|why| format!("the last push to '{name}' failed: {why}"));
    all.extend(failed.map(|text| finding(State::Warning, text)));
    let damaged = damaged.iter().map(|run| format!("the backup {run} at '{name}' is damaged"));
    all.extend(damaged.map(|text| finding(State::Warning, text)));
    all
}

fn locked(newest: &Newest, limits: &CheckLimits) -> Finding {
    let text = format!("writes were stopped for {}", newest.locked_ms);
    match newest.locked_ms {
        ms if ms > limits.locked_ms_critical => finding(State::Critical, text),
        ms if ms > limits.locked_ms_warning => finding(State::Warning, text),
        _ => finding(State::Ok, text),
    }
}

fn verified(newest: &Newest) -> Option<Finding> {
    let text = format!("it was read whole {} ago", age(newest.verified_age_s?));
    Some(finding(State::Ok, text))
}

fn damaged(outcomes: &[String]) -> Option<Finding> {
    let text = match outcomes {
        [] => return None,
        [one] => format!("the outcome of a run cannot be read: {one}"),
        [first, ..] => {
            format!("{} outcomes of runs cannot be read, the first: {first}", outcomes.len())
        }
    };
    Some(finding(State::Warning, text))
}

/// Settling takes seconds, so whoever is told of one twice should look at it: it is never an
/// all-clear.
fn leftover(Leftover { run, age_s, with }: &Leftover) -> Finding {
    let began = age_s.map_or_else(String::new, |age_s| format!(", begun {} ago,", age(age_s)));
    let what = format!("run {run}{began} died or left something");
    match with {
        With::Nobody => finding(State::Critical, format!("{what}: run 'holdstill recover'")),
        With::Settler => finding(State::Warning, format!("{what} and is being settled")),
    }
}

/// By the exit codes of a run (`error::Code`): as long as the newest backup is young enough, a run
/// without one is a warning; what was unexpected or is left is not. One that died is settled by
/// now, or its ledger would tell of it.
fn last(Last { run, exit, fault }: &Last) -> Finding {
    let why = fault.as_ref().map_or_else(String::new, |fault| format!(": {fault}"));
    let (state, how) = match exit {
        None => (State::Warning, "has told no end"),
        Some(0) => (State::Ok, "was clean"),
        Some(5) => (State::Warning, "published, and left something"),
        Some(2) => (State::Warning, "could not read its configuration"),
        Some(3) => (State::Warning, "was refused"),
        Some(4) => (State::Warning, "failed and was rolled back"),
        Some(75) => (State::Warning, "found another one alive"),
        Some(129 | 130 | 143) => (State::Warning, "was interrupted"),
        Some(8) => (State::Critical, "published a backup that its drill did not prove"),
        Some(6) => (State::Critical, "failed, and left something"),
        Some(_) => (State::Critical, "ended unexpectedly"),
    };
    finding(state, format!("the last run, {run}, {how}{why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Bytes, Millis};

    const LIMITS: CheckLimits = CheckLimits {
        age_warning_hours: 26,
        age_critical_hours: 50,
        locked_ms_warning: Millis(100),
        locked_ms_critical: Millis(1000),
    };
    const HOUR: i64 = 3600;

    fn seen(age_s: i64, locked_ms: u64, exit: u8) -> Seen {
        let newest = Newest {
            name: "B".into(),
            age_s,
            locked_ms: Millis(locked_ms),
            bytes: Bytes(1),
            took_ms: None,
            cow_percent_max: None,
            verified_age_s: None,
        };
        let fault = (exit != 0).then(|| "why".into());
        let last = Last { run: "R".into(), exit: Some(exit), fault };
        Seen { newest: Some(newest), last: Some(last), ..Seen::default() }
    }

    fn check(seen: &Seen, state: State, words: &str) {
        let found = judge(seen, &LIMITS);
        assert_eq!((worst(&found), found[0].text.as_str()), (state, words), "{seen:?}");
    }

    #[test]
    fn the_age_of_the_newest_backup() {
        let of = |age_s| seen(age_s, 5, 0);
        check(&of(0), State::Ok, "backup B is 0 min old");
        check(&of(-AHEAD_S_MAX), State::Ok, "backup B is 0 min old");
        check(&of(-AHEAD_S_MAX - 1), State::Warning, "backup B is from the future");
        check(&of(26 * HOUR), State::Ok, "backup B is 26 h 0 min old");
        check(&of(26 * HOUR + 1), State::Warning, "backup B is 26 h 0 min old");
        check(&of(50 * HOUR), State::Warning, "backup B is 50 h 0 min old");
        check(&of(50 * HOUR + 1), State::Critical, "backup B is 50 h 0 min old");
        check(&of(i64::MAX), State::Critical, "backup B is 106751991167300 days old");
        check(&Seen::default(), State::Critical, "there is no backup");
    }

    #[test]
    fn how_long_writes_were_stopped() {
        let rows = [(100, State::Ok), (101, State::Warning), (1000, State::Warning)];
        for (ms, state) in rows.into_iter().chain([(1001, State::Critical)]) {
            let found = judge(&seen(0, ms, 0), &LIMITS);
            assert_eq!(worst(&found), state, "{ms}");
        }
        check(&seen(0, 1001, 0), State::Critical, "writes were stopped for 1001 ms");
    }

    #[test]
    fn how_the_last_run_ended() {
        check(
            &seen(0, 5, 5),
            State::Warning,
            "the last run, R, published, and left something: why",
        );
        check(&seen(0, 5, 4), State::Warning, "the last run, R, failed and was rolled back: why");
        check(&seen(0, 5, 6), State::Critical, "the last run, R, failed, and left something: why");
        check(&seen(0, 5, 1), State::Critical, "the last run, R, ended unexpectedly: why");
        for exit in 0..=255 {
            let state = worst(&judge(&seen(0, 5, exit), &LIMITS));
            let expected = match exit {
                0 => State::Ok,
                2..=5 | 75 | 129 | 130 | 143 => State::Warning,
                _ => State::Critical,
            };
            assert_eq!(state, expected, "exit {exit}");
        }
        let died = Last { run: "R".into(), exit: None, fault: Some("it died".into()) };
        let died = Seen { last: Some(died), ..seen(0, 5, 0) };
        check(&died, State::Warning, "the last run, R, has told no end: it died");
        let unknown = Seen { last: None, ..seen(0, 5, 0) };
        check(&unknown, State::Ok, "backup B is 0 min old");
    }

    #[test]
    fn what_is_left_and_what_cannot_be_read() {
        let left = |age_s, with| Leftover { run: "D".into(), age_s, with };
        let left = |age_s, with| Seen { leftovers: vec![left(age_s, with)], ..seen(0, 5, 0) };
        let told = "run D died or left something: run 'holdstill recover'";
        check(&left(None, With::Nobody), State::Critical, told);
        let told = "run D, begun 5 h 0 min ago, died or left something and is being settled";
        check(&left(Some(5 * HOUR), With::Settler), State::Warning, told);
        let alive = Seen { alive: Some("run A, process 7".into()), ..seen(0, 5, 0) };
        check(&alive, State::Ok, "backup B is 0 min old");
        let torn = Seen { unreadable: vec!["C: cut".into()], ..seen(0, 5, 0) };
        check(&torn, State::Warning, "a newer backup cannot be read: C: cut");
        let rotten = Seen { damaged: vec!["C: 't.ibd' changed".into()], ..seen(0, 5, 0) };
        check(&rotten, State::Critical, "a newer backup is damaged: C: 't.ibd' changed");
        let before = Seen { damaged_before: vec!["A: cut".into()], ..seen(0, 5, 0) };
        check(&before, State::Warning, "an older backup is damaged: A: cut");
        let unknown = Seen { unknown: vec!["'C.json': cut".into()], ..seen(0, 5, 0) };
        let told = "what is known of a backup cannot be read: 'C.json': cut";
        check(&unknown, State::Warning, told);
        let all_rotten = Seen { newest: None, ..rotten };
        check(&all_rotten, State::Critical, "there is no backup");
        let damaged = |which: &[&str]| {
            let damaged_outcomes = which.iter().map(ToString::to_string).collect();
            Seen { damaged_outcomes, ..seen(0, 5, 0) }
        };
        let told = "the outcome of a run cannot be read: 'a': cut";
        check(&damaged(&["'a': cut"]), State::Warning, told);
        let told = "2 outcomes of runs cannot be read, the first: 'a': cut";
        check(&damaged(&["'a': cut", "'b': cut"]), State::Warning, told);
    }

    #[test]
    fn a_place_elsewhere_is_as_old_as_a_backup_may_be_and_no_push_fails_unseen() {
        let at = |age_s, failed: Option<&str>| {
            let (name, failed) = ("v".into(), failed.map(Into::into));
            let place = PlaceSeen { name, age_s, failed, damaged: Vec::new() };
            Seen { places: vec![place], ..seen(0, 5, 0) }
        };
        let mut rotten = at(Some(0), None);
        rotten.places[0].damaged.push("A".into());
        check(&rotten, State::Warning, "the backup A at 'v' is damaged");
        check(&at(Some(26 * HOUR), None), State::Ok, "backup B is 0 min old");
        let told = "the newest backup at 'v' is 26 h 0 min old";
        check(&at(Some(26 * HOUR + 1), None), State::Warning, told);
        let told = "the newest backup at 'v' is 50 h 0 min old";
        check(&at(Some(50 * HOUR + 1), None), State::Critical, told);
        check(&at(None, None), State::Warning, "no backup was ever pushed to 'v'");
        let told = "the last push to 'v' failed: B: no route";
        check(&at(Some(0), Some("B: no route")), State::Warning, told);
        check(&at(None, Some("B: no route")), State::Warning, told);
    }

    #[test]
    fn no_findings_are_no_all_clear() {
        assert_eq!(worst(&[]), State::Unknown);
        let numbers = [State::Ok, State::Warning, State::Critical, State::Unknown];
        assert_eq!(numbers.map(State::number), [0, 1, 2, 3]);
    }
}
