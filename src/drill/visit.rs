//! A visit to a private server: its jail is built, it is waited for, it is seen to be the one in
//! the jail, asked, and shut down. Deliberately absent: what it is visited for.

use super::log::Log;
use crate::database::{INTRODUCTION, Server};
use crate::host::jail::SOCKET;
use crate::host::{Act, Ask, Cmd, Fault, Host, Login, Priority, Reach, Rows, Secret, Session, Sql};
use crate::units::{Bytes, Millis};

/// How long the server is listened to before it is tried again.
pub(super) const LISTEN: Millis = Millis(20);
/// How long one try may take.
const VISIT_MS_MAX: Millis = Millis(5_000);
/// How long a question about positions may take.
pub(super) const ASK_MS_MAX: Millis = Millis(60_000);
/// How often it is told how far it is, and the server's words are taken.
pub(super) const TELL_NS: u64 = 2_000_000_000;
/// With less than this a filesystem is full, whatever the server says of it.
const FULL: Bytes = Bytes(16 << 20);

/// A private server, decided.
#[derive(Clone, Debug)]
pub(super) struct Private {
    /// What it is for, in a word or two.
    pub(super) task: &'static str,
    /// The command that builds its jail and starts it.
    pub(super) jail: Cmd,
    pub(super) priority: Priority,
    /// How long all of it may take.
    pub(super) ms_max: Millis,
    /// How long it may be silent before it answers.
    pub(super) quiet_ms_max: Millis,
    /// A directory on the filesystem that it writes to.
    pub(super) room: std::path::PathBuf,
}

/// A visit that goes on.
pub(super) struct Visit<'a> {
    pub(super) host: &'a mut dyn Host,
    private: &'a Private,
    pub(super) log: Log,
    began: u64,
    /// When it was started, or last said something.
    heard: u64,
}

/// Whether a server came up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// It answered, so long after its process began.
    After(Millis),
    /// It never did; why, in words.
    Never(String),
}

impl<'a> Visit<'a> {
    /// The time it may take runs from now on.
    pub(super) fn new(host: &'a mut dyn Host, private: &'a Private) -> Self {
        let began = host.now().unwrap_or_default();
        Self { host, private, log: Log::default(), began, heard: began }
    }

    /// Builds the jail, with the server in it.
    pub(super) fn start(&mut self) -> Result<(), Fault> {
        self.heard = self.host.now()?;
        let (cmd, priority) = (self.private.jail.clone(), self.private.priority);
        self.host.act(&Act::Start { cmd, priority }).map(drop)
    }

    /// Waits until the server answers. Whoever says something new is making progress, however long
    /// recovery takes.
    pub(super) fn wait(&mut self) -> Result<Came, Fault> {
        loop {
            if let Some(came) = self.try_once(&mut |_| {})? {
                return Ok(came);
            }
        }
    }

    /// Listens for a moment and tries it once; nothing if it is still to come. `each` is told what
    /// the server says.
    pub(super) fn try_once(&mut self, each: &mut dyn FnMut(&str)) -> Result<Option<Came>, Fault> {
        let said = self.host.hear(LISTEN)?;
        let now = self.host.now()?;
        if !said.lines.is_empty() {
            self.heard = now;
            self.log.take(&said.lines);
            said.lines.iter().for_each(|line| each(line));
        }
        self.host.heed_signal()?;
        if let Some(exit) = said.exit {
            return self.never_came(&exit.stderr).map(Some);
        }
        if let (Some(pid), Some(begun)) = (self.log.pid, self.log.begun)
            && self.host.act(&Act::Visit(login(pid))).is_ok()
        {
            let nanos = self.host.now()?.saturating_sub(begun);
            return Ok(Some(Came::After(Millis(nanos / 1_000_000))));
        }
        if now.saturating_sub(self.heard) / 1_000_000 > self.private.quiet_ms_max.0 {
            let (limit, words) = (self.private.quiet_ms_max, self.log.words());
            let why = format!("the server does not come up: silent for {limit}: {words}");
            return Ok(Some(Came::Never(why)));
        }
        Ok(None)
    }

    /// The jail has ended before the server answered. Without a server it was never built.
    fn never_came(&mut self, stderr: &str) -> Result<Came, Fault> {
        if self.log.begun.is_none() {
            return Err(Fault::refused(stderr.to_owned()));
        }
        self.not_for_want_of_room()?;
        let how = self.log.over.clone().unwrap_or_else(|| "it is gone".into());
        Ok(Came::Never(format!("the server does not come up: {how}: {}", self.log.words())))
    }

    /// A full disk says nothing of a backup.
    pub(super) fn not_for_want_of_room(&self) -> Result<(), Fault> {
        let free = self.host.space(&self.private.room)?.free;
        if free >= FULL {
            return Ok(());
        }
        let (room, task) = (self.private.room.display(), self.private.task);
        Err(Fault::refused(format!("no space is left at '{room}' for {task}")))
    }

    /// Asks who it is, and makes sure that it is the one in the jail.
    pub(super) fn meet(&mut self) -> Result<Server, Fault> {
        let place = self.ask("SELECT @@socket AS socket, @@datadir AS datadir", ASK_MS_MAX)?;
        if place.get(0, "socket") != Some(SOCKET) {
            let found = place.get(0, "socket").unwrap_or("nothing");
            let what = format!("expected the server at '{SOCKET}', found the one at '{found}'");
            return Err(Fault::refused(what));
        }
        let rows = self.ask(INTRODUCTION, ASK_MS_MAX)?;
        let word = |column| rows.get(0, column).unwrap_or_default();
        Server::parse(word("version"), word("comment")).map_err(Fault::refused)
    }

    pub(super) fn ask(&mut self, text: &str, ms_max: Millis) -> Result<Rows, Fault> {
        let asked = self.host.query(Session::Drill, text, ms_max);
        asked.map_err(|fault| fault.during(&format!("cannot ask the private server '{text}'")))
    }

    /// Shuts it down and waits for the end of its jail: its files are as those of a server that was
    /// stopped in good order.
    pub(super) fn shut_down(&mut self) -> Result<(), Fault> {
        let (session, text, ms_max) = (Session::Drill, "SHUTDOWN".to_owned(), self.left()?);
        // Its last answer may be lost; whether it was shut down its end tells.
        let asked = self.host.act(&Act::Sql(Sql { session, text, ms_max }));
        if let Err(fault) = asked.as_ref()
            && fault.cause().sql.is_some()
        {
            return asked.map(drop);
        }
        while !self.listen()? {
            self.left()?;
        }
        match &self.log.over {
            Some(how) if how == ENDED_WELL => Ok(()),
            how => {
                let how = how.clone().unwrap_or_else(|| "it is gone".into());
                let words = self.log.words();
                Err(Fault::unsure(format!("the server did not shut down: {how}: {words}")))
            }
        }
    }

    /// Takes what the server has said meanwhile; whether its jail is gone.
    pub(super) fn listen(&mut self) -> Result<bool, Fault> {
        let Ok(said) = self.host.hear(LISTEN) else { return Ok(true) };
        self.log.take(&said.lines);
        self.host.heed_signal()?;
        Ok(said.exit.is_some())
    }

    /// How long the next statement may take.
    pub(super) fn left(&self) -> Result<Millis, Fault> {
        let gone = Millis(self.host.now()?.saturating_sub(self.began) / 1_000_000);
        let (task, all) = (self.private.task, self.private.ms_max);
        let left = all.0.checked_sub(gone.0).filter(|left| *left > 0);
        left.map(Millis).ok_or_else(|| {
            Fault::refused(format!(
                "{task} took longer than {all} ('seconds_max' in [drill]), so it says nothing"
            ))
        })
    }
}

/// What the jail says of a server that was shut down.
pub(super) const ENDED_WELL: &str = "it ended with status 0";

/// The way into the jail leads through the process that sees what the jail sees.
fn login(pid: u32) -> Login {
    Login {
        reach: Reach::Socket(format!("/proc/{pid}/root{SOCKET}").into()),
        user: Some("root".into()),
        secret: Secret::None,
        connect_ms_max: VISIT_MS_MAX,
    }
}
