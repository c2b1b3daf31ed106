//! What is looked at: the closed list of aspects, each with its name and with what
//! `holdstill explain` says about it.

use std::fmt;

/// The explanations: a heading `## NAME` for each aspect, and for the exit codes.
const TEXTS: &str = include_str!("explain.md");

/// One aspect of the machine, the server or the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aspect {
    /// Who runs it.
    User,
    /// The programs of others.
    Programs,
    /// The server and its settings.
    Server,
    /// How and when writes are stopped.
    Lock,
    /// Who we are to the server.
    Account,
    /// What the account may.
    Privileges,
    /// Whether the server's files are here.
    Files,
    /// The volumes of the data.
    Source,
    /// Links in the data directory.
    Links,
    /// The binary log.
    BinaryLog,
    /// The relay log.
    RelayLog,
    /// Statements that run for long.
    Statements,
    /// The channels of a replica.
    Replication,
    /// Snapshots that are there already.
    Snapshots,
    /// The snapshot that will be taken.
    Snapshot,
    /// Who freezes the filesystem.
    Freeze,
    /// Where the backups go.
    Destination,
    /// What files that did not change are linked to.
    Incremental,
    /// The places elsewhere that backups are pushed to.
    Offsite,
    /// The tables' engines.
    Engines,
    /// The clock.
    Clock,
    /// The newest backup.
    LastBackup,
    /// How long the copy takes.
    Copy,
    /// How fast the volumes are written to.
    WriteRate,
    /// What dead runs left.
    Leftovers,
    /// Whether it all fits together.
    Plan,
}

impl Aspect {
    /// Every aspect.
    pub const ALL: [Self; 26] = [
        Self::User,
        Self::Programs,
        Self::Server,
        Self::Lock,
        Self::Account,
        Self::Privileges,
        Self::Files,
        Self::Source,
        Self::Links,
        Self::BinaryLog,
        Self::RelayLog,
        Self::Statements,
        Self::Replication,
        Self::Snapshots,
        Self::Snapshot,
        Self::Freeze,
        Self::Destination,
        Self::Incremental,
        Self::Offsite,
        Self::Engines,
        Self::Clock,
        Self::LastBackup,
        Self::Copy,
        Self::WriteRate,
        Self::Leftovers,
        Self::Plan,
    ];

    /// Its name, in one or two words.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Programs => "programs",
            Self::Server => "server",
            Self::Lock => "lock",
            Self::Account => "account",
            Self::Privileges => "privileges",
            Self::Files => "files",
            Self::Source => "source",
            Self::Links => "links",
            Self::BinaryLog => "binary log",
            Self::RelayLog => "relay log",
            Self::Statements => "statements",
            Self::Replication => "replication",
            Self::Snapshots => "snapshots",
            Self::Snapshot => "snapshot",
            Self::Freeze => "freeze",
            Self::Destination => "destination",
            Self::Incremental => "incremental",
            Self::Offsite => "offsite",
            Self::Engines => "engines",
            Self::Clock => "clock",
            Self::LastBackup => "last backup",
            Self::Copy => "copy",
            Self::WriteRate => "write rate",
            Self::Leftovers => "leftovers",
            Self::Plan => "plan",
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The explanation of an aspect or an exit code, by its name; nothing if there is no such name.
pub fn explanation(name: &str) -> Option<&'static str> {
    sections().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, text)| text)
}

/// Every name that is explained, in order.
pub fn explained() -> Vec<&'static str> {
    sections().map(|(name, _)| name).collect()
}

fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = TEXTS.split("\n## ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn every_aspect_and_every_exit_code_is_explained_and_nothing_else() {
        let codes = Code::ALL.map(|code| code.number().to_string());
        let names = Aspect::ALL.iter().map(|aspect| aspect.name().to_owned());
        let wanted: Vec<String> = names.chain(codes).collect();
        assert_eq!(explained(), wanted);
        for name in &wanted {
            let text = explanation(name).expect("it is there");
            assert!(text.len() > 80, "'{name}' says too little");
        }
    }
}
