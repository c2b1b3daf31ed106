//! The two sessions of a run, and which of them may do what.
//!
//! The control session is opened again when it is found dead; the lock session never is, since
//! its lock would be gone without a word.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use super::signals::Signals;
use super::sql::Line;
use crate::host::{Answer, Fault, Login, Rows, Session};
use crate::units::Millis;

/// How a session's number is asked for; the one in the handshake has only 32 bits.
const WHO_AM_I: &str = "SELECT CONNECTION_ID()";

/// How long the server may take to take note of a KILL.
const KILL_MS_MAX: Millis = Millis(5_000);

/// The sessions that are open.
pub(super) struct Sessions {
    signals: Signals,
    lock: RefCell<Option<Line>>,
    /// The server's number for the lock session, kept so that it can be killed by it.
    lock_id: Option<u64>,
    control: RefCell<Option<Line>>,
}

impl Sessions {
    /// None yet.
    pub(super) fn new(signals: Signals) -> Self {
        Self { signals, lock: RefCell::default(), lock_id: None, control: RefCell::default() }
    }

    /// Opens the control session unless it is alive; its number.
    pub(super) fn greet(&self, login: &Login) -> Result<u64, Fault> {
        let mut control = self.control.borrow_mut();
        if let Some(id) = control.as_mut().and_then(|line| number(line, login).ok()) {
            return Ok(id);
        }
        if let Some(mut dead) = control.take() {
            dead.hang_up()?;
        }
        let (line, id) = opened(Session::Control, login)?;
        *control = Some(line);
        Ok(id)
    }

    /// Opens the lock session; its number. Refused while there is one.
    pub(super) fn connect(&mut self, login: &Login) -> Result<u64, Fault> {
        let lock = self.lock.get_mut();
        if lock.as_ref().is_some_and(|line| !line.is_closed()) {
            return Err(Fault::refused("the lock session is open already"));
        }
        let (line, id) = opened(Session::Lock, login)?;
        *lock = Some(line);
        self.lock_id = Some(id);
        Ok(id)
    }

    /// Ends the lock session from the control session.
    pub(super) fn kill(&self, session: Session) -> Result<Answer, Fault> {
        match (session, self.lock_id) {
            (Session::Lock, Some(id)) => {
                let text = format!("KILL CONNECTION {id}");
                self.ask(Session::Control, &text, KILL_MS_MAX).map(|_| Answer::Done)
            }
            _ => Err(Fault::refused(format!("there is no {session} to end"))),
        }
    }

    /// Sends a statement and waits for its answer. On the lock session a signal ends the wait.
    pub(super) fn ask(&self, session: Session, text: &str, ms_max: Millis) -> Result<Rows, Fault> {
        let interrupt = (session == Session::Lock).then(|| self.signals.since_now());
        match self.of(session).borrow_mut().as_mut() {
            Some(line) => line.ask(text, ms_max, interrupt.as_ref()),
            None => Err(Fault::refused(format!("there is no {session}"))),
        }
    }

    /// Shuts a session's socket; done as well if there is none.
    pub(super) fn hang_up(&self, session: Session) -> Result<Answer, Fault> {
        match self.of(session).borrow_mut().as_mut() {
            Some(line) => line.hang_up().map(|()| Answer::Done),
            None => Ok(Answer::Done),
        }
    }

    /// A handle on the lock session's socket, for the dead-man.
    pub(super) fn lock_socket(&self) -> Result<Option<OwnedFd>, Fault> {
        let lock = self.lock.borrow();
        let open = lock.as_ref().filter(|line| !line.is_closed());
        open.map(|line| line.socket().try_clone_to_owned()).transpose().map_err(|error| {
            Fault::refused(format!("cannot hand over the lock session's socket: {error}"))
        })
    }

    fn of(&self, session: Session) -> &RefCell<Option<Line>> {
        match session {
            Session::Lock => &self.lock,
            Session::Control => &self.control,
        }
    }
}

fn opened(session: Session, login: &Login) -> Result<(Line, u64), Fault> {
    let mut line = Line::open(session.to_string(), login)?;
    let id = number(&mut line, login)?;
    Ok((line, id))
}

fn number(line: &mut Line, login: &Login) -> Result<u64, Fault> {
    let rows = line.ask(WHO_AM_I, login.connect_ms_max, None)?;
    let told = rows.only().unwrap_or("nothing");
    told.parse().map_err(|_| {
        Fault::refused(format!("'{WHO_AM_I}' should give a number, the server said '{told}'"))
    })
}
