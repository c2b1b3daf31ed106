//! The two sessions of a run, and which of them may do what.
//!
//! The control session is opened again when it is found dead; the lock session never is, since
//! its lock would be gone without a word.

use std::cell::RefCell;
use std::os::fd::OwnedFd;

use super::secret;
use super::signals::Signals;
use super::sql::Line;
use crate::database::dialect::quoted;
use crate::host::{Answer, Fault, Keyed, Login, Rows, Session};
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
    drill: RefCell<Option<Line>>,
    /// Whom the control session talks to: recovery may go from one server to the next.
    greeted: RefCell<Option<Login>>,
}

impl Sessions {
    /// None yet.
    pub(super) fn new(signals: Signals) -> Self {
        Self {
            signals,
            lock: RefCell::default(),
            lock_id: None,
            control: RefCell::default(),
            drill: RefCell::default(),
            greeted: RefCell::default(),
        }
    }

    /// Opens the control session unless it is alive and of this login; its number.
    pub(super) fn greet(&self, login: &Login) -> Result<u64, Fault> {
        let mut control = self.control.borrow_mut();
        let same = self.greeted.borrow().as_ref() == Some(login);
        if same && let Some(id) = control.as_mut().and_then(|line| number(line, login).ok()) {
            return Ok(id);
        }
        if let Some(mut dead) = control.take() {
            dead.hang_up()?;
        }
        let (line, id) = opened(Session::Control, login)?;
        *control = Some(line);
        *self.greeted.borrow_mut() = Some(login.clone());
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

    /// Opens the drill session in place of the one there may be; its number.
    pub(super) fn visit(&mut self, login: &Login) -> Result<u64, Fault> {
        if let Some(mut last) = self.drill.get_mut().take() {
            last.hang_up()?;
        }
        let (line, id) = opened(Session::Drill, login)?;
        *self.drill.get_mut() = Some(line);
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

    /// Sends a statement and waits for its answer. A signal ends the wait, but on the control
    /// session.
    pub(super) fn ask(&self, session: Session, text: &str, ms_max: Millis) -> Result<Rows, Fault> {
        let interrupt = (session != Session::Control).then(|| self.signals.since_now());
        match self.of(session).borrow_mut().as_mut() {
            Some(line) => line.ask(text, ms_max, interrupt.as_ref()),
            None => Err(Fault::refused(format!("there is no {session}"))),
        }
    }

    /// Sends a statement with a password in it. A server quotes what it does not understand, so of
    /// an error it gave nothing but the number is told.
    pub(super) fn ask_keyed(&self, keyed: &Keyed) -> Result<Rows, Fault> {
        let credentials = secret::read(&keyed.secret)?;
        let missing = || Fault::refused("its file has no password");
        let password = credentials.password.ok_or_else(missing)?;
        let text = format!("{}{}{}", keyed.before, quoted(password.expose()), keyed.after);
        let interrupt = self.signals.since_now();
        let mut line = self.of(keyed.session).borrow_mut();
        let none = || Fault::refused(format!("there is no {}", keyed.session));
        let line = line.as_mut().ok_or_else(none)?;
        let answer = line.ask_as(&text, &keyed.to_string(), keyed.ms_max, Some(&interrupt));
        answer.map_err(|fault| match fault.cause().sql {
            Some(_) => fault.silenced("whose words may quote the password"),
            None => fault,
        })
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
            Session::Drill => &self.drill,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::fake_server::FakeServer;
    use super::*;

    fn sessions() -> (Sessions, Arc<AtomicUsize>) {
        let flag = Arc::new(AtomicUsize::new(0));
        (Sessions::new(Signals::of_test(Arc::clone(&flag))), flag)
    }

    fn told(outcome: Result<Rows, Fault>) -> String {
        match outcome {
            Ok(_) => "done".into(),
            Err(Fault::Refused(cause)) => format!("refused: {}", cause.why),
            Err(Fault::Unsure(cause)) => format!("unsure: {}", cause.why),
            Err(Fault::Overdue(cause)) => format!("overdue: {}", cause.why),
        }
    }

    #[test]
    fn the_control_session_comes_back_and_the_lock_session_does_not() {
        let server = FakeServer::start();
        let (mut sessions, _) = sessions();
        assert_eq!(sessions.greet(&server.login()), Ok(1));
        assert_eq!(sessions.greet(&server.login()), Ok(1));
        assert_eq!(sessions.connect(&server.login()), Ok(2));
        assert!(sessions.connect(&server.login()).is_err(), "there is one already");
        for session in [Session::Control, Session::Lock] {
            let gone = told(sessions.ask(session, "VANISH", Millis(2000)));
            assert_eq!(gone, "unsure: the connection is gone");
        }
        assert_eq!(sessions.greet(&server.login()), Ok(3));
        assert!(told(sessions.ask(Session::Lock, "BEGIN", Millis(2000))).starts_with("unsure"));
        assert!(sessions.connect(&server.login()).is_err(), "only a hangup ends it");
        assert_eq!(sessions.hang_up(Session::Lock), Ok(Answer::Done));
        assert_eq!(sessions.connect(&server.login()), Ok(4));
    }

    #[test]
    fn a_late_statement_keeps_its_session_busy_until_it_is_answered() {
        let server = FakeServer::start();
        let (mut sessions, _) = sessions();
        sessions.connect(&server.login()).unwrap();
        let ask = |text, ms| told(sessions.ask(Session::Lock, text, Millis(ms)));
        assert_eq!(ask("SLEEP 400", 100), "overdue: 'SLEEP 400' has no answer after 100 ms");
        let busy = "refused: the lock session is still busy with 'SLEEP 400'";
        assert_eq!(ask("BEGIN", 2000), busy);
        thread::sleep(Duration::from_millis(600));
        assert_eq!(ask("FAIL 1064", 2000), "refused: as asked (error 1064)");
        assert_eq!(ask("FAIL 1205", 2000), "unsure: as asked (error 1205)");
        assert_eq!(ask("BEGIN", 2000), "done");
    }

    #[test]
    fn a_hangup_works_whatever_the_session_is_doing() {
        let server = FakeServer::start();
        let (mut sessions, _) = sessions();
        assert_eq!(sessions.hang_up(Session::Lock), Ok(Answer::Done));
        sessions.connect(&server.login()).unwrap();
        sessions.ask(Session::Lock, "SLEEP 60000", Millis(50)).unwrap_err();
        let other_handle = sessions.lock_socket().unwrap();
        assert!(other_handle.is_some());
        for _ in 0..2 {
            assert_eq!(sessions.hang_up(Session::Lock), Ok(Answer::Done));
        }
        let closed = told(sessions.ask(Session::Lock, "BEGIN", Millis(2000)));
        assert_eq!(closed, "refused: the lock session is closed");
        assert!(sessions.lock_socket().unwrap().is_none());
    }

    #[test]
    fn a_signal_ends_the_wait_for_the_lock_and_no_other() {
        let server = FakeServer::start();
        let (mut sessions, flag) = sessions();
        sessions.connect(&server.login()).unwrap();
        sessions.greet(&server.login()).unwrap();
        let later = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            flag.store(2, Ordering::SeqCst);
        });
        let control = told(sessions.ask(Session::Control, "SLEEP 50", Millis(2000)));
        let began = Instant::now();
        let lock = told(sessions.ask(Session::Lock, "SLEEP 60000", Millis(60_000)));
        assert!(control == "done" && began.elapsed() < Duration::from_secs(30), "{control}");
        assert_eq!(lock, "unsure: 'SLEEP 60000' was interrupted by SIGINT");
        later.join().unwrap();
        sessions.hang_up(Session::Lock).unwrap();
        sessions.connect(&server.login()).unwrap();
        assert_eq!(told(sessions.ask(Session::Lock, "SLEEP 100", Millis(2000))), "done");
        assert_eq!(told(sessions.ask(Session::Control, "SLEEP 100", Millis(2000))), "done");
    }

    #[test]
    fn a_password_is_sent_and_shown_nowhere() {
        let server = FakeServer::start();
        let (mut sessions, _) = sessions();
        sessions.visit(&server.login()).unwrap();
        let path = server.file("login.cnf", "[client]\nuser = u\npassword = \"it's hidden\"\n");
        let keyed = |before: &str, ms| Keyed {
            session: Session::Drill,
            before: before.into(),
            after: ", MORE = 1".into(),
            secret: crate::host::Secret::OptionFile(path.clone()),
            ms_max: Millis(ms),
        };
        let ask = |before, ms| told(sessions.ask_keyed(&keyed(before, ms)));
        assert_eq!(ask("CHANGE X TO PASSWORD = ", 2000), "done");
        assert_eq!(server.heard(), "CHANGE X TO PASSWORD = 'it''s hidden', MORE = 1");
        let refused = "refused: error 1064, whose words may quote the password";
        assert_eq!(ask("QUOTE ", 2000), refused);
        let late = "overdue: 'LATE ***, MORE = 1' has no answer after 50 ms";
        assert_eq!(ask("LATE ", 50), late);
        let busy = "refused: the drill session is still busy with 'LATE ***, MORE = 1'";
        assert_eq!(told(sessions.ask(Session::Drill, "SELECT 1", Millis(50))), busy);
        let none = server.file("none.cnf", "[client]\nuser = u\n");
        let keyed = Keyed { secret: crate::host::Secret::OptionFile(none), ..keyed("X", 50) };
        assert_eq!(told(sessions.ask_keyed(&keyed)), "refused: its file has no password");
    }

    #[test]
    fn a_server_that_never_speaks_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let _mute = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let login = Login {
            reach: crate::host::Reach::Socket(path),
            connect_ms_max: Millis(100),
            ..FakeServer::start().login()
        };
        let told = sessions().0.greet(&login).unwrap_err().to_string();
        assert!(told.ends_with("': the server does not answer"), "{told}");
    }
}
