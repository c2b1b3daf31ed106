//! The backups for people, as a table and one by one, and as JSON for programs. Pure: data in, text
//! out.

mod json;
mod list;
mod show;

use jiff::Timestamp;

use crate::catalog::{Catalog, State};
use crate::units::Millis;

pub use json::{Listed, Shown, list as list_json, show as show_json};
pub use list::list;
pub use show::show;

/// How long ago in the largest unit that says it well: `95 min`, `47 h`, `12 d` of 24 hours.
pub(crate) fn lasting(Millis(ms): Millis) -> String {
    let minutes = ms / 60_000;
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

/// How long ago something was.
pub(crate) fn ago(catalog: &Catalog, time: Timestamp) -> String {
    catalog.age(time).map_or_else(|| "to come".into(), |ms| format!("{} ago", lasting(ms)))
}

/// How a backup stands, and since when that is known.
pub(crate) fn state(catalog: &Catalog, state: &State) -> String {
    let since = state.since().map(|at| format!(" {}", ago(catalog, at)));
    format!("{}{}", state.word(), since.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_one_unit() {
        let told = |minutes: u64| lasting(Millis(minutes * 60_000));
        assert_eq!(
            [0, 119, 120, 2_879, 2_880].map(told),
            ["0 min", "119 min", "2 h", "47 h", "2 d"]
        );
    }
}
