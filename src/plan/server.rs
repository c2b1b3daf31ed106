//! Meeting the server: reaching it, its version, its privileges, its variables.

use std::path::PathBuf;

use super::make::{pass, warn};
use super::{Aspect, Note, Refusal};
use crate::config::{Config, Kind};
use crate::database::dialect::LockKind;
use crate::database::grants::{self, Granted, Need};
use crate::database::opening::{self, Opening};
use crate::database::settings::{self, Settings};
use crate::database::{INTRODUCTION, Server, places};
use crate::host::{Ask, Entry, Fault, Host, Login, NO_TLS, Reach, Rows, Secret, Session};
use crate::units::Millis;

/// How long a question to the server may take while planning.
pub(super) const ASK_MS_MAX: Millis = Millis(30_000);

/// The server as we met it.
#[derive(Clone, Debug)]
pub(super) struct Met {
    pub(super) server: Server,
    /// Who we are to it, as `user@host`.
    pub(super) account: String,
    pub(super) granted: Granted,
    pub(super) settings: Settings,
    pub(super) opening: Opening,
    pub(super) datadir: PathBuf,
    /// How writes are stopped.
    pub(super) kind: LockKind,
}

/// Connects, and asks who it is, what we may, and how it is set.
pub(super) fn meet(
    host: &dyn Host,
    config: &Config,
    login: &Login,
    notes: &mut Vec<Note>,
) -> Result<Met, Refusal> {
    reach(host, login)?;
    let rows = ask(host, INTRODUCTION)?;
    let word = |column| rows.get(0, column).unwrap_or_default().to_owned();
    let server = Server::parse(&word("version"), &word("comment")).map_err(|why| {
        let hint = "Supported are MariaDB 10.4 and later, and MySQL 8.0, 8.4 and 9.";
        Refusal::new(format!("cannot back up this server: {why}"), hint)
    })?;
    pass(notes, Aspect::Server, format!("{server} at {login}"));
    let kind = kind(config, &server, notes)?;
    let account = word("account");
    let granted = Granted::read(&ask(host, grants::QUESTION)?);
    let settings = Settings::read(&ask(host, &settings::question())?);
    let opening = Opening::read(&ask(host, &opening::question())?, &ask(host, opening::LIBRARIES)?);
    let datadir = places::datadir(&settings).map_err(|why| {
        let hint = "Ask the server: SHOW VARIABLES LIKE 'datadir'.";
        Refusal::new(format!("cannot find the data directory: {why}"), hint)
    })?;
    Ok(Met { server, account, granted, settings, opening, datadir, kind })
}

/// How writes are stopped on this server. BACKUP STAGE was made for this, and under the same load
/// held clients up for milliseconds where FTWRL could hold them up for minutes.
fn kind(config: &Config, server: &Server, notes: &mut Vec<Note>) -> Result<LockKind, Refusal> {
    let stages = server.is_mariadb() && server.since(10, 4, 1);
    let (kind, why) = match config.lock.kind {
        Kind::Auto if stages => (LockKind::BackupStage, "MariaDB has it for storage snapshots"),
        Kind::Auto => (LockKind::FlushTables, "this server has nothing lighter"),
        Kind::Ftwrl => (LockKind::FlushTables, "as configured"),
        Kind::BackupStage if stages => (LockKind::BackupStage, "as configured"),
        Kind::BackupStage => {
            let what = format!("{server} has no BACKUP STAGE");
            let hint = "Write 'kind = \"auto\"' or 'kind = \"ftwrl\"' under [lock].";
            return Err(Refusal::new(what, hint));
        }
        Kind::None => (LockKind::Nothing, "as configured"),
    };
    pass(notes, Aspect::Lock, format!("{}: {why}", kind.name()));
    Ok(kind)
}

/// MariaDB's FLUSH ENGINE LOGS does nothing where commits are not written out at all: up to a
/// second of commits would be in the positions and not in the files.
pub(super) fn memory_only_log(met: &Met) -> Result<(), Refusal> {
    let Met { server, settings, .. } = met;
    if !server.is_mariadb() || settings.get("innodb_flush_log_at_trx_commit") != Some("0") {
        return Ok(());
    }
    let what = "the server keeps the last commits in memory alone \
                (innodb_flush_log_at_trx_commit is 0)";
    let hint = "Run 'SET GLOBAL innodb_flush_log_at_trx_commit = 2' on the server: it survives a \
                crash of the server, and a snapshot.";
    Err(Refusal::new(what, hint))
}

/// Whether the server that answers is the one whose files are here, and not one in a container or
/// behind an address: a server works in its data directory.
pub(super) fn files_are_here(
    host: &dyn Host,
    login: &Login,
    met: &Met,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    let Met { settings, datadir, .. } = met;
    let file = datadir.join(settings.get("pid_file").unwrap_or("pid_file"));
    let text = host.file(&file)?.unwrap_or_default();
    let pid: u32 = text.trim().parse().unwrap_or(0);
    let works_in = host.entry(&PathBuf::from(format!("/proc/{pid}/cwd")))?;
    let keeps = host.entry(datadir)?;
    let place = |entry: Option<Entry>| entry.map(|entry| (entry.real, entry.device));
    if works_in.is_some() && place(works_in) == place(keeps) {
        pass(notes, Aspect::Files, format!("process {pid} works in '{}'", datadir.display()));
        return Ok(());
    }
    let what = format!(
        "the server at '{login}' is not seen to work in '{}' on this host (its pid file is '{}')",
        datadir.display(),
        file.display()
    );
    let hint = "Run holdstill on the server's own host, outside of containers, and connect to the \
                server itself.";
    Err(Refusal::new(what, hint))
}

/// Asks on the control session.
pub(super) fn ask(host: &dyn Host, text: &str) -> Result<Rows, Fault> {
    host.query(Session::Control, text, ASK_MS_MAX)
        .map_err(|fault| fault.during(&format!("cannot ask the server '{text}'")))
}

fn reach(host: &dyn Host, login: &Login) -> Result<(), Refusal> {
    if let Reach::Socket(path) = &login.reach
        && host.entry(path)?.is_none()
    {
        let what = format!("cannot reach the server: no socket at '{}'", path.display());
        let hint = "Start the server, or name its socket with 'socket' in [server].";
        return Err(Refusal::new(what, hint));
    }
    host.greet(login).map(drop).map_err(|fault| unreached(login, &fault))
}

/// The numbers are of MySQL's and MariaDB's error lists: 1045 and 1698 access denied, 1130 host not
/// allowed, 1040 too many connections.
fn unreached(login: &Login, fault: &Fault) -> Refusal {
    let hint = match fault.cause().sql {
        Some(1045 | 1698) => denied(login),
        Some(1130) => "Create the account for this host as well, or use the socket.".into(),
        Some(1040) => "Raise max_connections, or wait; two connections are needed.".into(),
        None if fault.cause().why.ends_with(NO_TLS) => {
            "Give the server a certificate (ssl_cert, ssl_key), use its socket, or write tls = \"off\" \
             in [server] if everything may be sent in the clear."
                .into()
        }
        _ => format!("Check that the server runs and takes connections at '{login}'."),
    };
    Refusal::new(fault.to_string(), hint)
}

fn denied(login: &Login) -> String {
    match &login.secret {
        Secret::None => "Name an account and its password with 'option_file' in [server], or let \
                         root in by the socket."
            .into(),
        Secret::OptionFile(path) => format!(
            "Check user and password in '{p}': 'mariadb --defaults-file={p}' or 'mysql \
             --defaults-file={p}' must get in.",
            p = path.display()
        ),
        Secret::Credential(name) => {
            format!("Check user and password in the credential '{name}' of the service.")
        }
        Secret::ConfigFile(path) => {
            format!("Check 'user' and 'password' under [server] in '{}'.", path.display())
        }
    }
}

/// Whether the account may do what every run does.
pub(super) fn may_lock(met: &Met, notes: &mut Vec<Note>) -> Result<(), Refusal> {
    allowed(&met.granted, &grants::base(&met.server, met.kind), &met.account, notes)
}

/// Refuses if a privilege is missing, unless a role may hold it: a server shows the privileges of a
/// role only while it is active.
pub(super) fn allowed(
    granted: &Granted,
    needs: &[Need],
    account: &str,
    notes: &mut Vec<Note>,
) -> Result<(), Refusal> {
    let missing = granted.missing(needs);
    if missing.is_empty() {
        let names: Vec<_> = needs.iter().map(|need| need.purpose).collect();
        pass(notes, Aspect::Privileges, format!("'{account}' may do all of: {}", names.join(", ")));
        return Ok(());
    }
    let named = |need: &Need| format!("{} ({})", need.privilege, need.purpose);
    let list: Vec<_> = missing.iter().map(named).collect();
    let what = format!("the account '{account}' lacks {}", list.join(", "));
    if granted.has_roles() {
        warn(notes, Aspect::Privileges, format!("{what}, unless a role of it has them"));
        return Ok(());
    }
    Err(Refusal::new(what, format!("Run: {};", grants::statement(&missing, account))))
}

/// A node of a Galera cluster would need to be desynced before it may stand still.
pub(super) fn no_cluster(met: &Met) -> Result<(), Refusal> {
    if !met.settings.is_on("wsrep_on") {
        return Ok(());
    }
    let hint = "Back up an asynchronous replica of the cluster instead.";
    Err(Refusal::new("cannot back up a node of a Galera cluster yet (wsrep_on is ON)", hint))
}
