//! The one way out: undo claims, newest first. The same for success, error, signal, and the
//! recovery of a dead run. It tries every claim and never stops early, with one exception: a thaw
//! that cannot be confirmed is a barrier, behind which the session is released and no volume is
//! touched.

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

/// The claims that a run still holds, in scope order.
#[derive(Debug)]
pub struct Held {
    claims: Vec<Claim>,
}

impl Held {
    /// Holds all claims of a plan, as if each of their acts had happened.
    pub fn new(claims: &[Claim]) -> Self {
        Self { claims: claims.to_vec() }
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

    /// Forgets claims without undoing them: what a wrong design does.
    #[cfg(feature = "wrong-designs")]
    pub fn forget(&mut self, which: impl Fn(&Claim) -> bool) {
        self.claims.retain(|claim| !which(claim));
    }

    /// Undoes everything that is still held.
    pub fn settle(self, host: &mut dyn Host) -> Vec<Left> {
        settle(host, &self.claims)
    }
}

/// Undoes every claim, newest first, and tells what is left. Idempotent.
pub fn settle(host: &mut dyn Host, claims: &[Claim]) -> Vec<Left> {
    let mut left = Vec::new();
    let mut barrier = None;
    for claim in order(claims) {
        let undone = match &barrier {
            Some(frozen) if !lets_go(claim) => Err(behind(frozen)),
            _ => claim.undo(host),
        };
        let Err(fault) = undone else { continue };
        if matches!(claim, Claim::Frozen { .. }) && !wrong::design(Wrong::ThawNotABarrier) {
            barrier = Some(fault.clone());
        }
        left.push(Left { claim: claim.clone(), fault });
        if wrong::design(Wrong::SettleStopsAtTheFirstError) {
            break;
        }
    }
    left
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

/// Whether an undo only lets the server go, so that it is right even behind the barrier.
fn lets_go(claim: &Claim) -> bool {
    matches!(claim, Claim::Locked { .. } | Claim::Frozen { .. } | Claim::Guarded)
}

/// Why a claim behind the barrier is left.
fn behind(frozen: &Fault) -> Fault {
    Fault::unsure(format!("not touched, since the thaw is not confirmed ({frozen})"))
}
