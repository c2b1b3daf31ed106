//! What there is in the simulated machine, how time passes in it, and how a process ends.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::files::{Files, Node, Owner};
use super::long::{self, Long};
use super::reading::UnderWay;
use super::rules::{Breach, Rule};
use super::server::Server;
use super::shell::{self, Shell, Twist};
use super::statements;
use super::volumes::Volumes;
use crate::host::{Machine, Mount, Rows, Session};
use crate::units::Millis;

/// Where the backups of all scenarios go.
const DESTINATION: &str = "/backup";

/// How far the clock goes with every call.
const CALL_NS: u64 = 1_000_000;

/// Everything there is.
#[derive(Clone, Debug)]
pub struct World {
    /// The host, its boot and the present process.
    pub machine: Machine,
    /// The database server.
    pub server: Server,
    /// Logical volumes.
    pub volumes: Volumes,
    /// Files and directories.
    pub files: Files,
    /// Mounts, in the kernel's order.
    pub mounts: Vec<Mounted>,
    /// The mount points of frozen filesystems.
    pub frozen: BTreeSet<PathBuf>,
    /// The dead-man, while it waits.
    pub dead_man: Option<DeadMan>,
    /// The shell of lvm, while there is one.
    pub shell: Option<Shell>,
    /// The copy, while it goes on.
    pub long: Option<Long>,
    /// The files that are being read.
    pub reading: Option<UnderWay>,
    /// Whether the kernel lets a process be traced.
    pub traceable: bool,
    /// Whether the process has a mount namespace of its own.
    pub isolated: bool,
    /// A signal that has come.
    pub signal: Option<i32>,
    /// Where programs are found.
    pub programs: Vec<PathBuf>,
    /// What commands print that only read, by how one would type them.
    pub outputs: Vec<(String, String)>,
    /// What the server answers beside what is simulated, by how a statement begins.
    pub answers: Vec<(String, Rows)>,
    /// The programs of the operator's that were run, as one would type them.
    pub hooked: Vec<String>,
    /// The monotonic clock, in nanoseconds.
    pub clock: u64,
    /// Every rule that was broken.
    pub breaches: Vec<Breach>,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// As the kernel tells it.
    pub mount: Mount,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is in the process's own namespace, and goes with it.
    pub private: bool,
}

/// The dead-man.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMan {
    /// What it thaws.
    pub thaw: Vec<PathBuf>,
    /// The time on the clock until which the window may be open, once it is armed.
    pub until: Option<u64>,
}

/// Something that happens to the machine without our doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// SIGTERM comes.
    Signal,
    /// The COW stores of our snapshots overflow.
    Overflow,
    /// The server ends the lock session.
    SessionLost,
    /// Somebody else makes a volume in our thin pool.
    OthersInPool,
    /// The thin pools fill up.
    PoolFills,
    /// The COW stores of our snapshots fill up, but for a little.
    StoreFills,
    /// The copy goes wrong.
    CopyFails,
    /// The destination is unmounted, lazily, whoever uses it.
    Unmounted,
    /// What lvm was ordered to do goes another way.
    Lvm(Twist),
    /// A statement of somebody has run for long, and the lock would wait for it.
    Statement,
    /// Somebody writes to a server that nobody writes to.
    Write,
    /// A session's statement gets no answer within this time.
    NoAnswer(Option<Session>, Millis),
}

impl Event {
    /// What may happen at any call.
    pub const UNASKED: [Self; 13] = [
        Self::Signal,
        Self::Overflow,
        Self::SessionLost,
        Self::OthersInPool,
        Self::PoolFills,
        Self::StoreFills,
        Self::CopyFails,
        Self::Lvm(Twist::Leap),
        Self::Lvm(Twist::Fail),
        Self::Lvm(Twist::Die),
        Self::Lvm(Twist::Hang),
        Self::Statement,
        Self::Write,
    ];
}

impl World {
    /// A world in which a server's files are at `datadir_mount`, and nothing else is.
    pub fn new(machine: Machine, server: Server) -> Self {
        Self {
            machine,
            server,
            volumes: Volumes::default(),
            files: Files::default(),
            mounts: Vec::new(),
            frozen: BTreeSet::new(),
            dead_man: None,
            shell: None,
            long: None,
            reading: None,
            traceable: true,
            isolated: false,
            signal: None,
            programs: Vec::new(),
            outputs: Vec::new(),
            answers: Vec::new(),
            hooked: Vec::new(),
            clock: 1_000 * CALL_NS,
            breaches: Vec::new(),
        }
    }

    /// Whether the server's clients can write.
    pub fn is_writable(&self) -> bool {
        let stands = self.frozen.contains(&self.server.mount) || shell::suspends(self);
        self.server.lock.is_none() && !stands
    }

    /// One call's time passes.
    pub(super) fn tick(&mut self) {
        self.clock += CALL_NS;
        shell::go_on(self);
        let overrun = self.dead_man.as_ref().is_some_and(|one| one.has_overrun(self.clock));
        if overrun {
            self.dead_man_acts();
        }
        let writable = self.is_writable();
        self.server.goes_on(writable, self.clock);
    }

    /// Something happens.
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Signal => self.signal = Some(15),
            Event::Overflow => self.volumes.overflow(),
            Event::SessionLost => self.server.close(Session::Lock),
            Event::OthersInPool => self.volumes.others_in_pool(),
            Event::PoolFills => self.volumes.fill_pools(),
            Event::StoreFills => self.volumes.fill_stores(),
            Event::CopyFails => long::spoil(self),
            Event::Unmounted => self.mounts.retain(|one| !one.is_destination()),
            Event::Lvm(twist) => shell::twist(self, twist),
            Event::Statement => statements::appear(&mut self.server),
            Event::Write => self.server.write(),
            Event::NoAnswer(session, ms) => {
                self.clock += ms.0 * 1_000_000;
                shell::go_on(self);
                if let Some(session) = session {
                    self.server.keep_busy(session);
                }
            }
        }
    }

    /// Whether an event would change anything now.
    pub(super) fn is_possible(&self, event: Event) -> bool {
        match event {
            Event::Signal => self.signal.is_none(),
            Event::Overflow => self.volumes.can_overflow(),
            Event::SessionLost => self.server.number(Session::Lock).is_some(),
            Event::OthersInPool => {
                self.volumes.pools.iter().any(|pool| !pool.used_by_others)
                    && !shell::has_the_group(self)
            }
            Event::PoolFills => self.volumes.can_fill(),
            Event::StoreFills => self.volumes.can_fill_stores(),
            Event::CopyFails => long::can_fail(self),
            Event::Unmounted => self.mounts.iter().any(Mounted::is_destination),
            Event::Lvm(twist) => shell::can(self, twist),
            Event::Statement => statements::can_appear(&self.server),
            Event::Write => self.server.quiet && self.is_writable(),
            Event::NoAnswer(..) => true,
        }
    }

    /// What the kernel and the dead-man do when a process is gone: its sockets are closed, its
    /// private mounts vanish, and the dead-man that was not dismissed lets the server go.
    pub(super) fn end_process(&mut self) {
        if self.dead_man.is_some() {
            self.dead_man_acts();
        }
        self.server.close(Session::Lock);
        self.server.close(Session::Control);
        self.long = None;
        self.reading = None;
        shell::orphan(self);
        self.mounts.retain(|one| !one.private);
        self.isolated = false;
        self.signal = None;
        self.machine.pid += 1;
    }

    /// Nothing survives but volumes and what was synced.
    pub(super) fn power_loss(&mut self) {
        self.dead_man = None;
        self.shell = None;
        self.volumes.halves.clear();
        self.volumes.loaded = None;
        self.volumes.stuck = None;
        self.frozen.clear();
        self.server.starts_again();
        self.files.lose_unsynced();
        self.end_process();
        self.mounts.retain(|one| one.owner == Owner::Foreign);
        self.machine.boot.push('+');
    }

    fn dead_man_acts(&mut self) {
        let Some(dead_man) = self.dead_man.take() else { return };
        for point in &dead_man.thaw {
            self.frozen.remove(point);
        }
        self.server.close(Session::Lock);
    }

    /// Writes down that a rule was broken.
    pub(super) fn breach(&mut self, rule: Rule, what: impl Into<String>) {
        self.breaches.push(Breach { rule, what: what.into() });
    }

    /// The topmost mount at a point.
    pub(super) fn mounted_at(&self, point: &Path) -> Option<&Mounted> {
        self.mounts.iter().rev().find(|one| one.mount.point == point)
    }

    /// What is left of a run, in words; empty if the slate is clean. A published backup is no rest.
    pub fn rests(&self) -> Vec<String> {
        let mut rests = self.volumes.rests();
        rests.extend(self.files.rests());
        let mounts = self.mounts.iter().filter(|one| one.owner == Owner::Ours);
        rests.extend(mounts.map(|one| format!("mount {}", one.mount.point.display())));
        rests.extend(self.frozen.iter().map(|point| format!("freeze of {}", point.display())));
        rests.extend(self.server.lock.map(|by| format!("lock of session {by}")));
        rests.extend(self.server.stopped().map(|name| format!("stopped applier '{name}'")));
        rests.extend(self.dead_man.iter().map(|_| "dead-man".to_owned()));
        rests.extend(self.long.iter().map(|_| "copy".to_owned()));
        rests.extend(self.shell.iter().map(|_| "shell of lvm".to_owned()));
        rests
    }

    /// What tells two worlds apart for an engine: everything but clocks and counters.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hash = DefaultHasher::new();
        self.server.fingerprint(&mut hash);
        self.volumes.fingerprint(&mut hash);
        self.files.fingerprint(&mut hash);
        shell::fingerprint(self, &mut hash);
        for one in &self.mounts {
            (&one.mount.point, &one.mount.source, one.private).hash(&mut hash);
        }
        self.long.as_ref().map(Long::fingerprint).hash(&mut hash);
        self.reading.as_ref().map(UnderWay::fingerprint).hash(&mut hash);
        (&self.frozen, self.isolated, self.signal, self.breaches.len()).hash(&mut hash);
        self.dead_man.as_ref().map(|one| one.until.is_some()).hash(&mut hash);
        self.machine.boot.hash(&mut hash);
        hash.finish()
    }

    /// What was there before us and must be there after us, for comparison.
    pub fn foreign(&self) -> (Vec<&Mounted>, Vec<(&Path, &Node)>, Vec<String>) {
        let mounts = self.mounts.iter().filter(|one| one.owner == Owner::Foreign).collect();
        (mounts, self.files.foreign(), self.volumes.foreign())
    }
}

impl Mounted {
    /// Whether backups go there.
    fn is_destination(&self) -> bool {
        self.mount.point == Path::new(DESTINATION)
    }
}

impl DeadMan {
    fn has_overrun(&self, now: u64) -> bool {
        self.until.is_some_and(|until| now > until)
    }
}
