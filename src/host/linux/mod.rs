//! The real machine: every look and every act, done by the kernel, by programs and by a server.
//!
//! This file only holds what lives as long as the process and sends each call to the file that
//! does it. Deliberately absent: decisions, retries beyond the few that a call's own contract
//! names, and any output; between `Arm` and `Disarm` nothing here writes to a file or a log.
// This folder is the one place where programs are run, files opened and clocks read.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod command;
pub mod deadman;
mod dm;
mod empty;
#[cfg(test)]
mod fake_server;
mod files;
mod freeze;
mod guard;
mod hold;
mod inspect;
pub mod jail;
mod kernel;
mod login;
mod long;
mod machine;
mod mounts;
pub mod outlet;
mod outside;
mod reading;
mod run_lock;
mod said;
mod secret;
pub mod service;
mod sessions;
mod shell;
mod signals;
mod sql;
mod tree;
mod watch;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{
    Act, Answer, Cmd, Fault, Guard, Host, Look, Point, Rows, Session, Shell, Sight, Standing, Watch,
};
use crate::units::Millis;
use dm::DeviceMapper;
use freeze::Points;
use guard::DeadMan;
use machine::Kernel;
use outside::Outside;
use run_lock::RunLock;
use sessions::Sessions;
use shell::Slot;
use signals::{FromNow, Signals};

pub(crate) use machine::{credentials_directory, wall_clock};

/// The machine we run on.
pub struct Linux {
    signals: Signals,
    kernel: Kernel,
    sessions: Sessions,
    run_locks: BTreeMap<PathBuf, RunLock>,
    dead_man: RefCell<Option<DeadMan>>,
    points: Points,
    device_mapper: RefCell<DeviceMapper>,
    shell: RefCell<Slot>,
    long: RefCell<long::Slot>,
    reading: RefCell<reading::Slot>,
    outside: Option<Outside>,
}

impl Linux {
    /// Prepares the process: signals become flags, descriptors we inherited stay with us, what we
    /// create is for our user alone, and no crash writes out the memory that has a password in it.
    pub fn new() -> io::Result<Self> {
        let signals = Signals::install()?;
        // The limit is not heeded where cores go through a pipe, and the other is: core(5).
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
        nix::sys::prctl::set_dumpable(false)?;
        kernel::keep_descriptors_to_ourselves()?;
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
        Ok(Self {
            sessions: Sessions::new(signals.clone()),
            signals,
            kernel: Kernel::default(),
            run_locks: BTreeMap::new(),
            dead_man: RefCell::default(),
            points: Points::default(),
            device_mapper: RefCell::default(),
            shell: RefCell::default(),
            long: RefCell::default(),
            reading: RefCell::default(),
            outside: None,
        })
    }

    /// The signals that may interrupt a command that begins now.
    fn interrupt(&self) -> FromNow {
        self.signals.since_now()
    }

    fn ask(&self, session: Session, text: &str, ms_max: Millis) -> Result<Rows, Fault> {
        self.sessions.ask(session, text, ms_max).map_err(|fault| match session {
            Session::Lock => self.explained(fault),
            Session::Control | Session::Drill => fault,
        })
    }

    /// Says why the lock session broke, if it was our own dead-man who closed it.
    fn explained(&self, fault: Fault) -> Fault {
        match self.dead_man.borrow_mut().as_mut().and_then(DeadMan::has_acted) {
            Some(why) => fault.during(&why),
            None => fault,
        }
    }

    fn guard(&mut self, order: &Guard) -> Result<Answer, Fault> {
        if self.dead_man.get_mut().is_some() {
            return Err(Fault::refused("a dead-man is watching already"));
        }
        let started = self.start_dead_man(order);
        if started.is_err() {
            self.points.close();
        }
        *self.dead_man.get_mut() = Some(started?);
        Ok(Answer::Done)
    }

    fn start_dead_man(&mut self, order: &Guard) -> Result<DeadMan, Fault> {
        self.points.open(&order.thaw)?;
        let socket = self.sessions.lock_socket()?;
        DeadMan::start(&self.points.opened(&order.thaw), socket.as_ref())
    }

    fn arm(&mut self, ms_max: Millis) -> Result<Answer, Fault> {
        match self.dead_man.get_mut() {
            Some(dead_man) => dead_man.arm(ms_max),
            None => Err(Fault::refused("there is no dead-man to arm")),
        }
    }

    fn disarm(&mut self) -> Result<Answer, Fault> {
        if let Some(dead_man) = self.dead_man.get_mut().take() {
            dead_man.dismiss()?;
        }
        self.points.close();
        Ok(Answer::Done)
    }

    fn isolate(&mut self) -> Result<Answer, Fault> {
        if self.outside.is_none() {
            let kept = Outside::keep();
            let kept = kept.map_err(|e| Fault::refused(format!("cannot start a thread: {e}")))?;
            self.outside = Some(kept);
        }
        mounts::isolate()
    }

    /// Runs a program of the operator's, which sees the mounts that we were started with.
    fn hook(&self, cmd: &Cmd) -> Result<Answer, Fault> {
        let (cmd, interrupt) = (cmd.clone(), self.interrupt());
        match &self.outside {
            None => command::run(&cmd, &interrupt),
            Some(outside) => outside
                .run(move || command::run(&cmd, &interrupt))
                .unwrap_or_else(|| Err(Fault::unsure("the thread that runs hooks has ended"))),
        }
    }

    /// Also opens what the looks at devices need: in the window nothing is opened.
    fn open_shell(&mut self, order: &Shell) -> Result<Answer, Fault> {
        self.device_mapper.get_mut().open()?;
        self.shell.get_mut().open(order)
    }

    fn standing(&self, point: &Point) -> Result<Standing, Fault> {
        self.device_mapper.borrow_mut().standing(point)
    }

    fn watch(&self, order: &Watch) -> Result<Sight, Fault> {
        let mut shell = self.shell.borrow_mut();
        watch::watch(shell.running()?, order, &self.interrupt(), &mut || {
            self.standing(&order.point)
        })
    }

    fn take_run_lock(&mut self, path: &Path, text: &str) -> Result<Answer, Fault> {
        match self.run_locks.get_mut(path) {
            Some(held) => run_lock::say(held, text)
                .map_err(|error| Fault::unsure(format!("cannot write the run lock: {error}")))?,
            None => {
                self.run_locks.insert(path.into(), run_lock::take(path, text)?);
            }
        }
        Ok(Answer::Done)
    }
}

impl Host for Linux {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        match what {
            Look::Machine => self.kernel.machine().map(Answer::Machine),
            Look::Now => machine::now().map(Answer::Nanos),
            Look::Signal => Ok(Answer::Signal(self.signals.seen())),
            Look::Program(name) => Ok(Answer::Path(machine::program(name))),
            Look::Mounts => mounts::all().map(Answer::Mounts),
            Look::Path(path) => inspect::entry(path).map(Answer::Entry),
            Look::Links(path) => inspect::links(path).map(Answer::Links),
            Look::RunLock(path) => run_lock::holder(path).map(Answer::Text),
            Look::List(path) => inspect::list(path).map(Answer::Names),
            Look::File(path) => inspect::text(path).map(Answer::Text),
            Look::LongFile(path) => inspect::long_text(path).map(Answer::Text),
            Look::Tree(path) => tree::walk(path, &self.interrupt()).map(Answer::Tree),
            Look::Read(order) => self.reading.borrow_mut().begin(order).map(|()| Answer::Done),
            Look::Readings(ms) => {
                self.reading.borrow_mut().hear(*ms, &self.interrupt()).map(Answer::Readings)
            }
            Look::Space(path) => inspect::space(path).map(Answer::Space),
            Look::Usage(path) => inspect::usage(path).map(Answer::Bytes),
            Look::Run(cmd) => command::run(cmd, &self.interrupt()),
            Look::Greet(login) => self.sessions.greet(login).map(Answer::Connection),
            Look::Query { session, text, ms_max } => {
                self.ask(*session, text, *ms_max).map(Answer::Rows)
            }
            Look::Point(point) => self.standing(point).map(Answer::Standing),
            Look::Watch(watch) => self.watch(watch).map(Answer::Sight),
            Look::Device(name) => self.device_mapper.borrow_mut().device(name).map(Answer::Device),
            Look::Pool(pool) => self.device_mapper.borrow_mut().pool(pool).map(Answer::PoolFill),
            Look::Cow(name) => self.device_mapper.borrow_mut().cow(name).map(Answer::CowFill),
            Look::Synchrony => machine::synchrony().map(Answer::Synchrony),
            Look::Pause(ms) => {
                std::thread::sleep((*ms).into());
                Ok(Answer::Done)
            }
            Look::Hear(ms) => self.long.borrow_mut().hear(*ms, &self.interrupt()).map(Answer::Said),
        }
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        match what {
            Act::TakeRunLock { path, text } => self.take_run_lock(path, text),
            Act::Isolate => self.isolate(),
            Act::MakeDir(path) => files::make_dir(path),
            Act::NewDir(path) => files::new_dir(path),
            Act::WriteFile { path, text } => files::write(path, text),
            Act::WriteReadable { path, text } => files::write_readable(path, text),
            Act::RemoveFile(path) => files::remove(path),
            Act::RemoveDir(path) => files::remove_dir(path),
            Act::RemoveTree(path) => files::remove_tree(path),
            Act::Empty { directory, but } => empty::empty(directory, but, &self.signals),
            Act::Own { path, owner, mode } => files::own(path, *owner, *mode),
            Act::Connect(login) => self.sessions.connect(login).map(Answer::Connection),
            Act::Visit(login) => self.sessions.visit(login).map(Answer::Connection),
            Act::Sql(sql) => self.ask(sql.session, &sql.text, sql.ms_max).map(|_| Answer::Done),
            Act::SqlKeyed(keyed) => self.sessions.ask_keyed(keyed).map(|_| Answer::Done),
            Act::Kill(session) => self.sessions.kill(*session),
            Act::Hangup(session) => self.sessions.hang_up(*session),
            Act::Guard(order) => self.guard(order),
            Act::Arm(ms) => self.arm(*ms),
            Act::Disarm => self.disarm(),
            Act::Freeze(path) => self.points.freeze(path),
            Act::Thaw(path) => self.points.thaw(path),
            Act::Run(cmd) => command::run(cmd, &self.interrupt()),
            Act::Hook(cmd) => self.hook(cmd),
            Act::Start { cmd, priority } => self.long.get_mut().start(cmd, *priority),
            Act::End => self.long.get_mut().end(),
            Act::OpenShell(shell) => self.open_shell(shell),
            Act::HoldShell => self.shell.get_mut().hold(),
            Act::LetGo => self.shell.get_mut().let_go(),
            Act::Order(command) => self.shell.get_mut().order(command),
            Act::CloseShell(ms) => self.shell.get_mut().close(*ms),
            Act::Mount(order) => mounts::mount(order),
            Act::Unmount(path) => mounts::unmount(path),
            Act::SyncFs(path) => mounts::sync(path),
            Act::Publish { from, to } | Act::Withdraw { from, to } => files::rename(from, to),
        }
    }
}
