//! Which backups are kept, which are removed, and why. Pure: names, times, states and rules in,
//! a verdict for each out.
//!
//! Only what is proven counts for a rule. What cannot be read, is not ours or from the future is
//! kept and told. Days, weeks (ISO 8601), months and years are those of UTC, as the names are: no
//! change of a clock to summer makes a day twice. `keep_within` counts from the newest proven
//! backup and not from now: where there are no new ones no old one goes.
//! Deliberately absent here: the machine; [`survey()`] looks, and [`prune`] acts.

mod follow;
mod remove;
mod survey;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::units::Hours;

pub use follow::after;
pub use remove::{Pruned, prune};
pub use survey::{Pruning, Unfinished, survey};

/// What is kept, each rule by itself: a backup stays if one of them keeps it. A rule that is absent
/// keeps nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// So many of the newest.
    pub last: Option<u32>,
    /// The last one of so many days that have one.
    pub daily: Option<u32>,
    /// The same of weeks.
    pub weekly: Option<u32>,
    /// The same of months.
    pub monthly: Option<u32>,
    /// The same of years.
    pub yearly: Option<u32>,
    /// Whatever is not older than the newest by more than this.
    pub within: Option<Hours>,
}

/// A directory of the destination that has a backup's name, or a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: State,
}

/// How a backup stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Published and readable; when its run began.
    Proven(Timestamp),
    /// Known to be damaged: it keeps nobody's place, and goes when it would have gone if it were
    /// whole.
    Damaged(Timestamp),
    /// It should be ours, and this speaks against touching it.
    Unclear(String),
    /// It is somebody else's, for this reason.
    NotOurs(String),
}

/// A backup and what is to become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Which.
    pub backup: Backup,
    /// What, and why.
    pub verdict: Verdict,
}

/// What is to become of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, for all of these reasons.
    Keep(Vec<Keep>),
    /// It goes, since every rule says so.
    Remove(Vec<Miss>),
}

/// Why a backup stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// No proven one is newer.
    Newest,
    /// This run has just made it.
    Made,
    /// It began later than it is now: a clock was wrong.
    Future(Timestamp),
    /// It is not touched, for this reason.
    LeftAlone(String),
    /// It is one of the newest.
    Last {
        /// The how many-th, from 1.
        at: usize,
        /// Of how many.
        of: u32,
    },
    /// It is the last one of its day, week, month or year.
    Period {
        /// Of which.
        period: Period,
        /// Its name.
        label: String,
        /// The how many-th, from 1.
        at: usize,
        /// Of how many.
        of: u32,
    },
    /// It is not older than the newest by more than this.
    Within(Hours),
}

/// Why a rule does not keep a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// So many are newer.
    Last(u32),
    /// Its day, week, month or year has a newer one.
    Newer(String),
    /// So many newer periods have one.
    Past(Period, u32),
    /// It is older than the newest by more than this.
    Within(Hours),
}

/// What a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Days.
    Day,
    /// Weeks, from Monday on.
    Week,
    /// Months.
    Month,
    /// Years.
    Year,
}

/// A backup that counts.
struct Counted<'a> {
    key: (Timestamp, &'a str),
    /// Of each period: its name, and how many there are from the newest one to it.
    periods: [(String, usize); Period::ALL.len()],
}

/// The verdicts, in the order of the backups. `made` is the run that has just published.
pub fn judge(all: &[Backup], rules: &Rules, now: Timestamp, made: Option<&str>) -> Vec<Verdict> {
    let counted = counted(all, now);
    all.iter().map(|one| verdict(one, &counted, rules, now, made)).collect()
}

/// The proven ones, newest first.
fn counted(all: &[Backup], now: Timestamp) -> Vec<Counted<'_>> {
    let mut keys: Vec<_> = all
        .iter()
        .filter_map(|one| match one.state {
            State::Proven(time) if time <= now => Some((time, one.name.as_str())),
            _ => None,
        })
        .collect();
    keys.sort_unstable();
    let mut counted: Vec<Counted<'_>> = Vec::with_capacity(keys.len());
    for key in keys.into_iter().rev() {
        let newer = counted.last().map(|one| &one.periods);
        let periods = Period::ALL.map(|period| {
            let label = period.label(key.0);
            let at = newer.map_or(1, |newer| {
                let (newer, at) = &newer[period as usize];
                at + usize::from(*newer != label)
            });
            (label, at)
        });
        counted.push(Counted { key, periods });
    }
    counted
}

fn verdict(
    one: &Backup,
    counted: &[Counted<'_>],
    rules: &Rules,
    now: Timestamp,
    made: Option<&str>,
) -> Verdict {
    let time = match &one.state {
        State::Proven(time) | State::Damaged(time) => *time,
        State::Unclear(why) | State::NotOurs(why) => {
            return Verdict::Keep(vec![Keep::LeftAlone(why.clone())]);
        }
    };
    if time > now {
        return Verdict::Keep(vec![Keep::Future(time)]);
    }
    let newer = counted.partition_point(|other| other.key > (time, one.name.as_str()));
    let newer = &counted[..newer];
    let mut kept = Vec::new();
    if newer.is_empty() && matches!(one.state, State::Proven(_)) {
        kept.push(Keep::Newest);
    }
    if made == Some(&one.name) {
        kept.push(Keep::Made);
    }
    let newest = counted.first().map_or(time, |newest| newest.key.0);
    let mut missed = Vec::new();
    for said in rules.ask(time, newer, newest) {
        match said {
            Ok(keep) => kept.push(keep),
            Err(miss) => missed.push(miss),
        }
    }
    if kept.is_empty() { Verdict::Remove(missed) } else { Verdict::Keep(kept) }
}

impl Rules {
    /// What each rule says of a backup of this time, with these newer ones that count.
    fn ask(
        &self,
        time: Timestamp,
        newer: &[Counted<'_>],
        newest: Timestamp,
    ) -> impl Iterator<Item = Result<Keep, Miss>> {
        let last = self.last.map(|of| match newer.len() {
            before if fits(before, of) => Ok(Keep::Last { at: before + 1, of }),
            _ => Err(Miss::Last(of)),
        });
        let counts = [self.daily, self.weekly, self.monthly, self.yearly];
        let periods = Period::ALL.into_iter().zip(counts);
        let periods = periods.filter_map(move |(period, of)| Some(period.ask(of?, time, newer)));
        let within = self.within.map(|hours| {
            let age = newest.as_second().saturating_sub(time.as_second());
            let kept = u64::try_from(age).is_ok_and(|age| age <= hours.0.saturating_mul(3_600));
            if kept || age < 0 { Ok(Keep::Within(hours)) } else { Err(Miss::Within(hours)) }
        });
        last.into_iter().chain(periods).chain(within)
    }
}

/// Whether there is room for one more behind so many.
fn fits(before: usize, of: u32) -> bool {
    u32::try_from(before).is_ok_and(|before| before < of)
}

impl Period {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    fn ask(self, of: u32, time: Timestamp, newer: &[Counted<'_>]) -> Result<Keep, Miss> {
        let label = self.label(time);
        let before = newer.last().map(|newer| &newer.periods[self as usize]);
        match before {
            Some((newer, _)) if *newer == label => Err(Miss::Newer(label)),
            Some((_, before)) if !fits(*before, of) => Err(Miss::Past(self, of)),
            before => {
                let at = before.map_or(0, |(_, before)| *before) + 1;
                Ok(Keep::Period { period: self, label, at, of })
            }
        }
    }

    /// The name of the one that a time falls into, in UTC.
    fn label(self, time: Timestamp) -> String {
        let date = time.to_zoned(TimeZone::UTC).date();
        let week = date.iso_week_date();
        match self {
            Self::Day => date.to_string(),
            Self::Week => format!("{}-W{:02}", week.year(), week.week()),
            Self::Month => format!("{}-{:02}", date.year(), date.month()),
            Self::Year => date.year().to_string(),
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Month => "months",
            Self::Year => "years",
        }
    }
}

impl Verdict {
    /// The reasons, each in words.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Keep(why) => why.iter().map(ToString::to_string).collect(),
            Self::Remove(why) => why.iter().map(ToString::to_string).collect(),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("the newest one that is whole"),
            Self::Made => f.write_str("this run made it"),
            Self::Future(time) => write!(f, "it is from the future ({time}): a clock was wrong"),
            Self::LeftAlone(why) => write!(f, "left alone: {why}"),
            Self::Last { at, of } => write!(f, "last {at} of {of}"),
            Self::Period { period, label, at, of } => {
                write!(f, "the last of {label}, {at} of {of} {}", period.plural())
            }
            Self::Within(hours) => write!(f, "within {hours} of the newest"),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last(of) => write!(f, "not of the last {of}"),
            Self::Newer(label) => write!(f, "{label} has a newer one"),
            Self::Past(period, of) => write!(f, "before the last {of} {}", period.plural()),
            Self::Within(hours) => write!(f, "not within {hours} of the newest"),
        }
    }
}
