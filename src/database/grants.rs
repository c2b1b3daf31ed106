//! Privileges: what this server's version asks for, what `SHOW GRANTS` says we have, and the exact
//! GRANT for what is missing.

use std::collections::BTreeSet;

use super::dialect::{LockKind, quoted};
use super::{Flavour, Server};
use crate::host::Rows;

/// What the account needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The privilege to grant.
    pub privilege: &'static str,
    /// Others that do as well.
    pub or: &'static [&'static str],
    /// What for.
    pub purpose: &'static str,
}

/// What the account has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    global: BTreeSet<String>,
    roles: bool,
}

/// Shows the privileges of the account we are.
pub const QUESTION: &str = "SHOW GRANTS";

/// What every run needs.
pub fn base(server: &Server, lock: LockKind) -> Vec<Need> {
    vec![lock_need(lock), position_need(server), status_need(server), process_need()]
}

fn lock_need(lock: LockKind) -> Need {
    let purpose = match lock {
        LockKind::FlushTables | LockKind::BackupStage => "the lock",
        LockKind::Nothing => "writing out the engine's logs",
    };
    // On MySQL FLUSH_TABLES alone would do for the lock, but not for the engine's logs.
    Need { privilege: "RELOAD", or: &[], purpose }
}

/// MariaDB split `REPLICATION CLIENT` in 10.5.2 and prints the new names.
fn position_need(server: &Server) -> Need {
    let purpose = "the server's own position";
    if server.is_mariadb() && server.since(10, 5, 2) {
        return Need { privilege: "BINLOG MONITOR", or: &["REPLICATION CLIENT"], purpose };
    }
    Need { privilege: "REPLICATION CLIENT", or: &["SUPER"], purpose }
}

fn status_need(server: &Server) -> Need {
    let purpose = "the state of replication";
    if server.is_mariadb() && server.since(10, 5, 8) {
        return Need { privilege: "SLAVE MONITOR", or: &["REPLICA MONITOR"], purpose };
    }
    if server.is_mariadb() && server.since(10, 5, 2) {
        let or = &["REPLICATION REPLICA ADMIN", "SUPER"];
        return Need { privilege: "REPLICATION SLAVE ADMIN", or, purpose };
    }
    Need { privilege: "REPLICATION CLIENT", or: &["SUPER"], purpose }
}

fn process_need() -> Need {
    Need { privilege: "PROCESS", or: &[], purpose: "the places of the tablespaces" }
}

/// What stopping and starting appliers needs besides.
pub fn replica(server: &Server) -> Need {
    let purpose = "stopping and starting the applier";
    match server.flavour {
        Flavour::MariaDb if server.since(10, 5, 2) => {
            let or = &["REPLICATION REPLICA ADMIN"];
            Need { privilege: "REPLICATION SLAVE ADMIN", or, purpose }
        }
        Flavour::MariaDb => Need { privilege: "SUPER", or: &[], purpose },
        Flavour::MySql => Need { privilege: "REPLICATION_SLAVE_ADMIN", or: &["SUPER"], purpose },
    }
}

/// What ending the statements of others needs besides. Those of an account with `SYSTEM_USER`
/// (MySQL) cannot be ended without that; the server says so then.
pub fn kill(server: &Server) -> Need {
    let purpose = "ending long statements of others";
    match server.flavour {
        Flavour::MariaDb if server.since(10, 5, 2) => {
            Need { privilege: "CONNECTION ADMIN", or: &[], purpose }
        }
        Flavour::MariaDb => Need { privilege: "SUPER", or: &[], purpose },
        Flavour::MySql => Need { privilege: "CONNECTION_ADMIN", or: &["SUPER"], purpose },
    }
}

/// What seeing every table needs: `information_schema.TABLES` leaves out, without a word, whatever
/// the account has no privilege on (tried on MariaDB 10.11).
pub fn tables() -> Need {
    Need { privilege: "SELECT", or: &["REFERENCES"], purpose: "seeing every table's engine" }
}

impl Granted {
    /// Reads `SHOW GRANTS`: the lines for `*.*`, and whether there are roles, whose privileges a
    /// server shows only where they are active.
    pub fn read(rows: &Rows) -> Self {
        let mut granted = Self::default();
        for line in rows.rows.iter().filter_map(|row| row.first()?.as_deref()) {
            granted.line(line);
        }
        granted
    }

    fn line(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("GRANT ") else { return };
        match rest.split_once(" ON ") {
            Some((list, on)) if on.trim_start().starts_with("*.* ") => {
                self.global.extend(list.split(',').map(|one| one.trim().to_ascii_uppercase()));
            }
            Some(_) => {}
            None => self.roles |= rest.contains(" TO "),
        }
    }

    /// Whether a need is met.
    pub fn meets(&self, need: &Need) -> bool {
        let all = ["ALL PRIVILEGES", "ALL"];
        std::iter::once(&need.privilege)
            .chain(need.or)
            .chain(&all)
            .any(|privilege| self.global.contains(*privilege))
    }

    /// What is missing, each privilege once.
    pub fn missing(&self, needs: &[Need]) -> Vec<Need> {
        let mut missing: Vec<Need> = Vec::new();
        for need in needs.iter().filter(|need| !self.meets(need)) {
            if !missing.iter().any(|known| known.privilege == need.privilege) {
                missing.push(*need);
            }
        }
        missing
    }

    /// Whether a role may hold what is missing.
    pub fn has_roles(&self) -> bool {
        self.roles
    }
}

/// The statement that grants what is missing; `account` is `CURRENT_USER()`.
pub fn statement(missing: &[Need], account: &str) -> String {
    let list: Vec<_> = missing.iter().map(|need| need.privilege).collect();
    let (user, host) = account.rsplit_once('@').unwrap_or((account, "localhost"));
    format!("GRANT {} ON *.* TO {}@{}", list.join(", "), quoted(user), quoted(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(lines: &[&str]) -> Granted {
        let rows = lines.iter().map(|line| vec![Some((*line).to_owned())]).collect();
        Granted::read(&Rows { columns: vec!["Grants".into()], rows })
    }

    fn missing(version: &str, lines: &[&str]) -> String {
        let server = Server::parse(version, "").expect("the version is known");
        let mut needs = base(&server, LockKind::FlushTables);
        needs.push(replica(&server));
        statement(&grants(lines).missing(&needs), "backup@localhost")
    }

    #[test]
    fn the_exact_grant_is_named_for_every_version() {
        let none = ["GRANT USAGE ON *.* TO `backup`@`localhost`"];
        let to = "ON *.* TO 'backup'@'localhost'";
        assert_eq!(
            missing("10.11.19-MariaDB", &none),
            format!(
                "GRANT RELOAD, BINLOG MONITOR, SLAVE MONITOR, PROCESS, \
                 REPLICATION SLAVE ADMIN {to}"
            )
        );
        assert_eq!(
            missing("10.4.34-MariaDB", &none),
            format!("GRANT RELOAD, REPLICATION CLIENT, PROCESS, SUPER {to}")
        );
        for version in ["8.0.45", "8.4.3", "9.7.4"] {
            assert_eq!(
                missing(version, &none),
                format!("GRANT RELOAD, REPLICATION CLIENT, PROCESS, REPLICATION_SLAVE_ADMIN {to}")
            );
        }
    }

    #[test]
    fn what_is_granted_is_not_asked_for() {
        let static_ = "GRANT PROCESS, REPLICATION CLIENT ON *.* TO `backup`@`localhost`";
        let dynamic = "GRANT FLUSH_TABLES,REPLICATION_SLAVE_ADMIN ON *.* TO `backup`@`localhost`";
        let server = Server::parse("9.7.4", "").expect("the version is known");
        let granted = grants(&[static_, dynamic, "GRANT RELOAD ON `db`.* TO `x`@`y`"]);
        assert_eq!(granted.missing(&base(&server, LockKind::FlushTables)).len(), 1);
        let granted = grants(&[static_, dynamic, "GRANT RELOAD ON *.* TO `x`@`y`"]);
        assert!(granted.missing(&base(&server, LockKind::FlushTables)).is_empty());
        assert!(granted.meets(&replica(&server)) && !granted.has_roles());
        let all = grants(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]);
        assert!(all.missing(&base(&server, LockKind::FlushTables)).is_empty());
        assert!(grants(&["GRANT `backup_role`@`%` TO `b`@`localhost`"]).has_roles());
    }
}
