//! How a backup stands, in one word and, where that is not enough, in a sentence.

use jiff::Timestamp;

use crate::memory::{Known, Standing};

/// How a backup stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A run is making it.
    UnderWay,
    /// The run that made it died; its ledger tells what is to be settled.
    Died,
    /// It was never finished, and no ledger tells of it any more.
    Forgotten,
    /// Its removal was interrupted, or goes on.
    Removing,
    /// It was published, and nobody has looked at it since.
    Published,
    /// Every file was as its manifest says, at this time.
    Verified(Timestamp),
    /// A server came up on it, at this time.
    Drilled(Timestamp),
    /// It is damaged: since when that is known, and in what first.
    Damaged(Option<Timestamp>, String),
    /// It should be ours, and this is wrong with it.
    Unreadable(String),
    /// It is somebody else's, for this reason.
    NotOurs(String),
}

impl State {
    /// How a published backup stands by what is known of it.
    pub(super) fn of(known: Option<&Known>) -> Self {
        match known.map(Known::standing) {
            None | Some(Standing::Unseen) => Self::Published,
            Some(Standing::Verified(at)) => Self::Verified(at),
            Some(Standing::Drilled(at)) => Self::Drilled(at),
            Some(Standing::Damaged(at, problem)) => Self::Damaged(Some(at), problem),
        }
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::UnderWay | Self::Died | Self::Forgotten => "partial",
            Self::Removing => "removing",
            Self::Published => "published",
            Self::Verified(_) => "verified",
            Self::Drilled(_) => "drilled",
            Self::Damaged(..) => "damaged",
            Self::Unreadable(_) => "unreadable",
            Self::NotOurs(_) => "not ours",
        }
    }

    /// Since when that is known.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Verified(at) | Self::Drilled(at) => Some(*at),
            Self::Damaged(at, _) => *at,
            _ => None,
        }
    }

    /// What is wrong, if something is.
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::UnderWay => Some("a run is making it"),
            Self::Died => Some("the run that made it died, or left it"),
            Self::Forgotten => Some("it was never finished, and no ledger tells of it"),
            Self::Removing => Some("its removal was interrupted, or goes on"),
            Self::Damaged(_, why) | Self::Unreadable(why) | Self::NotOurs(why) => Some(why),
            Self::Published | Self::Verified(_) | Self::Drilled(_) => None,
        }
    }

    /// What helps: a sentence that names the command.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Died => Some("Run 'holdstill recover'; the next run does it as well."),
            Self::Forgotten => Some("Look what is in it, and remove it by hand."),
            Self::Removing => Some("The next 'holdstill prune' finishes it."),
            _ => None,
        }
    }

    /// Whether it was published and its record can be read.
    pub fn is_published(&self) -> bool {
        matches!(self, Self::Published | Self::Verified(_) | Self::Drilled(_) | Self::Damaged(..))
    }

    /// Whether somebody has found it sound, and nobody damaged.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Verified(_) | Self::Drilled(_))
    }
}
