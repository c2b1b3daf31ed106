//! One session with the server: a thread that owns the connection, and a caller who waits with a
//! deadline, so that nothing we do can block for ever.
//!
//! Deliberately absent: reconnecting. A session that broke stays broken, because a lock that was
//! held by it is gone with it. What a statement means is none of our business either.

use std::error::Error as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, DriverError, Error, OptsBuilder, Row, Value};
use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use super::login;
use super::signals::FromNow;
use crate::host::{Cause, Fault, Login, NO_TLS, Rows};
use crate::units::{Bytes, Millis};

/// The most rows, and the most bytes, that one answer may have.
const ROWS_MAX: usize = 100_000;
const ROWS_BYTES_MAX: usize = 64 << 20;

/// How often a waiting caller looks whether a signal came.
const TICK: Duration = Duration::from_millis(20);

/// How long after the driver's own deadline we go on waiting for a connection.
const CONNECT_GRACE: Duration = Duration::from_millis(500);

/// Error numbers, the same in MySQL and MariaDB unless said.
mod code {
    /// Errors after which something may be done all the same. The connection is ending
    /// (`ER_SERVER_SHUTDOWN`, `ER_ABORTING_CONNECTION`, `ER_NET_*`, `ER_CONNECTION_KILLED`,
    /// `ER_CLIENT_INTERACTION_TIMEOUT`); `ER_LOCK_WAIT_TIMEOUT`, since on MySQL a FLUSH TABLES
    /// WITH READ LOCK that ran into it keeps the global read lock until its session closes; and
    /// `ER_QUERY_INTERRUPTED`, with MariaDB's `ER_STATEMENT_TIMEOUT`.
    pub(super) const UNSURE: [u16; 13] =
        [1053, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 4031, 1205, 1317, 1969];
    /// `ER_STOP_REPLICA_SQL_THREAD_TIMEOUT` and the receiver's (MySQL): the thread "will stop once
    /// the current task is complete".
    pub(super) const STILL_COMING: [u16; 2] = [1875, 1876];
}

/// A session, seen from the caller.
pub(super) struct Line {
    name: String,
    ask: Option<Sender<String>>,
    told: Receiver<Result<Rows, Fault>>,
    socket: OwnedFd,
    /// What was sent and not yet answered.
    busy: Option<String>,
}

impl Line {
    /// Connects and logs in.
    pub(super) fn open(name: impl Into<String>, login: &Login) -> Result<Self, Fault> {
        let name = name.into();
        let wrong = |why: &str| Fault::refused(format!("cannot connect to '{login}': {why}"));
        let options = login::options(login)?;
        let (ask, asked) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let (greet, greeted) = mpsc::channel();
        thread::Builder::new()
            .name(name.clone())
            .spawn(move || serve(options, &greet, &asked, &tell))
            .map_err(|error| wrong(&error.to_string()))?;
        let patience = Duration::from(login.connect_ms_max);
        match greeted.recv_timeout(patience.saturating_add(CONNECT_GRACE)) {
            Ok(Ok(socket)) => Ok(Self { name, ask: Some(ask), told, socket, busy: None }),
            Ok(Err(fault)) => Err(fault.during(&format!("cannot connect to '{login}'"))),
            Err(_) => Err(wrong(&format!("no answer within {}", login.connect_ms_max))),
        }
    }

    /// Sends a statement and waits for its end. After a late or interrupted statement the session
    /// is busy: it takes no other until that one is answered, if it ever is.
    pub(super) fn ask(
        &mut self,
        text: &str,
        ms_max: Millis,
        interrupt: Option<&FromNow>,
    ) -> Result<Rows, Fault> {
        self.ask_as(text, text, ms_max, interrupt)
    }

    /// The same, and what is told of it, now and while it is busy, is `shown` in place of the text.
    pub(super) fn ask_as(
        &mut self,
        text: &str,
        shown: &str,
        ms_max: Millis,
        interrupt: Option<&FromNow>,
    ) -> Result<Rows, Fault> {
        self.ready()?;
        let name = &self.name;
        let closed = || Fault::refused(format!("the {name} is closed"));
        let ask = self.ask.as_ref().ok_or_else(closed)?;
        ask.send(text.to_owned()).map_err(|_| closed())?;
        self.busy = Some(shown.to_owned());
        self.wait(shown, ms_max, interrupt)
    }

    /// Shuts the socket, whatever the connection's thread is doing with it.
    pub(super) fn hang_up(&mut self) -> Result<(), Fault> {
        self.ask = None;
        match shutdown(self.socket.as_raw_fd(), Shutdown::Both) {
            Ok(()) | Err(nix::errno::Errno::ENOTCONN) => Ok(()),
            Err(errno) => Err(Fault::unsure(format!("cannot close the {}: {errno}", self.name))),
        }
    }

    /// Whether it was hung up.
    pub(super) fn is_closed(&self) -> bool {
        self.ask.is_none()
    }

    /// The socket, for the dead-man.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Refuses while an earlier statement has no answer.
    fn ready(&mut self) -> Result<(), Fault> {
        let Some(earlier) = &self.busy else { return Ok(()) };
        if !self.is_closed() && self.told.try_recv().is_err() {
            let name = &self.name;
            return Err(Fault::refused(format!("the {name} is still busy with '{earlier}'")));
        }
        self.busy = None;
        Ok(())
    }

    fn wait(
        &mut self,
        text: &str,
        ms_max: Millis,
        interrupt: Option<&FromNow>,
    ) -> Result<Rows, Fault> {
        let deadline = Instant::now() + Duration::from(ms_max);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.told.recv_timeout(left.min(TICK)) {
                Ok(answer) => {
                    self.busy = None;
                    return answer;
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.broken(text)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(signal) = interrupt.and_then(FromNow::came) {
                return Err(Fault::unsure(format!("'{text}' was interrupted by {signal}")));
            }
            if left.is_zero() {
                return Err(Fault::overdue(format!("'{text}' has no answer after {ms_max}")));
            }
        }
    }

    fn broken(&self, text: &str) -> Fault {
        Fault::unsure(format!("the {} broke during '{text}'", self.name))
    }
}

/// The session's thread: connects, then answers until nobody asks any more.
fn serve(
    options: OptsBuilder,
    greet: &Sender<Result<OwnedFd, Fault>>,
    asked: &Receiver<String>,
    tell: &Sender<Result<Rows, Fault>>,
) {
    let (mut conn, socket) = match connect(options) {
        Ok(both) => both,
        Err(fault) => return drop(greet.send(Err(fault))),
    };
    if greet.send(Ok(socket)).is_err() {
        return;
    }
    while let Ok(text) = asked.recv() {
        if tell.send(rows(&mut conn, &text)).is_err() {
            return;
        }
    }
}

fn connect(options: OptsBuilder) -> Result<(Conn, OwnedFd), Fault> {
    let conn = Conn::new(options).map_err(|error| Fault::Refused(cause(&error)))?;
    let socket = own_handle(&conn).map_err(|error| Fault::refused(error.to_string()))?;
    Ok((conn, socket))
}

/// A second handle on the connection's socket, with the handshake's deadlines taken off: a
/// statement's deadline is the caller's.
fn own_handle(conn: &Conn) -> io::Result<OwnedFd> {
    let socket = super::kernel::borrow(conn).try_clone_to_owned()?;
    let never = TimeVal::seconds(0);
    setsockopt(&socket, sockopt::ReceiveTimeout, &never)?;
    setsockopt(&socket, sockopt::SendTimeout, &never)?;
    Ok(socket)
}

/// Sends one statement and takes its first result set.
fn rows(conn: &mut Conn, text: &str) -> Result<Rows, Fault> {
    let mut result = conn.query_iter(text).map_err(|error| fault(&error))?;
    let columns = result.columns();
    let names = columns.as_ref().iter().map(|column| column.name_str().into_owned());
    let mut rows = Rows { columns: names.collect(), rows: Vec::new() };
    let mut bytes = 0;
    for row in result.iter().into_iter().flatten() {
        let row = values(row.map_err(|error| fault(&error))?);
        bytes += row.iter().flatten().map(String::len).sum::<usize>();
        rows.rows.push(row);
        if rows.rows.len() > ROWS_MAX || bytes > ROWS_BYTES_MAX {
            let limit = Bytes(ROWS_BYTES_MAX as u64);
            return Err(Fault::unsure(format!("an answer of over {ROWS_MAX} rows or {limit}")));
        }
    }
    Ok(rows)
}

fn values(row: Row) -> Vec<Option<String>> {
    let text = |value| match value {
        None | Some(Value::NULL) => None,
        Some(Value::Bytes(bytes)) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Some(other) => Some(other.as_sql(true)),
    };
    row.unwrap_raw().into_iter().map(text).collect()
}

/// What a failed statement leaves us knowing. The server's own word that it failed means that
/// nothing was done, but for the few errors named above; without its word nothing is known.
fn fault(error: &Error) -> Fault {
    let told = cause(error);
    match told.sql {
        Some(sql) if code::STILL_COMING.contains(&sql) => Fault::Overdue(told),
        Some(sql) if code::UNSURE.contains(&sql) => Fault::Unsure(told),
        Some(_) => Fault::Refused(told),
        None => Fault::Unsure(told),
    }
}

/// The error without the driver's wrapping.
fn cause(error: &Error) -> Cause {
    let why = match error {
        Error::MySqlError(said) => format!("{} (error {})", said.message, said.code),
        Error::IoError(error) => heard(error),
        Error::CodecError(error) => match error.source().and_then(|inner| inner.downcast_ref()) {
            Some(error) => heard(error),
            None => error.to_string().to_lowercase(),
        },
        Error::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => why.clone(),
        Error::DriverError(DriverError::TlsNotSupported) => NO_TLS.to_owned(),
        Error::DriverError(error) => error.to_string(),
        Error::TlsError(error) => format!("TLS: {error}"),
        other => other.to_string(),
    };
    let sql = if let Error::MySqlError(said) = error { Some(said.code) } else { None };
    Cause { why, sql }
}

/// A socket's deadline says `EAGAIN`, which tells an operator nothing.
fn heard(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "the server does not answer".into(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "the connection is gone".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use mysql::MySqlError;

    use super::*;

    fn said(code: u16) -> Fault {
        let (state, message) = ("HY000".into(), "no".into());
        fault(&Error::MySqlError(MySqlError { state, message, code }))
    }

    #[test]
    fn the_servers_word_decides_what_is_known() {
        let denied = said(1227);
        assert_eq!(denied.to_string(), "no (error 1227)");
        assert!(matches!(denied, Fault::Refused(Cause { sql: Some(1227), .. })));
        assert!(matches!(said(1205), Fault::Unsure(Cause { sql: Some(1205), .. })));
        assert!(matches!(said(1053), Fault::Unsure(_)));
        assert!(said(1875).is_overdue());
        let broken = fault(&Error::IoError(std::io::ErrorKind::BrokenPipe.into()));
        assert!(matches!(broken, Fault::Unsure(Cause { sql: None, .. })));
    }
}
