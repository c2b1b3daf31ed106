//! Which backups are meant. Pure: names in, names out.

use crate::store::{self, Missing};

/// Which backups are to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The newest.
    Newest,
    /// This one.
    One(String),
    /// All of them.
    All,
}

/// The names of the backups that are meant, oldest first, of what is in a destination.
pub fn choose(names: &[String], which: &Which) -> Result<Vec<String>, Missing> {
    let mut backups: Vec<String> =
        names.iter().filter(|name| store::is_run(name)).cloned().collect();
    backups.sort();
    match which {
        _ if backups.is_empty() => Err(Missing::Any),
        Which::All => Ok(backups),
        Which::Newest => Ok(backups.split_off(backups.len() - 1)),
        Which::One(wanted) => Ok(vec![store::pick(backups, wanted)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["lost+found", ".20261124T010203Z-00002d.partial", RUNS[1], RUNS[0], RUNS[2], "for-good"]
            .map(String::from)
            .to_vec()
    }

    const RUNS: [&str; 3] =
        ["20261121T010203Z-00002a", "20261122T010203Z-00002b", "20261123T010203Z-00002c"];

    #[test]
    fn the_newest_is_meant_or_the_one_that_is_named_or_all() {
        assert_eq!(choose(&names(), &Which::Newest).unwrap(), [RUNS[2]]);
        assert_eq!(choose(&names(), &Which::All).unwrap(), RUNS);
        assert_eq!(choose(&names(), &Which::One(RUNS[0].into())).unwrap(), [RUNS[0]]);
    }

    #[test]
    fn a_beginning_will_do_and_what_nobody_has_is_told() {
        assert_eq!(choose(&names(), &Which::One("20261122".into())).unwrap(), [RUNS[1]]);
        assert!(choose(&names(), &Which::One("for-good".into())).is_err());
        assert_eq!(choose(&["x".into()], &Which::All), Err(Missing::Any));
    }
}
