//! The simulated server: its sessions, its global lock, its writes and its binary log.

use std::hash::{Hash, Hasher};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::replication;
use super::statements::{self, Running};
use crate::database::Flavour;
use crate::database::dialect::WRITE_LOGS;
use crate::database::settings::OPEN_TEMPORARY_TABLES;
use crate::host::{Fault, Rows, Session, Sql};

/// How far the binary log grows with every call while writes go on.
const OWN_STEP: u64 = 7;
/// The same for what an applier executes.
const APPLIER_STEP: u64 = 5;
/// The same for what a receiver reads: it is ahead, and it goes on whatever is locked.
const RECEIVER_STEP: u64 = 11;

/// A server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Whose dialect it speaks.
    pub flavour: Flavour,
    /// Where its filesystem is mounted.
    pub mount: PathBuf,
    /// Its replication channels.
    pub channels: Vec<Channel>,
    /// Which session holds the global lock.
    pub lock: Option<u64>,
    /// Its position in its own binary log.
    pub position: u64,
    /// How much was written in all.
    pub writes: u64,
    /// Whether nobody writes but the appliers.
    pub quiet: bool,
    /// How many temporary tables the appliers hold open.
    pub temporary_tables: u64,
    /// What somebody has run for long.
    pub statements: Vec<Running>,
    /// The sessions whose statements were ended by order.
    pub killed: Vec<u64>,
    /// The world's clock at the last call.
    pub(super) clock: u64,
    /// Whether InnoDB's log was written out after the last write.
    pub logs_written: bool,
    /// Whether the lock came from a statement that failed: then `UNLOCK TABLES` does not release
    /// it, only the end of its session does (seen on MySQL 9.7 after a timed-out FTWRL).
    stuck: bool,
    /// Whether the lock session was ordered to be hung up, and to be killed.
    pub(super) last_resorts: (bool, bool),
    lock_session: Option<Line>,
    control_session: Option<Line>,
    /// Never open: no jail is simulated.
    drill_session: Option<Line>,
    last_connection: u64,
}

/// An open session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    number: u64,
    /// Whether it waits for the answer to a statement, and cannot ask another.
    busy: bool,
}

/// A replication channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Whether its applier runs.
    pub applies: bool,
    /// Whether its applier ran before we came.
    pub applied: bool,
    /// Up to where the applier has executed.
    pub executed: u64,
    /// Up to where the receiver has read.
    pub received: u64,
}

impl Channel {
    /// A channel whose applier runs, or does not.
    pub fn new(name: &str, applies: bool) -> Self {
        Self { name: name.into(), applies, applied: applies, executed: 500, received: 900 }
    }
}

impl Server {
    /// A server that nobody has locked.
    pub fn new(flavour: Flavour, mount: impl Into<PathBuf>, channels: Vec<Channel>) -> Self {
        Self {
            flavour,
            mount: mount.into(),
            channels,
            lock: None,
            position: 400,
            writes: 0,
            quiet: false,
            temporary_tables: 0,
            statements: Vec::new(),
            killed: Vec::new(),
            clock: 0,
            logs_written: false,
            stuck: false,
            last_resorts: (false, false),
            lock_session: None,
            control_session: None,
            drill_session: None,
            last_connection: 40,
        }
    }

    /// Clients write, and appliers apply, if they can.
    pub(super) fn goes_on(&mut self, writable: bool, clock: u64) {
        self.clock = clock;
        self.statements.retain(|one| one.until > clock);
        for channel in &mut self.channels {
            channel.received += RECEIVER_STEP;
            if writable && channel.applies {
                channel.executed += APPLIER_STEP;
            }
        }
        if writable && !(self.quiet && self.stands_still()) {
            self.write();
        }
    }

    /// It is started anew, and its appliers with it.
    pub(super) fn starts_again(&mut self) {
        self.channels.iter_mut().for_each(|channel| channel.applies = channel.applied);
    }

    /// Somebody writes.
    pub(super) fn write(&mut self) {
        self.logs_written = false;
        self.writes += 1;
        self.position += OWN_STEP;
    }

    /// The connection number of a session.
    pub fn number(&self, session: Session) -> Option<u64> {
        self.line(session).map(|line| line.number)
    }

    fn line(&self, session: Session) -> Option<Line> {
        match session {
            Session::Lock => self.lock_session,
            Session::Control => self.control_session,
            Session::Drill => self.drill_session,
        }
    }

    /// The number of a session that can be asked something.
    fn ready(&self, session: Session) -> Result<u64, Fault> {
        match self.line(session) {
            None => Err(Fault::unsure("the server has gone away")),
            Some(line) if line.busy => Err(Fault::refused("the session is still busy")),
            Some(line) => Ok(line.number),
        }
    }

    /// A statement of this session has no answer yet.
    pub(super) fn keep_busy(&mut self, session: Session) {
        if let Some(line) = self.seat(session) {
            line.busy = true;
        }
    }

    fn seat(&mut self, session: Session) -> &mut Option<Line> {
        match session {
            Session::Lock => &mut self.lock_session,
            Session::Control => &mut self.control_session,
            Session::Drill => &mut self.drill_session,
        }
    }

    /// Opens a session, in place of the one there may be.
    pub(super) fn connect(&mut self, session: Session) -> u64 {
        self.close(session);
        self.last_connection += 1;
        if session == Session::Lock {
            self.last_resorts = (false, false);
        }
        *self.seat(session) = Some(Line { number: self.last_connection, busy: false });
        self.last_connection
    }

    /// The session's number; a new one if there is none that could be asked something.
    pub(super) fn greet(&mut self, session: Session) -> u64 {
        self.ready(session).unwrap_or_else(|_| self.connect(session))
    }

    /// A session ends, and with it its lock.
    pub(super) fn close(&mut self, session: Session) {
        let closed = self.seat(session).take().map(|line| line.number);
        if closed.is_some() && self.lock == closed {
            (self.lock, self.stuck) = (None, false);
        }
    }

    /// Ends the lock session by order of the control session.
    pub(super) fn kill(&mut self, session: Session) -> Result<(), Fault> {
        self.ready(Session::Control)?;
        if self.number(session).is_none() {
            return Err(Fault::refused("no such session"));
        }
        self.close(session);
        Ok(())
    }

    /// Whether our lock session holds the lock.
    pub fn is_locked_by_us(&self) -> bool {
        self.lock.is_some() && self.lock == self.number(Session::Lock)
    }

    /// Whether no applier runs.
    pub fn stands_still(&self) -> bool {
        self.channels.iter().all(|channel| !channel.applies)
    }

    /// The channels whose appliers ran before us and do not now.
    pub(super) fn stopped(&self) -> impl Iterator<Item = &str> {
        let stopped = self.channels.iter().filter(|one| one.applied && !one.applies);
        stopped.map(|one| one.name.as_str())
    }

    /// Executes a statement that changes something.
    pub(super) fn execute(&mut self, sql: &Sql) -> Result<(), Fault> {
        let number = self.ready(sql.session)?;
        self.obey(number, &sql.text)
    }

    /// A statement that nobody waits for any more takes effect. That of a lock session only if
    /// the session is still there; what the control session ordered goes on without it.
    pub(super) fn execute_late(&mut self, sql: &Sql) -> Result<(), Fault> {
        let waiting = self.seat(sql.session).as_mut().filter(|line| line.busy);
        match (waiting, sql.session) {
            (Some(line), _) => {
                line.busy = false;
                let number = line.number;
                self.obey(number, &sql.text)
            }
            (None, Session::Control) => self.obey(0, &sql.text),
            (None, Session::Lock | Session::Drill) => Ok(()),
        }
    }

    /// A lock statement that fails and holds all the same.
    pub(super) fn lock_half(&mut self, sql: &Sql) {
        if let (Ok(number), true) = (self.ready(sql.session), is_lock(&sql.text)) {
            self.stuck = self.lock(number, &sql.text).is_ok();
        }
    }

    fn obey(&mut self, number: u64, text: &str) -> Result<(), Fault> {
        match text {
            _ if is_lock(text) => self.lock(number, text),
            _ if text.starts_with("KILL QUERY ") => statements::kill(self, text),
            "UNLOCK TABLES" | "BACKUP STAGE END" => {
                self.unlock(number);
                Ok(())
            }
            "BACKUP STAGE START" | "BACKUP STAGE FLUSH" | "BACKUP STAGE BLOCK_DDL" => Ok(()),
            WRITE_LOGS => {
                self.logs_written = true;
                Ok(())
            }
            _ if text.starts_with("SET ") => Ok(()),
            _ => replication::execute(&mut self.channels, text),
        }
    }

    fn lock(&mut self, number: u64, text: &str) -> Result<(), Fault> {
        if self.statements.iter().any(|one| one.delays(text, self.flavour)) {
            // MySQL keeps what it has got so far until the session ends (seen on 9.7).
            if self.flavour == Flavour::MySql && self.lock.is_none() {
                (self.lock, self.stuck) = (Some(number), true);
            }
            return Err(statements::timed_out());
        }
        match self.lock {
            Some(other) if other != number => Err(Fault::refused("lock wait timeout exceeded")),
            _ => {
                self.lock = Some(number);
                Ok(())
            }
        }
    }

    /// Nothing but the holder's own word releases it.
    fn unlock(&mut self, number: u64) {
        self.lock = self.lock.filter(|holder| *holder != number || self.stuck);
    }

    /// Answers a SELECT or SHOW; nothing if the statement is not simulated.
    pub(super) fn query(&self, session: Session, text: &str) -> Result<Option<Rows>, Fault> {
        let number = self.ready(session)?;
        Ok(Some(match text {
            "SELECT CONNECTION_ID()" => row(&[("CONNECTION_ID()", number.to_string())]),
            "SHOW MASTER STATUS" | "SHOW BINARY LOG STATUS" | "SHOW BINLOG STATUS" => {
                row(&[("File", "binlog.000003".into()), ("Position", self.position.to_string())])
            }
            _ if text.contains("information_schema.PROCESSLIST WHERE ID = ") => {
                row(&[("COUNT(*)", u8::from(self.lock_session.is_some()).to_string())])
            }
            OPEN_TEMPORARY_TABLES => row(&[
                ("Variable_name", "Slave_open_temp_tables".into()),
                ("Value", self.temporary_tables.to_string()),
            ]),
            _ if statements::is_question(text) => statements::long(self, text),
            _ if text.starts_with("SELECT @@GLOBAL.gtid_") => self.gtid_sets(),
            _ if replication::is_status(text) => replication::status(&self.channels, self.flavour),
            _ => return Ok(None),
        }))
    }

    /// The GTID sets, each flavour by its own names.
    fn gtid_sets(&self) -> Rows {
        let position = self.position;
        match self.flavour {
            Flavour::MySql => row(&[
                ("gtid_executed", format!("6f4e0000-0000-0000-0000-000000000001:1-{position}")),
                ("gtid_mode", "ON".into()),
            ]),
            Flavour::MariaDb => row(&[
                ("gtid_binlog_pos", format!("0-2-{position}")),
                ("gtid_slave_pos", format!("0-1-{position}")),
                ("gtid_current_pos", format!("0-2-{position}")),
            ]),
        }
    }

    /// See `World::fingerprint`.
    pub(super) fn fingerprint(&self, hash: &mut impl Hasher) {
        (self.is_locked_by_us(), self.lock.is_some(), self.stuck, self.last_resorts).hash(hash);
        let busy = |line: Option<Line>| line.map(|line| line.busy);
        (busy(self.lock_session), busy(self.control_session)).hash(hash);
        self.channels.iter().for_each(|channel| channel.applies.hash(hash));
        let running: Vec<u64> = self.statements.iter().map(|one| one.id).collect();
        (running, &self.killed, self.temporary_tables).hash(hash);
    }
}

/// Whether a statement takes the global lock.
pub(super) fn is_lock(text: &str) -> bool {
    matches!(text, "FLUSH TABLES WITH READ LOCK" | "BACKUP STAGE BLOCK_COMMIT")
}

/// A result of one row.
fn row(fields: &[(&str, String)]) -> Rows {
    Rows {
        columns: fields.iter().map(|(name, _)| (*name).to_owned()).collect(),
        rows: vec![fields.iter().map(|(_, value)| Some(value.clone())).collect()],
    }
}
