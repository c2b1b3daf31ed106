//! One backup, told as it happens.
//!
//! [`backup`] is the whole story; each sentence is one call, and the tokens passed along
//! (`Locked`, `Frozen`, `Taken`, `Mounted`, `Copied`, `ReadBack`, `Published`) can only be had from
//! the function that makes them true, so the order is checked by the compiler. Deliberately absent:
//! any decision that the plan could have made.

mod destination;
mod failure;
mod laps;
mod linked;
mod point;
mod prepare;
mod publish;
mod read_back;
mod record;
mod room;
mod transfer;
mod wait;
mod window;

use std::path::PathBuf;

pub use failure::{DRILL, Failure, PHASES};
pub use laps::{Lap, Laps};
pub use publish::Published;
pub use room::Filling;

use failure::{
    COPY, HOLD, MOUNT, PREPARE, PROVE, PUBLISH, READ_BACK, RELEASE, RESUME, SETTLE, STOP, WAIT,
};

use crate::claim::Claim;
use crate::copy::rsync::{Progress, Stats};
use crate::database::statements::Killed;
use crate::host::{Ask, Fault, Host};
use crate::ledger;
use crate::manifest::Totals;
use crate::plan::{Plan, Resume};
use crate::settle::{Held, Left};
use crate::store::{BadPages, WindowTimes};
use crate::sums;
use crate::units::Millis;
use crate::wrong::{self, Wrong};

/// What a run tells while it goes on. Acts are told by the host's `Traced` decorator instead.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A phase begins.
    Phase(&'static str),
    /// A phase has ended well, in so much time.
    Ended(Lap),
    /// The copy goes on.
    Copying(Progress),
    /// Everything is copied, in so much time.
    Copied(Stats, Millis),
    /// The snapshot is not removed yet, for this reason; the end of the run tries again.
    Lingers(String),
    /// So much is a link to files of this run's backup.
    Linked(Stats, String),
    /// What was copied is read back, so far.
    Reading(sums::Progress),
    /// Everything was read back and is in the manifest, in so much time.
    ReadBack(Totals, Millis),
    /// A tablespace has bad pages, and had them in the source.
    BadPages(BadPages),
    /// How full the fullest COW store is.
    Filling(Filling),
    /// A COW store was made larger: which, and its size.
    Extended(String),
    /// A COW store should have been made larger and was not: which, and why.
    NotExtended(String),
    /// The run waits for these statements to end.
    Waiting(String),
    /// A statement that the lock would have waited for was ended by us.
    Killed(Killed),
    /// The window was closed without a snapshot, for this reason, and is opened once more.
    Again(String),
    /// lvm cannot be held, so the lock comes first, and why.
    First(String),
    /// The window is closed.
    Window(WindowTimes),
    /// The backup was drilled after it was published.
    Drilled(Drilled),
}

/// What a drill said of a backup that was just published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Drilled {
    /// Nobody asked for one.
    #[default]
    NotAsked,
    /// A server came up on it, after so long, and found so many tables whole.
    Sound(Millis, usize),
    /// None did, or it found something wrong, or the drill itself could not be carried through.
    Failed(String),
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run.
    pub run: String,
    /// The published backup, or what went wrong.
    pub result: Result<Published, Failure>,
    /// What is left behind.
    pub left: Vec<Left>,
    /// Why the ledger is kept although nothing is known to be left.
    pub kept: Option<Fault>,
    /// The statements of others that were ended.
    pub killed: Vec<Killed>,
    /// The tablespaces with pages that were bad in the source.
    pub bad_pages: Vec<BadPages>,
    /// How long each phase took.
    pub laps: Laps,
    /// What a drill said of the backup.
    pub drilled: Drilled,
}

/// What the phases of a run share.
struct Run<'a> {
    host: &'a mut dyn Host,
    plan: &'a Plan,
    tell: &'a mut dyn FnMut(Event),
    held: Held,
    laps: Laps,
    phase: &'static str,
    killed: Vec<Killed>,
    bad_pages: Vec<BadPages>,
}

/// Makes one backup. Never panics half-way on purpose, never returns early from between "stop
/// writes" and "resume writes": whatever `attempt` does, everything claimed is settled after it.
pub fn backup(host: &mut dyn Host, plan: &Plan, tell: &mut dyn FnMut(Event)) -> Outcome {
    let held = Held::new(&plan.claims);
    let (laps, killed, phase) = (Laps::default(), Vec::new(), "start");
    let bad_pages = Vec::new();
    let mut run = Run { host, plan, tell, held, laps, phase, killed, bad_pages };
    let attempted = attempt(&mut run);
    let Run { held, mut laps, phase, killed, bad_pages, .. } = run;

    let interrupted = host.signal().unwrap_or(None);
    // In the window standard output may lead to the very filesystem that is frozen.
    let may_tell = phase != HOLD;
    if attempted.is_ok()
        && let Some(lap) = laps.lap(host, phase)
    {
        tell(Event::Ended(lap));
    }
    if may_tell {
        tell(Event::Phase(SETTLE));
    }
    let left = held.settle(host);
    let stands = if phase == PUBLISH { publish::stands(host, plan) } else { Ok(false) };
    let failed = |fault| Err(Failure { phase, fault, signal: interrupted });
    let (result, doubt) = match (attempted, stands) {
        (Ok(published), _) => (Ok(published), None),
        (Err(fault), Ok(true)) => (Ok(publish::found(plan)), Some(fault)),
        (Err(fault), Ok(false)) => {
            let late = Some(fault.clone()).filter(Fault::is_overdue);
            (failed(fault), late)
        }
        (Err(fault), Err(blind)) => {
            (failed(fault), Some(blind.during("cannot tell whether the backup is published")))
        }
    };
    let kept = close_ledger(host, plan, &left, doubt);
    let settled = laps.lap(host, SETTLE).filter(|_| may_tell);
    if let Some(lap) = settled {
        tell(Event::Ended(lap));
    }
    let (run, drilled) = (plan.run.clone(), Drilled::NotAsked);
    Outcome { run, result, left, kept, killed, bad_pages, laps, drilled }
}

/// The story.
fn attempt(run: &mut Run<'_>) -> Result<Published, Fault> {
    run.enter(PREPARE)?;
    prepare::ledger(run)?;
    let mut record = record::begin(run.plan);
    prepare::stage(run, &record)?;
    prepare::snapshots(run)?;
    prepare::flush(run)?;

    run.enter(WAIT)?;
    wait::for_statements(run)?;

    run.enter(STOP)?;
    prepare::stop_appliers(run)?;
    record.coordinates.channels = prepare::channels(run)?;
    prepare::no_temporary_tables(run)?;

    run.enter(HOLD)?;
    let taken = window::hold_still(run, &mut record)?;
    (run.tell)(Event::Window(record.window.clone()));

    run.enter(PROVE)?;
    publish::proven(run.plan, &record)?;
    prepare::same_channels(run, &record.coordinates.channels)?;
    resume(run, Resume::AfterWindow)?;

    run.enter(MOUNT)?;
    run.release(|claim| matches!(claim, Claim::Shell { .. }))?;
    let mounted = transfer::mount(run, taken, &record.window.proof.points)?;

    run.enter(COPY)?;
    let copied = transfer::copy(run, mounted, &mut record)?;
    resume(run, Resume::AfterCopy)?;

    run.enter(RELEASE)?;
    read_back::release(run, &copied);

    run.enter(READ_BACK)?;
    let whole = read_back::read_back(run, copied, &mut record)?;

    run.enter(PUBLISH)?;
    publish::publish(run, whole, record)
}

/// Starts the appliers again, if this is when they are to start, and notes that the server goes on.
fn resume(run: &mut Run<'_>, now: Resume) -> Result<(), Fault> {
    if run.plan.resume() != now {
        return Ok(());
    }
    run.enter(RESUME)?;
    run.release(|claim| matches!(claim, Claim::Replication { .. }))?;
    ledger::note_resumed(run.host, &run.plan.ledger)
}

/// Drops the ledger when nothing is left, nothing may still happen, and nothing is in doubt.
fn close_ledger(
    host: &mut dyn Host,
    plan: &Plan,
    left: &[Left],
    doubt: Option<Fault>,
) -> Option<Fault> {
    let doubt = doubt.filter(|_| !wrong::design(Wrong::OverdueForgotten));
    if doubt.is_some() || !left.is_empty() {
        return doubt;
    }
    ledger::drop_it(host, &plan.ledger).err()
}

impl Run<'_> {
    /// Begins a phase, unless a signal asks us to stop.
    fn enter(&mut self, phase: &'static str) -> Result<(), Fault> {
        if let Some(lap) = self.laps.lap(self.host, self.phase) {
            (self.tell)(Event::Ended(lap));
        }
        self.host.heed_signal()?;
        self.phase = phase;
        (self.tell)(Event::Phase(phase));
        Ok(())
    }

    /// Undoes claims before the end of the run, by the same undo that would settle them.
    fn release(&mut self, which: impl Fn(&Claim) -> bool) -> Result<(), Fault> {
        self.held.release(self.host, which)
    }
}

impl Outcome {
    /// Where the backup is, if there is one.
    pub fn published(&self) -> Option<&PathBuf> {
        self.result.as_ref().ok().map(|published| &published.path)
    }

    /// Whether the ledger is kept, for `recover`.
    pub fn is_clean(&self) -> bool {
        self.left.is_empty() && self.kept.is_none()
    }
}
