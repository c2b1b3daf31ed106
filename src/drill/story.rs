//! One drill, as a story: make room, build the jail, wait for the server, compare, check, assert;
//! and whatever became of it, end the jail and remove what it wrote.
//!
//! What is wrong with the backup is in the report. A fault is something else: the drill could not
//! be carried through, and nothing is known of the backup that was not known before.

use super::compare::{self, Found};
use super::judge::{self, Table};
use super::log::Log;
use super::plan::{Drill, Way};
use super::report::{Event, Report};
use crate::database::coordinates;
use crate::database::{INTRODUCTION, Server};
use crate::host::jail::SOCKET;
use crate::host::{Act, Ask, Fault, Host, Login, Reach, Rows, Secret, Session};
use crate::units::{Bytes, Millis};

/// How long the server is listened to before it is tried again.
const LISTEN: Millis = Millis(20);
/// How long one try may take.
const VISIT_MS_MAX: Millis = Millis(5_000);
/// How long a question about positions may take.
const ASK_MS_MAX: Millis = Millis(60_000);
/// How often it is told how far the tables are, and the server's words are taken.
const TELL_NS: u64 = 2_000_000_000;
/// How often a server that died of a table is started again.
const REVIVALS_MAX: usize = 3;
/// With less than this a filesystem is full, whatever the server says of it.
const FULL: Bytes = Bytes(16 << 20);

/// How a drill ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was found; a fault where nothing could be.
    pub result: Result<Report, Fault>,
    /// What was left: the throw-away directory, or a server that does not end.
    pub left: Option<Fault>,
}

/// What the parts share.
pub(super) struct Stage<'a> {
    pub(super) host: &'a mut dyn Host,
    pub(super) drill: &'a Drill,
    tell: &'a mut dyn FnMut(Event),
    pub(super) report: Report,
    pub(super) log: Log,
    began: u64,
}

/// Carries it through. The caller has the drill lock.
pub fn drill(host: &mut dyn Host, drill: &Drill, tell: &mut dyn FnMut(Event)) -> Outcome {
    let whole = |stage: &mut Stage<'_>| attempt(stage).and_then(|()| stage.done());
    let (result, left) = staged(host, drill, tell, whole);
    Outcome { result, left }
}

/// Whatever is done with a private server: at its end the jail goes with all that was written; also
/// what could not be removed.
pub(super) fn staged<T>(
    host: &mut dyn Host,
    drill: &Drill,
    tell: &mut dyn FnMut(Event),
    play: impl FnOnce(&mut Stage<'_>) -> Result<T, Fault>,
) -> (Result<T, Fault>, Option<Fault>) {
    let report = Report::new(&drill.backup, &drill.program, &drill.version, drill.way);
    let log = Log::default();
    let began = host.now().unwrap_or_default();
    let mut stage = Stage { host, drill, tell, report, log, began };
    let result = play(&mut stage);
    let Stage { host, .. } = stage;
    let _nobody_listens = host.act(&Act::Hangup(Session::Drill));
    // Behind a server that does not end nothing is removed: it would go on writing there.
    let left = host.act(&Act::End).and_then(|_| drill.place.remove(host, &drill.state_dir)).err();
    (result, left)
}

fn attempt(stage: &mut Stage<'_>) -> Result<(), Fault> {
    stage.furnish()?;
    stage.start()?;
    if !stage.wait()? {
        return Ok(());
    }
    let server = stage.meet()?;
    stage.positions(&server)?;
    if stage.tables()? { stage.assertions() } else { Ok(()) }
}

impl Stage<'_> {
    /// Makes the throw-away directory, looks whether there is room for what will be written, and
    /// copies where there is no overlay.
    pub(super) fn furnish(&mut self) -> Result<(), Fault> {
        self.drill.place.make(self.host, &self.drill.state_dir)?;
        let clones = self.host.act(&Act::Run(self.drill.clone.clone())).is_ok();
        self.heed_signal()?;
        let (whole, little) = self.drill.needs;
        let needs = if clones { little } else { whole };
        let free = self.host.space(&self.drill.place.home)?.free;
        if free < needs {
            let below = self.drill.place.home.parent().unwrap_or(&self.drill.place.home).display();
            let why = if clones { "" } else { ", since files cannot be cloned there" };
            return Err(Fault::refused(format!(
                "too little space at '{below}' for the drill: {free} free, up to {needs} needed{why}"
            )));
        }
        for act in self.drill.furnish() {
            self.host.act(&act)?;
        }
        if self.drill.way == Way::Copy {
            (self.tell)(Event::Copying);
        }
        for copy in &self.drill.copies {
            self.host.act(&Act::Start { cmd: copy.clone(), priority: self.drill.priority })?;
            self.copied()?;
        }
        Ok(())
    }

    /// Waits for a copy.
    fn copied(&mut self) -> Result<(), Fault> {
        loop {
            let said = self.host.hear(Millis(500))?;
            self.heed_signal()?;
            match said.exit {
                None => {}
                Some(exit) if exit.code == Some(0) => return Ok(()),
                Some(exit) => {
                    return Err(Fault::unsure(format!("cannot copy the backup: {}", exit.stderr)));
                }
            }
        }
    }

    pub(super) fn start(&mut self) -> Result<(), Fault> {
        (self.tell)(Event::Starting);
        let (cmd, priority) = (self.drill.jail.clone(), self.drill.priority);
        self.host.act(&Act::Start { cmd, priority }).map(drop)
    }

    /// Waits until the server answers; whether it ever did. Whoever says something new is making
    /// progress, however long recovery takes.
    pub(super) fn wait(&mut self) -> Result<bool, Fault> {
        let mut heard = self.host.now()?;
        loop {
            let said = self.host.hear(LISTEN)?;
            let now = self.host.now()?;
            if !said.lines.is_empty() {
                heard = now;
                self.log.take(&said.lines);
            }
            self.heed_signal()?;
            if let Some(exit) = said.exit {
                return self.never_came(&exit.stderr).map(|()| false);
            }
            if let (Some(pid), Some(begun)) = (self.log.pid, self.log.begun)
                && self.host.act(&Act::Visit(login(pid))).is_ok()
            {
                let ready = Millis(self.host.now()?.saturating_sub(begun) / 1_000_000);
                self.report.ready_ms = Some(ready);
                (self.tell)(Event::Ready(ready));
                return Ok(true);
            }
            if now.saturating_sub(heard) / 1_000_000 > self.drill.quiet_ms_max.0 {
                let (limit, words) = (self.drill.quiet_ms_max, self.log.words());
                self.problem(format!("the server does not come up: silent for {limit}: {words}"));
                return Ok(false);
            }
        }
    }

    /// The jail has ended before the server answered. Without a server it was never built.
    fn never_came(&mut self, stderr: &str) -> Result<(), Fault> {
        if self.log.begun.is_none() {
            return Err(Fault::refused(stderr.to_owned()));
        }
        self.not_for_want_of_room()?;
        let how = self.log.over.clone().unwrap_or_else(|| "it is gone".into());
        self.problem(format!("the server does not come up: {how}: {}", self.log.words()));
        Ok(())
    }

    /// A full disk says nothing of a backup.
    fn not_for_want_of_room(&self) -> Result<(), Fault> {
        let free = self.host.space(&self.drill.place.home)?.free;
        if free >= FULL {
            return Ok(());
        }
        let home = self.drill.place.home.display();
        Err(Fault::refused(format!("no space is left at '{home}', so the drill says nothing")))
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

    /// Compares where it stands with where the record says that the backup does.
    fn positions(&mut self, server: &Server) -> Result<(), Fault> {
        let (past, logs) = (&self.drill.past, self.drill.logs);
        let mut found = Vec::new();
        let mut answers = Vec::new();
        for text in server.own_position() {
            match self.host.query(Session::Drill, &text, ASK_MS_MAX) {
                Ok(rows) => answers.push(rows),
                Err(fault) => found.push(Found::Unknown(format!("'{text}': {fault}"))),
            }
        }
        let then = &past.coordinates;
        if let Ok(now) = coordinates::own(server, &answers) {
            found.extend(compare::gtids(server, &then.own, &now, logs));
        }
        if then.own.file.is_some() {
            let files = if logs.binary {
                self.ask("SHOW BINARY LOGS", ASK_MS_MAX)?
            } else {
                Rows::default()
            };
            found.extend(compare::binary_log(&then.own, &files, logs));
        }
        if !then.channels.is_empty() {
            let status = self.ask(server.replica_status(), ASK_MS_MAX)?;
            match coordinates::channels(server, &status) {
                Ok(now) => found.extend(compare::channels(then, &now, logs)),
                Err(why) => found.push(Found::Unknown(format!("appliers: {why}"))),
            }
        }
        for one in found {
            match one {
                Found::Same(what) => self.report.same.push(what),
                Found::Other(what) => self.problem(what),
                Found::Unknown(why) => self.report.not_compared.push(why),
            }
        }
        Ok(())
    }

    /// Checks every table, one after the other; whether the server is there at the end of it. Where
    /// it dies of a damaged one it is started again: MySQL does so of the first page that is wrong,
    /// and there may be others.
    fn tables(&mut self) -> Result<bool, Fault> {
        let tables = judge::tables(&self.ask(judge::TABLES, ASK_MS_MAX)?);
        self.report.tables.all = tables.len();
        let mut told = self.host.now()?;
        let mut deaths = 0;
        for table in &tables {
            self.heed_signal()?;
            if !self.check(table)? {
                deaths += 1;
                if deaths > REVIVALS_MAX || !self.revive()? {
                    let (checked, all) = (self.report.tables.checked, self.report.tables.all);
                    self.report.remark(format!("{} tables are not checked", all - checked));
                    return Ok(false);
                }
            }
            let now = self.host.now()?;
            if now.saturating_sub(told) >= TELL_NS {
                told = now;
                (self.tell)(Event::Checking(self.report.tables));
                self.listen()?;
            }
        }
        Ok(true)
    }

    /// Starts the server again that has died; whether it answers.
    fn revive(&mut self) -> Result<bool, Fault> {
        self.keep_complaints();
        self.host.act(&Act::End)?;
        self.log = Log::default();
        self.start()?;
        let first = self.report.ready_ms;
        let answers = self.wait()?;
        self.report.ready_ms = first;
        if answers {
            self.meet()?;
        }
        Ok(answers)
    }

    /// Checks one; whether the server is there after it.
    fn check(&mut self, table: &Table) -> Result<bool, Fault> {
        let rows = match self.host.query(Session::Drill, &table.check(), self.left()?) {
            Ok(rows) => rows,
            Err(fault) => {
                let what = format!("{}: {fault}", table.quoted());
                self.report.tables.checked += 1;
                return self.survives(&fault, what);
            }
        };
        let verdict = table.judge(&rows);
        self.report.tables.checked += 1;
        self.report.tables.uncheckable += usize::from(verdict.uncheckable);
        verdict.problems.into_iter().for_each(|what| self.problem(what));
        verdict.remarks.into_iter().for_each(|what| self.report.remark(what));
        Ok(true)
    }

    /// After a statement that failed: whether the server is still there. An answer with an error
    /// number is one of a server that goes on.
    fn survives(&mut self, fault: &Fault, what: String) -> Result<bool, Fault> {
        self.heed_signal()?;
        if fault.is_overdue() {
            return Err(fault.clone().during("the drill took too long, so it says nothing"));
        }
        if fault.cause().sql.is_some() {
            self.problem(what);
            return Ok(true);
        }
        // How it ended may come a moment after its connections are gone.
        let until = self.host.now()?.saturating_add(TELL_NS);
        while self.log.over.is_none() && self.host.now()? < until {
            if self.listen()? {
                break;
            }
        }
        self.not_for_want_of_room()?;
        let how = self.log.over.clone().unwrap_or_else(|| "it hung up".into());
        self.problem(format!("{what}: {how}: {}", self.log.words()));
        Ok(false)
    }

    /// Asks the operator's own questions.
    fn assertions(&mut self) -> Result<(), Fault> {
        self.report.assertions.1 = self.drill.assertions.len();
        for text in &self.drill.assertions {
            self.heed_signal()?;
            match self.host.query(Session::Drill, text, self.left()?) {
                Ok(rows) => match judge::holds(&rows) {
                    Ok(()) => self.report.assertions.0 += 1,
                    Err(why) => self.problem(format!("assertion '{text}': {why}")),
                },
                Err(fault) => {
                    let what = format!("assertion '{text}': {fault}");
                    if !self.survives(&fault, what)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The end of it: what the server complained of is worth a word, if nothing else is wrong.
    fn done(&mut self) -> Result<Report, Fault> {
        if self.log.over.is_none() {
            self.listen()?;
        }
        self.keep_complaints();
        let now = self.host.now()?;
        self.report.took_ms = Millis(now.saturating_sub(self.began) / 1_000_000);
        Ok(self.report.clone())
    }

    /// What the server complained of.
    fn keep_complaints(&mut self) {
        for line in self.log.errors() {
            self.report.remark(line.clone());
        }
    }

    pub(super) fn ask(&mut self, text: &str, ms_max: Millis) -> Result<Rows, Fault> {
        let asked = self.host.query(Session::Drill, text, ms_max);
        asked.map_err(|fault| fault.during(&format!("cannot ask the private server '{text}'")))
    }

    /// Takes what the server has said meanwhile; whether its jail is gone.
    fn listen(&mut self) -> Result<bool, Fault> {
        let Ok(said) = self.host.hear(LISTEN) else { return Ok(true) };
        self.log.take(&said.lines);
        self.heed_signal()?;
        Ok(said.exit.is_some())
    }

    /// How long the next statement may take.
    pub(super) fn left(&self) -> Result<Millis, Fault> {
        let gone = Millis(self.host.now()?.saturating_sub(self.began) / 1_000_000);
        match self.drill.ms_max.0.checked_sub(gone.0) {
            Some(left) if left > 0 => Ok(Millis(left)),
            _ => Err(Fault::refused(format!(
                "the drill took longer than {}, so it says nothing",
                self.drill.ms_max
            ))),
        }
    }

    fn problem(&mut self, what: String) {
        (self.tell)(Event::Problem(what.clone()));
        self.report.problem(what);
    }

    fn heed_signal(&self) -> Result<(), Fault> {
        match self.host.signal()? {
            Some(signal) => Err(Fault::refused(format!("interrupted by signal {signal}"))),
            None => Ok(()),
        }
    }
}

/// The way into the jail leads through the process that sees what the jail sees.
fn login(pid: u32) -> Login {
    Login {
        reach: Reach::Socket(format!("/proc/{pid}/root{SOCKET}").into()),
        user: Some("root".into()),
        secret: Secret::None,
        connect_ms_max: VISIT_MS_MAX,
    }
}
