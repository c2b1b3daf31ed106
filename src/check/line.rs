//! The one line of a plugin: `STATE - text | figures` (Monitoring Plugins, development guidelines).

use super::{Finding, Newest, Seen, State, worst};
use crate::config::CheckLimits;
use crate::units::Millis;

/// The longest text in front of the figures: NRPE's older versions cut at 1024 bytes.
const TEXT_CHARS_MAX: usize = 600;

/// The line, with its end.
pub fn line(findings: &[Finding], seen: &Seen, limits: &CheckLimits) -> String {
    let texts: Vec<&str> = findings.iter().map(|one| one.text.as_str()).collect();
    let text = plain(&texts.join("; "));
    let figures = seen.newest.as_ref().map(|newest| figures(newest, limits)).unwrap_or_default();
    format!("{} - {text}{figures}\n", worst(findings).word())
}

/// The line where nothing can be told.
pub fn unknown(why: &str) -> String {
    format!("{} - {}\n", State::Unknown.word(), plain(why))
}

/// On one line, and without the bar that begins the figures.
fn plain(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    if one_line.chars().count() <= TEXT_CHARS_MAX {
        return one_line;
    }
    one_line.chars().take(TEXT_CHARS_MAX).chain("...".chars()).collect()
}

fn figures(newest: &Newest, limits: &CheckLimits) -> String {
    let hours = |hours: u64| hours.saturating_mul(3600);
    let (warning, critical) = (hours(limits.age_warning_hours), hours(limits.age_critical_hours));
    let age = format!("age={}s;{warning};{critical};0", newest.age_s.max(0));
    let (Millis(warning), Millis(critical)) = (limits.locked_ms_warning, limits.locked_ms_critical);
    let locked = format!("locked={}ms;{warning};{critical};0", newest.locked_ms.0);
    let took = |Millis(ms)| format!("duration={}.{:03}s;;;0", ms / 1000, ms % 1000);
    let size = format!("size={}B;;;0", newest.bytes.0);
    let cow = |percent| format!("cow={percent}%;;;0;100");
    let all = [
        Some(age),
        Some(locked),
        newest.took_ms.map(took),
        Some(size),
        newest.cow_percent_max.map(cow),
    ];
    let known: Vec<String> = all.into_iter().flatten().collect();
    format!(" | {}", known.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    const LIMITS: CheckLimits = CheckLimits {
        age_warning_hours: 26,
        age_critical_hours: 50,
        locked_ms_warning: Millis(100),
        locked_ms_critical: Millis(1000),
    };

    #[test]
    fn the_line_is_one_line_and_its_figures_begin_with_the_only_bar() {
        let newest = Newest {
            name: "B".into(),
            age_s: 18_720,
            locked_ms: Millis(34),
            bytes: Bytes(123),
            took_ms: Some(Millis(120_500)),
            cow_percent_max: Some(12),
            verified_age_s: None,
        };
        let seen = Seen { newest: Some(newest), ..Seen::default() };
        let finding = |state, text: &str| Finding { state, text: text.into() };
        let found = [finding(State::Warning, "it | was\nodd"), finding(State::Ok, "fine")];
        assert_eq!(
            line(&found, &seen, &LIMITS),
            "WARNING - it / was odd; fine | age=18720s;93600;180000;0 locked=34ms;100;1000;0 \
             duration=120.500s;;;0 size=123B;;;0 cow=12%;;;0;100\n"
        );
        let none = [finding(State::Critical, "there is no backup")];
        let told = line(&none, &Seen::default(), &LIMITS);
        assert_eq!(told, "CRITICAL - there is no backup\n");
        assert_eq!(unknown("a\nb | c"), "UNKNOWN - a b / c\n");
        let long = unknown(&"ü".repeat(5_000));
        assert_eq!(long.chars().count(), "UNKNOWN - ...\n".len() + TEXT_CHARS_MAX);
    }
}
