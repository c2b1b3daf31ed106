//! What is known of MySQL and MariaDB: which statements each version understands, which
//! privileges they need, where their files are, and how their answers are read. Functions from
//! answers to data; nothing here talks to a server.

pub mod attach;
pub mod coordinates;
pub mod dialect;
pub mod grants;
pub mod opening;
pub mod places;
pub mod replica;
pub mod settings;
pub mod statements;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A server, as it introduced itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// Whose server it is.
    pub flavour: Flavour,
    /// Its version as numbers.
    pub version: (u16, u16, u16),
    /// Its version as it says it.
    pub text: String,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// Oracle's MySQL and what follows it closely.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// The statement that introduces a server, and the account as the server sees it.
pub const INTRODUCTION: &str =
    "SELECT VERSION() AS version, @@version_comment AS comment, CURRENT_USER() AS account";

/// The oldest versions whose dialect is known. MariaDB before 10.4 has other system tables and no
/// BACKUP STAGE; MySQL before 8.0 has no transactional dictionary.
const MARIADB_MIN: (u16, u16, u16) = (10, 4, 0);
const MYSQL_MIN: (u16, u16, u16) = (8, 0, 0);

impl Server {
    /// Reads `VERSION()` and `@@version_comment`. Percona Server counts as MySQL.
    pub fn parse(version: &str, comment: &str) -> Result<Self, String> {
        let mariadb = [version, comment].iter().any(|text| text.contains("MariaDB"));
        let flavour = if mariadb { Flavour::MariaDb } else { Flavour::MySql };
        let numbers = numbers(version).ok_or_else(|| {
            format!("expected a version like '8.4.3', found '{version}' ('{comment}')")
        })?;
        let server = Self { flavour, version: numbers, text: version.to_owned() };
        match server.flavour {
            Flavour::MariaDb if numbers < MARIADB_MIN => Err(server.too_old("MariaDB 10.4")),
            Flavour::MySql if numbers < MYSQL_MIN => Err(server.too_old("MySQL 8.0")),
            _ => Ok(server),
        }
    }

    fn too_old(&self, oldest: &str) -> String {
        format!("expected {oldest} or later, found {self}")
    }

    /// Whether it is MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.flavour == Flavour::MariaDb
    }

    /// Whether its version is at least this one.
    pub fn since(&self, major: u16, minor: u16, patch: u16) -> bool {
        self.version >= (major, minor, patch)
    }
}

/// The first three numbers. MariaDB once put `5.5.5-` before its own version, for old replicas.
fn numbers(version: &str) -> Option<(u16, u16, u16)> {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let end = version.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(version.len());
    let mut parts = version[..end].split('.').map(str::parse::<u16>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?, parts.next().and_then(Result::ok).unwrap_or(0)))
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flavour, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_introduce_themselves() {
        let check = |version: &str, comment: &str, flavour, numbers| {
            let server = Server::parse(version, comment).expect("the version is known");
            assert_eq!((server.flavour, server.version), (flavour, numbers), "{version}");
        };
        check("10.11.19-MariaDB-0+deb12u1-log", "Debian 12", Flavour::MariaDb, (10, 11, 19));
        check("5.5.5-10.4.34-MariaDB", "", Flavour::MariaDb, (10, 4, 34));
        check("11.8.6-MariaDB-0+deb13u1 from Debian-log", "-- stars", Flavour::MariaDb, (11, 8, 6));
        check("9.7.4-2", "(Debian)", Flavour::MySql, (9, 7, 4));
        check("8.0.35-27", "Percona Server (GPL), Release 27", Flavour::MySql, (8, 0, 35));
        check("8.4.3", "MySQL Community Server - GPL", Flavour::MySql, (8, 4, 3));
    }

    #[test]
    fn old_and_unknown_servers_are_told_with_both_sides() {
        let told = |version| Server::parse(version, "").unwrap_err();
        assert_eq!(told("5.7.44-log"), "expected MySQL 8.0 or later, found MySQL 5.7.44-log");
        assert_eq!(
            told("10.3.39-MariaDB"),
            "expected MariaDB 10.4 or later, found MariaDB 10.3.39-MariaDB"
        );
        assert_eq!(told("banana"), "expected a version like '8.4.3', found 'banana' ('')");
    }
}
