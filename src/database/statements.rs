//! Statements that have run for long: how they are asked for, and which of them a lock waits for.
//!
//! Of each only who runs it, for how long, and its first word: a text may hold secrets, so no more
//! of it ever leaves the server. Deliberately absent: transactions that are open and idle. Neither
//! lock waits for those, only for statements that run.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Flavour;
use super::dialect::LockKind;
use crate::host::Rows;

/// A statement that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its session's number.
    pub id: u64,
    /// The account.
    pub user: String,
    /// For how long it has run, in seconds.
    pub seconds: u64,
    /// Its first word in capitals; `?` if it has none that is plain.
    pub verb: String,
}

/// A statement that was ended by us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Killed {
    /// Its session's number.
    pub id: u64,
    /// The account.
    pub user: String,
    /// For how long it had run.
    pub seconds: u64,
}

/// Asks for the statements that have run for at least so many seconds. Appliers, the event
/// scheduler and we ourselves are left out.
///
/// What may stand before the first word is white space, an opening bracket or a comment; not one
/// that is executed (`/*!`, `/*M!`). Only the text's beginning is looked at, so that a statement of
/// megabytes costs nothing.
pub fn question(seconds_min: u64) -> String {
    format!(
        "SELECT ID, USER, TIME, UPPER(REGEXP_SUBSTR(REGEXP_REPLACE(LEFT(INFO, 500), \
         '^([[:space:](]|/[*](?!M?!)([^*]|[*]+[^*/])*[*]+/)+', ''), '^[[:alpha:]]+')) AS VERB \
         FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute') \
         AND TIME >= {seconds_min} AND USER NOT IN ('system user', 'event_scheduler') \
         AND ID <> CONNECTION_ID()"
    )
}

/// Ends the statement that a session runs, and not the session.
pub fn kill(id: u64) -> String {
    format!("KILL QUERY {id}")
}

/// The server's number for "unknown thread id": there is nothing to end any more.
pub const NO_SUCH_SESSION: u16 = 1094;

/// The server's number for "you are not the owner of that session": on MySQL 8.0.16 and later also
/// where that is an account with `SYSTEM_USER`, and ours has it not.
pub const NOT_OWNER: u16 = 1095;

/// Reads the answer to [`question`].
pub fn read(rows: &Rows) -> Result<Vec<Statement>, String> {
    (0..rows.rows.len()).map(|row| statement(rows, row)).collect()
}

fn statement(rows: &Rows, row: usize) -> Result<Statement, String> {
    let number = |column: &str| {
        let found = rows.get(row, column).unwrap_or("nothing");
        found.parse().map_err(|_| format!("expected a number in '{column}', found '{found}'"))
    };
    let verb = rows.get(row, "VERB").filter(|verb| !verb.is_empty()).unwrap_or("?");
    Ok(Statement {
        id: number("ID")?,
        user: rows.get(row, "USER").unwrap_or("?").to_owned(),
        seconds: number("TIME")?,
        verb: verb.to_owned(),
    })
}

impl Statement {
    /// Whether it is a SELECT that has run for at least so long.
    pub fn is_select_of(&self, seconds_min: u64) -> bool {
        self.verb == "SELECT" && self.seconds >= seconds_min
    }

    /// What is told of it once it is ended.
    pub fn killed(&self) -> Killed {
        Killed { id: self.id, user: self.user.clone(), seconds: self.seconds }
    }
}

impl LockKind {
    /// Whether this lock waits for a statement that begins with this word. What the word does not
    /// tell counts as it mostly is; the lock's own limit is there for the rest.
    pub fn waits_for(self, flavour: Flavour, verb: &str) -> bool {
        match (self, flavour) {
            (Self::Nothing, _) => false,
            // It closes every table, and waits for whoever uses one, a SELECT too; meanwhile others
            // queue behind it ("Waiting for table flush"; seen on 9.7).
            (Self::FlushTables, Flavour::MySql) => true,
            // Seen on 10.11: a long SELECT does not delay it, every write and every DDL does, be it
            // of InnoDB tables. A SELECT ... FOR UPDATE delays it as well, and its first word does
            // not tell; a CTE (WITH) may be more than a SELECT some day.
            (Self::FlushTables, Flavour::MariaDb) => !READS.contains(&verb),
            // "Wait for all statements using write locked non-transactional tables to end", and
            // "running ALTER TABLES are not blocked" (MariaDB, "Backup Stages"). Seen on 10.11: it
            // waits for a CREATE TABLE ... SELECT, not for ALTER TABLE, OPTIMIZE or CREATE INDEX
            // while they copy, nor for an UPDATE of InnoDB. An UPDATE of MyISAM does hold it up,
            // but the word does not tell, and meanwhile only writers of its kind wait.
            (Self::BackupStage, _) => CREATES.contains(&verb) || verb == "?",
        }
    }
}

/// The words of statements that only read.
const READS: [&str; 8] =
    ["SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "HELP", "USE", "CHECKSUM"];

/// The words of statements that make, drop or rewrite tables and do not let a backup stage in
/// meanwhile.
const CREATES: [&str; 5] = ["CREATE", "DROP", "RENAME", "REPAIR", "TRUNCATE"];

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, user, seconds, verb } = self;
        let verb = if verb == "?" { "a statement" } else { verb };
        write!(f, "{verb} of '{user}' in session {id} for {seconds} s")
    }
}

impl fmt::Display for Killed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the SELECT of '{}' in session {} after {} s", self.user, self.id, self.seconds)
    }
}

/// Several in a row.
pub fn list(all: &[Statement]) -> String {
    all.iter().map(Statement::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: [&str; 10] = [
        "SELECT", "WITH", "INSERT", "UPDATE", "ALTER", "OPTIMIZE", "CREATE", "TRUNCATE", "SHOW",
        "?",
    ];

    fn waits_for(kind: LockKind, flavour: Flavour) -> String {
        let waits = VERBS.iter().filter(|verb| kind.waits_for(flavour, verb));
        waits.copied().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_lock_waits_for_what_it_was_seen_to_wait_for() {
        use LockKind::{BackupStage, FlushTables, Nothing};
        assert_eq!(waits_for(FlushTables, Flavour::MySql), VERBS.join(" "));
        assert_eq!(
            waits_for(FlushTables, Flavour::MariaDb),
            "WITH INSERT UPDATE ALTER OPTIMIZE CREATE TRUNCATE ?"
        );
        assert_eq!(waits_for(BackupStage, Flavour::MariaDb), "CREATE TRUNCATE ?");
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            assert_eq!(waits_for(Nothing, flavour), "");
        }
    }

    #[test]
    fn an_answer_is_read_or_told_to_be_odd() {
        let rows = |row: [Option<&str>; 4]| Rows {
            columns: ["ID", "USER", "TIME", "VERB"].map(String::from).to_vec(),
            rows: vec![row.map(|value| value.map(String::from)).to_vec()],
        };
        let told = |row| read(&rows(row)).map(|all| list(&all));
        assert_eq!(
            told([Some("8"), Some("app"), Some("61"), Some("SELECT")]).as_deref(),
            Ok("SELECT of 'app' in session 8 for 61 s")
        );
        for verb in [None, Some("")] {
            let found = read(&rows([Some("8"), Some("app"), Some("5"), verb]));
            assert_eq!(found.expect("it is whole")[0].verb, "?");
        }
        let odd = told([Some("8"), Some("app"), Some("x"), None]);
        assert_eq!(odd, Err("expected a number in 'TIME', found 'x'".into()));
    }

    #[test]
    fn only_an_old_select_may_be_ended() {
        let of =
            |verb: &str, seconds| Statement { id: 1, user: "a".into(), seconds, verb: verb.into() };
        assert!(of("SELECT", 60).is_select_of(60));
        assert!(!of("SELECT", 59).is_select_of(60));
        assert!(!of("UPDATE", 600).is_select_of(60));
    }
}
