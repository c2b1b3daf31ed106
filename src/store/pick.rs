//! Which backup is meant by what somebody typed. Pure: names in, one of them out.

use std::cmp::Reverse;
use std::path::Path;

/// How many names that are near a hint tells.
const NEAR_MAX: usize = 3;

/// How many names with the same beginning a hint tells.
const SAME_MAX: usize = 5;

/// Why no backup is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// There is none at all.
    Any,
    /// None has this name, or begins so; these are near.
    Unknown(String, Vec<String>),
    /// These begin so.
    Several(String, Vec<String>),
}

/// The one name that is meant: by all of it, or by a beginning that only one has.
pub fn pick(names: impl IntoIterator<Item = String>, wanted: &str) -> Result<String, Missing> {
    let mut names: Vec<String> = names.into_iter().collect();
    if names.iter().any(|name| name == wanted) {
        return Ok(wanted.into());
    }
    let mut begin: Vec<String> =
        names.iter().filter(|name| name.starts_with(wanted)).cloned().collect();
    match (begin.len(), names.is_empty()) {
        (_, true) => Err(Missing::Any),
        (0, _) => {
            names.sort_by_key(|name| far(wanted, name));
            names.truncate(NEAR_MAX);
            Err(Missing::Unknown(wanted.into(), names))
        }
        (1, _) => Ok(begin.remove(0)),
        _ => Err(Missing::Several(wanted.into(), begin)),
    }
}

/// The same character at the same place says most: names have one length, and begin with a day.
fn far(wanted: &str, name: &str) -> (Reverse<usize>, usize) {
    let alike = wanted.bytes().zip(name.bytes()).filter(|(a, b)| a == b).count();
    (Reverse(alike), strsim::levenshtein(wanted, name))
}

impl Missing {
    /// What is wrong, of the backups in this directory.
    pub fn what(&self, directory: &Path) -> String {
        let directory = directory.display();
        match self {
            Self::Any => format!("there is no whole backup in '{directory}'"),
            Self::Unknown(wanted, _) => format!("there is no backup '{wanted}' in '{directory}'"),
            Self::Several(wanted, names) => {
                format!("'{wanted}' is the beginning of {} backups", names.len())
            }
        }
    }

    /// What helps.
    pub fn hint(&self) -> String {
        match self {
            Self::Any => "Look at 'holdstill list', or make one by 'holdstill backup'.".into(),
            Self::Unknown(_, near) => {
                format!("Near to it are {}; 'holdstill list' names all.", near.join(", "))
            }
            Self::Several(_, names) => {
                let more = if names.len() > SAME_MAX { " and others" } else { "" };
                let shown = names.get(..SAME_MAX).unwrap_or(names).join(", ");
                format!("Name one of them by more letters: {shown}{more}.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: [&str; 3] =
        ["20261121T010203Z-00002a", "20261122T010203Z-00002b", "20261122T020203Z-00002c"];

    fn picked(wanted: &str) -> Result<String, Missing> {
        pick(RUNS.map(String::from), wanted)
    }

    #[test]
    fn a_whole_name_or_a_beginning_that_only_one_has_is_meant() {
        assert_eq!(picked(RUNS[1]), Ok(RUNS[1].into()));
        assert_eq!(picked("20261121"), Ok(RUNS[0].into()));
        assert_eq!(pick(["a".into(), "ab".into()], "a"), Ok("a".into()));
    }

    #[test]
    fn why_none_is_meant_is_told_with_what_helps() {
        let at = Path::new("/backup");
        let none = pick([], "x").unwrap_err();
        assert_eq!(none.what(at), "there is no whole backup in '/backup'");
        let several = picked("20261122").unwrap_err();
        assert_eq!(several.what(at), "'20261122' is the beginning of 2 backups");
        assert!(several.hint().contains(RUNS[2]), "{}", several.hint());
        let unknown = picked("20261122T010203Z-00002x").unwrap_err();
        let hint = unknown.hint();
        assert!(hint.starts_with(&format!("Near to it are {},", RUNS[1])), "{hint}");
    }
}
