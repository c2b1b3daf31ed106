//! The one way out: undo claims, newest first. The same for success, error, signal, and the
//! recovery of a dead run. It tries every claim and never stops early, with these exceptions:
//! behind a thaw that cannot be confirmed the session is released and no volume is touched, behind
//! a command of lvm that does not end no snapshot is, and behind a snapshot that stays no device.

use crate::claim::Claim;
use crate::host::{Fault, Host};
use crate::wrong::{self, Wrong};

/// A claim that could not be undone, or not for certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The claim.
    pub claim: Claim,
    /// Why it is left.
    pub fault: Fault,
}

/// Whether the server goes on, as far as what is left tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Nothing that is left could stop its writes.
    GoesOn,
    /// Something that is left may.
    MayStandStill,
}

/// Whether the server goes on. An applier that is left stopped stops nobody's writes; an lvm that
/// may still remove a snapshot does: it suspends the origin for that.
pub fn server(left: &[Left]) -> Server {
    let stops = |one: &Left| match one.claim {
        Claim::Frozen { .. }
        | Claim::Locked { .. }
        | Claim::Guarded
        | Claim::Shell { .. }
        | Claim::Half { .. }
        | Claim::Extended { .. } => true,
        Claim::Snapshot { .. } => one.fault.is_overdue(),
        Claim::Partial { .. }
        | Claim::Mounted { .. }
        | Claim::Copying
        | Claim::Replication { .. } => false,
    };
    if left.iter().any(stops) { Server::MayStandStill } else { Server::GoesOn }
}

/// The claims that a run still holds, in scope order.
#[derive(Debug)]
pub struct Held {
    claims: Vec<Claim>,
    freeze: Freeze,
    /// A command of lvm that did not end in time, whatever it was.
    lvm: Option<Fault>,
}

/// What is known of a freeze that was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freeze {
    /// It happened or it did not; a thaw tells.
    Over,
    /// It is past its deadline and may come after any thaw.
    Late,
}

impl Held {
    /// Holds all claims of a plan, as if each of their acts had happened.
    pub fn new(claims: &[Claim]) -> Self {
        Self { claims: claims.to_vec(), freeze: Freeze::Over, lvm: None }
    }

    /// Undoes the claims that `which` chooses, newest first; what cannot be undone stays held.
    pub fn release(
        &mut self,
        host: &mut dyn Host,
        which: impl Fn(&Claim) -> bool,
    ) -> Result<(), Fault> {
        for at in (0..self.claims.len()).rev() {
            if which(&self.claims[at]) {
                self.claims[at].undo(host)?;
                self.claims.remove(at);
            }
        }
        Ok(())
    }

    /// Undoes the claims that `which` chooses, newest first, and holds them still: what they are
    /// about is to be done once more.
    pub fn undo(&self, host: &mut dyn Host, which: impl Fn(&Claim) -> bool) -> Result<(), Fault> {
        self.claims.iter().rev().filter(|claim| which(claim)).try_for_each(|claim| claim.undo(host))
    }

    /// Forgets claims without undoing them: what a wrong design does.
    #[cfg(feature = "wrong-designs")]
    pub fn forget(&mut self, which: impl Fn(&Claim) -> bool) {
        self.claims.retain(|claim| !which(claim));
    }

    /// Remembers that a freeze is late: a thaw that finds nothing to thaw proves nothing then.
    pub fn expect_late_freeze(&mut self) {
        self.freeze = Freeze::Late;
    }

    /// Remembers that a command of lvm may still be at work on the volumes.
    pub fn expect_lvm(&mut self, overdue: &Fault) {
        self.lvm = Some(overdue.clone());
    }

    /// Undoes everything that is still held.
    pub fn settle(self, host: &mut dyn Host) -> Vec<Left> {
        settle_all(host, &self.claims, self.freeze, self.lvm)
    }
}

/// Undoes every claim, newest first, and tells what is left. Idempotent.
pub fn settle(host: &mut dyn Host, claims: &[Claim]) -> Vec<Left> {
    settle_all(host, claims, Freeze::Over, None)
}

fn settle_all(
    host: &mut dyn Host,
    claims: &[Claim],
    freeze: Freeze,
    lvm: Option<Fault>,
) -> Vec<Left> {
    let mut left = Vec::new();
    let mut barriers: Vec<Barrier> = lvm.map(Barrier::Busy).into_iter().collect();
    for claim in order(claims) {
        let undone = match barriers.iter().find(|barrier: &&Barrier| barrier.stops(claim)) {
            Some(barrier) => Err(barrier.fault()),
            None => claim.undo(host).and_then(|()| confirmed(claim, freeze)),
        };
        let Err(fault) = undone else { continue };
        barriers.extend(Barrier::of(claim, &fault));
        left.push(Left { claim: claim.clone(), fault });
        if wrong::design(Wrong::SettleStopsAtTheFirstError) {
            break;
        }
    }
    left
}

/// A thaw before a late freeze confirms nothing.
fn confirmed(claim: &Claim, freeze: Freeze) -> Result<(), Fault> {
    match (claim, freeze) {
        (Claim::Frozen { .. }, Freeze::Late) => Err(Fault::overdue("the freeze may still come")),
        _ => Ok(()),
    }
}

/// Newest first, by scope.
fn order(claims: &[Claim]) -> Vec<&Claim> {
    let mut order: Vec<&Claim> = claims.iter().rev().collect();
    if wrong::design(Wrong::UndoInActionOrder) {
        order.sort_by_key(|claim| match claim {
            Claim::Mounted { .. } => 0,
            Claim::Snapshot { .. } => 1,
            Claim::Partial { .. } => 3,
            _ => 2,
        });
    }
    if wrong::design(Wrong::EarlierUndosSkipped) {
        order.truncate(1);
    }
    order
}

/// Something that could not be undone, behind which other things must not be touched.
enum Barrier {
    /// A thaw that is not confirmed: only what lets the server go is right behind it. To dismiss
    /// the dead-man is not: it thaws once more when we end.
    Frozen(Fault),
    /// A command of lvm that still runs: it may be working on the very volumes.
    Busy(Fault),
    /// A snapshot that is not removed: its devices are in use.
    There(Fault),
}

impl Barrier {
    fn of(claim: &Claim, fault: &Fault) -> Option<Self> {
        match claim {
            Claim::Frozen { .. } if wrong::design(Wrong::ThawNotABarrier) => None,
            Claim::Frozen { .. } => Some(Self::Frozen(fault.clone())),
            Claim::Shell { .. } => Some(Self::Busy(fault.clone())),
            Claim::Snapshot { .. } => Some(Self::There(fault.clone())),
            _ => None,
        }
    }

    fn stops(&self, claim: &Claim) -> bool {
        match self {
            Self::Frozen(_) => !matches!(claim, Claim::Locked { .. } | Claim::Frozen { .. }),
            Self::Busy(_) => matches!(
                claim,
                Claim::Snapshot { .. } | Claim::Half { .. } | Claim::Extended { .. }
            ),
            Self::There(_) => matches!(claim, Claim::Half { .. }),
        }
    }

    /// Why a claim behind it is left. Behind a command of lvm that may still suspend something,
    /// what is left may as well.
    fn fault(&self) -> Fault {
        match self {
            Self::Frozen(why) => {
                Fault::unsure(format!("not touched, since the thaw is not confirmed ({why})"))
            }
            Self::There(why) => {
                Fault::unsure(format!("not touched, since the snapshot may be there ({why})"))
            }
            Self::Busy(why) => {
                let told = format!("not touched, since lvm may still be working ({why})");
                if why.is_overdue() { Fault::overdue(told) } else { Fault::unsure(told) }
            }
        }
    }
}
