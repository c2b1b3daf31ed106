//! From what is typed to what is meant, of how a copy stands back, retention, hooks and monitoring.
//!
//! Deliberately absent: whether a hook's program is there; `hooks::check` looks at that.

use super::check::Check;
use super::{CheckLimits, Copy, Hook, Hooks, Monitoring, raw};
use crate::host::{Io, Priority};
use crate::retention::Rules;
use crate::units::{Bytes, Hours, Millis};

const COPY_MS_MAX: Millis = Millis(86_400_000);
const HOOK_SECONDS_MAX: u64 = 60;

/// What `holdstill check` goes by unless told otherwise: a nightly backup that came two hours late,
/// and two nights without one.
const LIMITS: CheckLimits = CheckLimits {
    age_warning_hours: 26,
    age_critical_hours: 50,
    locked_ms_warning: Millis(5_000),
    locked_ms_critical: Millis(20_000),
};

/// A year: a larger age is a slip of the unit.
const AGE_HOURS_MAX: u64 = 8_784;

/// The nice values that stand back.
const NICE: std::ops::RangeInclusive<i64> = 0..=19;

/// The levels of input and output.
const IO_LEVELS: std::ops::RangeInclusive<i64> = 0..=7;

/// The level where none is typed, which is the kernel's own.
const IO_LEVEL: u8 = 4;

/// The slowest copy that can be meant, in bytes a second; less is a slip of the unit.
const BANDWIDTH_MIN: Bytes = Bytes(64 << 10);

/// The most that a rule can keep; more is a slip, and no rule at all says "all".
const KEEP_MAX: u32 = 10_000;

/// The longest time to keep everything of, which is a hundred years.
const WITHIN_MAX: Hours = Hours(36_525 * 24);

/// What the collector reads.
const PROM: &str = ".prom";

impl Check<'_> {
    pub(super) fn copy(&mut self, raw: &raw::Copy) -> Copy {
        self.bandwidth("copy.bandwidth_max", raw.bandwidth_max);
        Copy {
            ms_max: self.limit("copy.ms_max", raw.ms_max, COPY_MS_MAX),
            priority: Priority { nice: self.nice(raw.nice), io: self.io(raw) },
            bandwidth_max: raw.bandwidth_max,
            unchanged: raw.unchanged.unwrap_or_default(),
        }
    }

    pub(super) fn bandwidth(&mut self, key: &str, given: Option<Bytes>) {
        if let Some(bandwidth) = given.filter(|bandwidth| *bandwidth < BANDWIDTH_MIN) {
            let what = format!("expected at least {BANDWIDTH_MIN} a second, found {bandwidth}");
            let hint =
                "It is a size, as in 'bandwidth_max = \"50MiB\"'; leave it out for no limit.";
            self.complain(key, what, hint);
        }
    }

    fn nice(&mut self, given: Option<i64>) -> Option<u8> {
        let nice = given?;
        if !NICE.contains(&nice) {
            let what = format!("expected 0 to 19, found {nice}");
            let hint = "A copy never goes before the server: 19 stands back most.";
            self.complain("copy.nice", what, hint);
        }
        u8::try_from(nice).ok()
    }

    fn io(&mut self, raw: &raw::Copy) -> Option<Io> {
        let level = self.io_level(raw.io_level);
        match (raw.io_class, raw.io_level) {
            (Some(raw::IoClass::BestEffort), _) => Some(Io::BestEffort(level)),
            (Some(raw::IoClass::Idle), None) => Some(Io::Idle),
            (None, None) => None,
            (Some(raw::IoClass::Idle) | None, Some(_)) => {
                let what = "'io_level' needs 'io_class = \"best-effort\"'";
                self.complain("copy.io_level", what, "Only that class has levels.");
                None
            }
        }
    }

    fn io_level(&mut self, given: Option<i64>) -> u8 {
        let Some(level) = given else { return IO_LEVEL };
        if !IO_LEVELS.contains(&level) {
            let what = format!("expected 0 to 7, found {level}");
            self.complain("copy.io_level", what, "Level 7 stands back most.");
        }
        u8::try_from(level).unwrap_or(IO_LEVEL)
    }

    /// A section without a key says nothing, and nothing is ever removed.
    pub(super) fn rules(&mut self, section: &str, raw: &raw::Retention) -> Option<Rules> {
        let within = format!("{section}.keep_within");
        let rules = Rules {
            last: self.keep(section, "keep_last", raw.keep_last),
            daily: self.keep(section, "keep_daily", raw.keep_daily),
            weekly: self.keep(section, "keep_weekly", raw.keep_weekly),
            monthly: self.keep(section, "keep_monthly", raw.keep_monthly),
            yearly: self.keep(section, "keep_yearly", raw.keep_yearly),
            within: raw.keep_within,
        };
        if let Some(hours) = rules.within.filter(|hours| !(Hours(1)..=WITHIN_MAX).contains(hours)) {
            let what = format!("expected '1h' to '{WITHIN_MAX}', found '{hours}'");
            let hint = "Leave it out where no age keeps a backup.";
            self.complain(&within, what, hint);
        }
        let counting = Rules { within: None, ..rules.clone() };
        if rules.within.is_some() && counting == Rules::default() {
            let what = "expected a rule that counts beside it, found none";
            let hint =
                "Add 'keep_last = 3': a backup under a clock that is ahead pushes out the others.";
            self.complain(&within, what, hint);
        }
        Some(rules).filter(|rules| *rules != Rules::default())
    }

    fn keep(&mut self, section: &str, key: &str, given: Option<u32>) -> Option<u32> {
        if let Some(count) = given.filter(|count| !(1..=KEEP_MAX).contains(count)) {
            let what = format!("expected 1 to {KEEP_MAX}, found {count}");
            let hint = "Leave a key out that is to keep nothing.";
            self.complain(&format!("{section}.{key}"), what, hint);
        }
        given
    }

    pub(super) fn hooks(&mut self, raw: raw::Hooks) -> Hooks {
        let seconds = self.seconds("hooks.seconds_max", raw.seconds_max, HOOK_SECONDS_MAX);
        Hooks {
            before: raw.before.and_then(|words| self.hook("hooks.before", words)),
            after: raw.after.and_then(|words| self.hook("hooks.after", words)),
            on_failure: raw.on_failure.and_then(|words| self.hook("hooks.on_failure", words)),
            ms_max: Millis(seconds.saturating_mul(1000)),
        }
    }

    fn hook(&mut self, key: &str, mut words: Vec<String>) -> Option<Hook> {
        if words.is_empty() {
            let hint = "Write, for example: on_failure = [\"/usr/local/sbin/tell\", \"dba\"].";
            self.complain(key, "expected a program and its arguments, found nothing", hint);
            return None;
        }
        if words.iter().any(|word| word.contains('\0')) {
            self.complain(key, "no argument can have a zero byte in it", "Leave it out.");
        }
        let args = words.split_off(1);
        let program = words.first().map(|program| self.path(key, program))?;
        Some(Hook { program, args })
    }

    pub(super) fn monitoring(&mut self, raw: &raw::Monitoring) -> Monitoring {
        let textfile = raw.textfile.as_ref().map(|path| self.path("monitoring.textfile", path));
        if raw.textfile.as_ref().is_some_and(|path| !path.ends_with(PROM)) {
            let what = format!("expected a file whose name ends with '{PROM}'");
            let hint = "node_exporter reads no other file of --collector.textfile.directory.";
            self.complain("monitoring.textfile", what, hint);
        }
        let limits = CheckLimits {
            age_warning_hours: raw.age_warning_hours.unwrap_or(LIMITS.age_warning_hours),
            age_critical_hours: raw.age_critical_hours.unwrap_or(LIMITS.age_critical_hours),
            locked_ms_warning: raw.locked_ms_warning.unwrap_or(LIMITS.locked_ms_warning),
            locked_ms_critical: raw.locked_ms_critical.unwrap_or(LIMITS.locked_ms_critical),
        };
        for (name, what) in complain_of_limits(&limits) {
            let hint = "What is critical comes after what is a warning.";
            self.complain(&format!("monitoring.{name}"), what, hint);
        }
        Monitoring { textfile, limits }
    }
}

/// What is wrong with limits, each with the key that is: they come from the command line, too.
pub(crate) fn complain_of_limits(limits: &CheckLimits) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let ages = [
        ("age_warning_hours", limits.age_warning_hours),
        ("age_critical_hours", limits.age_critical_hours),
    ];
    for (name, hours) in ages.into_iter().filter(|(_, hours)| !(1..=AGE_HOURS_MAX).contains(hours))
    {
        wrong.push((name, format!("expected 1 to {AGE_HOURS_MAX} hours, found {hours}")));
    }
    let CheckLimits { age_warning_hours, age_critical_hours, .. } = limits;
    if age_critical_hours < age_warning_hours {
        let what = format!(
            "expected at least 'age_warning_hours' ({age_warning_hours}), found {age_critical_hours}"
        );
        wrong.push(("age_critical_hours", what));
    }
    let (warning, critical) = (limits.locked_ms_warning, limits.locked_ms_critical);
    if critical < warning {
        let what = format!("expected at least 'locked_ms_warning' ({warning}), found {critical}");
        wrong.push(("locked_ms_critical", what));
    }
    wrong
}
