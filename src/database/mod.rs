//! What is known of MySQL and MariaDB: which statements each version understands, which
//! privileges they need, and how their answers are read. Functions from answers to data; nothing
//! here talks to a server.

pub mod coordinates;
pub mod replica;

use serde::Serialize;

/// A server, as it introduced itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Whose server it is.
    pub flavour: Flavour,
    /// Its version as numbers.
    pub version: (u16, u16, u16),
    /// Its version as it says it.
    pub text: String,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// Oracle's MySQL and what follows it closely.
    MySql,
    /// MariaDB.
    MariaDb,
}
