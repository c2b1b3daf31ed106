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
use super::visit::{ASK_MS_MAX, Came, TELL_NS, Visit};
use crate::database::{Server, coordinates};
use crate::host::{Act, Ask, Fault, Host, Rows, Session};
use crate::units::Millis;

/// How often a server that died of a table is started again.
const REVIVALS_MAX: usize = 3;
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
    pub(super) visit: Visit<'a>,
    pub(super) drill: &'a Drill,
    tell: &'a mut dyn FnMut(Event),
    pub(super) report: Report,
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
    let began = host.now().unwrap_or_default();
    let visit = Visit::new(host, &drill.server);
    let mut stage = Stage { visit, drill, tell, report, began };
    let result = play(&mut stage);
    let Stage { visit: Visit { host, .. }, .. } = stage;
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
    let server = stage.visit.meet()?;
    stage.positions(&server)?;
    if stage.tables()? { stage.assertions() } else { Ok(()) }
}

impl Stage<'_> {
    /// Makes the throw-away directory, looks whether there is room for what will be written, and
    /// copies where there is no overlay.
    pub(super) fn furnish(&mut self) -> Result<(), Fault> {
        self.drill.place.make(self.visit.host, &self.drill.state_dir)?;
        let clones = self.visit.host.act(&Act::Run(self.drill.clone.clone())).is_ok();
        self.visit.host.heed_signal()?;
        let (whole, little) = self.drill.needs;
        let needs = if clones { little } else { whole };
        let free = self.visit.host.space(&self.drill.place.home)?.free;
        if free < needs {
            let below = self.drill.place.home.parent().unwrap_or(&self.drill.place.home).display();
            let why = if clones { "" } else { ", since files cannot be cloned there" };
            return Err(Fault::refused(format!(
                "too little space at '{below}' for the drill: {free} free, up to {needs} needed{why}"
            )));
        }
        for act in self.drill.furnish() {
            self.visit.host.act(&act)?;
        }
        if self.drill.way == Way::Copy {
            (self.tell)(Event::Copying);
        }
        for copy in &self.drill.copies {
            self.visit
                .host
                .act(&Act::Start { cmd: copy.clone(), priority: self.drill.server.priority })?;
            self.copied()?;
        }
        Ok(())
    }

    /// Waits for a copy.
    fn copied(&mut self) -> Result<(), Fault> {
        loop {
            let said = self.visit.host.hear(Millis(500))?;
            self.visit.host.heed_signal()?;
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
        self.visit.start()
    }

    /// Waits until the server answers; whether it ever did.
    pub(super) fn wait(&mut self) -> Result<bool, Fault> {
        match self.visit.wait()? {
            Came::After(ready) => {
                self.report.ready_ms = Some(ready);
                (self.tell)(Event::Ready(ready));
                Ok(true)
            }
            Came::Never(why) => {
                self.problem(why);
                Ok(false)
            }
        }
    }

    /// Compares where it stands with where the record says that the backup does.
    fn positions(&mut self, server: &Server) -> Result<(), Fault> {
        let (past, logs) = (&self.drill.past, self.drill.logs);
        let mut found = Vec::new();
        let mut answers = Vec::new();
        for text in server.own_position() {
            match self.visit.host.query(Session::Drill, &text, ASK_MS_MAX) {
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
                self.visit.ask("SHOW BINARY LOGS", ASK_MS_MAX)?
            } else {
                Rows::default()
            };
            found.extend(compare::binary_log(&then.own, &files, logs));
        }
        if !then.channels.is_empty() {
            let status = self.visit.ask(server.replica_status(), ASK_MS_MAX)?;
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
        let tables = judge::tables(&self.visit.ask(judge::TABLES, ASK_MS_MAX)?);
        self.report.tables.all = tables.len();
        let mut told = self.visit.host.now()?;
        let mut deaths = 0;
        for table in &tables {
            self.visit.host.heed_signal()?;
            if !self.check(table)? {
                deaths += 1;
                if deaths > REVIVALS_MAX || !self.revive()? {
                    let (checked, all) = (self.report.tables.checked, self.report.tables.all);
                    self.report.remark(format!("{} tables are not checked", all - checked));
                    return Ok(false);
                }
            }
            let now = self.visit.host.now()?;
            if now.saturating_sub(told) >= TELL_NS {
                told = now;
                (self.tell)(Event::Checking(self.report.tables));
                self.visit.listen()?;
            }
        }
        Ok(true)
    }

    /// Starts the server again that has died; whether it answers.
    fn revive(&mut self) -> Result<bool, Fault> {
        self.keep_complaints();
        self.visit.host.act(&Act::End)?;
        self.visit.log = Log::default();
        self.start()?;
        let first = self.report.ready_ms;
        let answers = self.wait()?;
        self.report.ready_ms = first;
        if answers {
            self.visit.meet()?;
        }
        Ok(answers)
    }

    /// Checks one; whether the server is there after it.
    fn check(&mut self, table: &Table) -> Result<bool, Fault> {
        let rows = match self.visit.host.query(Session::Drill, &table.check(), self.visit.left()?) {
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
        self.visit.host.heed_signal()?;
        if fault.is_overdue() {
            return Err(fault.clone().during("the drill took too long, so it says nothing"));
        }
        if fault.cause().sql.is_some() {
            self.problem(what);
            return Ok(true);
        }
        // How it ended may come a moment after its connections are gone.
        let until = self.visit.host.now()?.saturating_add(TELL_NS);
        while self.visit.log.over.is_none() && self.visit.host.now()? < until {
            if self.visit.listen()? {
                break;
            }
        }
        self.visit.not_for_want_of_room()?;
        let how = self.visit.log.over.clone().unwrap_or_else(|| "it hung up".into());
        self.problem(format!("{what}: {how}: {}", self.visit.log.words()));
        Ok(false)
    }

    /// Asks the operator's own questions.
    fn assertions(&mut self) -> Result<(), Fault> {
        self.report.assertions.1 = self.drill.assertions.len();
        for text in &self.drill.assertions {
            self.visit.host.heed_signal()?;
            match self.visit.host.query(Session::Drill, text, self.visit.left()?) {
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
        if self.visit.log.over.is_none() {
            self.visit.listen()?;
        }
        self.keep_complaints();
        let now = self.visit.host.now()?;
        self.report.took_ms = Millis(now.saturating_sub(self.began) / 1_000_000);
        Ok(self.report.clone())
    }

    /// What the server complained of.
    fn keep_complaints(&mut self) {
        for line in self.visit.log.errors() {
            self.report.remark(line.clone());
        }
    }

    fn problem(&mut self, what: String) {
        (self.tell)(Event::Problem(what.clone()));
        self.report.problem(what);
    }
}
