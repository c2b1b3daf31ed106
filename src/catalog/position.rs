//! Where a backup stands in the stream of changes, in the one form that a person would look for.

use std::fmt;

use crate::database::coordinates::{Coordinates, Own};

/// Where a backup stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// A set of GTIDs of the server itself.
    Gtid(String),
    /// The server's own binary log: file and position in bytes.
    Own(String, u64),
    /// Without a binary log of its own: the source's, as far as the first channel has executed it.
    Source(String, u64),
}

impl Position {
    /// The server's GTIDs, or else its file and position, or else the source's.
    pub fn of(all: &Coordinates) -> Option<Self> {
        let Own { file, position, gtid_executed, .. } = &all.own;
        let gtids = [gtid_executed, &all.own.gtid_current_pos, &all.own.gtid_binlog_pos];
        let gtid = gtids.into_iter().flatten().find(|set| !set.is_empty());
        if let Some(set) = gtid {
            return Some(Self::Gtid(set.clone()));
        }
        if let (Some(file), Some(position)) = (file, position) {
            return Some(Self::Own(file.clone(), *position));
        }
        let first = all.channels.first().filter(|channel| !channel.file.is_empty())?;
        Some(Self::Source(first.file.clone(), first.position))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gtid(set) => f.write_str(set),
            Self::Own(file, position) | Self::Source(file, position) => {
                write!(f, "{file}:{position}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::coordinates::Channel;

    #[test]
    fn what_the_server_has_of_its_own_comes_first() {
        let channel = Channel { file: "bin.7".into(), position: 9, ..Channel::default() };
        let mut all = Coordinates { channels: vec![channel], ..Coordinates::default() };
        let told = |all: &Coordinates| Position::of(all).map(|one| one.to_string());
        assert_eq!(told(&all).as_deref(), Some("bin.7:9"));
        (all.own.file, all.own.position) = (Some("own.1".into()), Some(4));
        assert_eq!(Position::of(&all), Some(Position::Own("own.1".into(), 4)));
        all.own.gtid_executed = Some(String::new());
        assert_eq!(told(&all).as_deref(), Some("own.1:4"), "an empty set says nothing");
        all.own.gtid_binlog_pos = Some("0-1-9".into());
        assert_eq!(told(&all).as_deref(), Some("0-1-9"));
        assert_eq!(Position::of(&Coordinates::default()), None);
    }
}
