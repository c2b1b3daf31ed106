//! Designs that were tried, found wrong, and are kept so that the tests go on catching them.
//!
//! Each is an `if wrong::design(…)` at the places where it is tempting. Without the feature
//! `wrong-designs` the question is a constant `false` and the compiler drops the branch, so a
//! release cannot be talked into one.

/// A wrong design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Undo in reverse order of the acts: the snapshot goes before the thaw.
    UndoInActionOrder,
    /// The ledger is written after the first things were left behind.
    ClaimSavedAfterItsAct,
    /// The snapshot is removed by its name, whoever made it.
    UndoByName,
    /// Only the newest claim is undone.
    EarlierUndosSkipped,
    /// The backup is published without its copy.
    PublishBeforeCopy,
    /// An act that failed is taken as not done, and is not undone.
    FailedActNotUndone,
    /// Settling ends at the first undo that fails.
    SettleStopsAtTheFirstError,
    /// An error of the publishing rename is taken as "not published".
    CommitErrorTakenAsNo,
    /// A child that outlived its deadline is forgotten.
    OverdueForgotten,
    /// Volumes are touched though the thaw could not be confirmed.
    ThawNotABarrier,
    /// A lock that UNLOCK does not release is left to the server.
    UnlockWithoutLastResort,
    /// No lock is taken.
    NoLock,
    /// The lock is dropped just before the origin is suspended.
    LockDroppedBeforeSuspend,
    /// The engine's logs are not written out before the snapshot.
    LogsLeftInMemory,
    /// The lock is dropped when the origin's new table is loaded, as `slaves` in sysfs tells it.
    UnlockAtLoad,
    /// The late lock's order is not held, and is taken not to have come to its suspend.
    OrderNotHeld,
    /// Where nothing is locked, nobody is taken to write.
    StillnessAssumed,
    /// A pool's transaction id that went up is taken for our snapshot's, whoever raised it.
    AnyTransaction,
    /// What the receiver has read is recorded in place of what the applier has executed.
    ReceiverPosition,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::UndoInActionOrder,
        Self::ClaimSavedAfterItsAct,
        Self::UndoByName,
        Self::EarlierUndosSkipped,
        Self::PublishBeforeCopy,
        Self::FailedActNotUndone,
        Self::SettleStopsAtTheFirstError,
        Self::CommitErrorTakenAsNo,
        Self::OverdueForgotten,
        Self::ThawNotABarrier,
        Self::UnlockWithoutLastResort,
        Self::NoLock,
        Self::LockDroppedBeforeSuspend,
        Self::LogsLeftInMemory,
        Self::UnlockAtLoad,
        Self::OrderNotHeld,
        Self::StillnessAssumed,
        Self::AnyTransaction,
        Self::ReceiverPosition,
    ];

    /// Its name in words with hyphens, as the lab selects it.
    pub fn name(self) -> String {
        let mut name = String::new();
        for (at, letter) in format!("{self:?}").char_indices() {
            if letter.is_uppercase() && at > 0 {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }
}

#[cfg(feature = "wrong-designs")]
mod chosen {
    use std::cell::Cell;

    use super::Wrong;

    thread_local! {
        static CHOSEN: Cell<Option<Wrong>> = const { Cell::new(None) };
    }

    /// Whether this thread runs the wrong design.
    pub fn design(wrong: Wrong) -> bool {
        CHOSEN.get() == Some(wrong)
    }

    /// Makes this thread run a wrong design, or none.
    pub fn choose(wrong: Option<Wrong>) {
        CHOSEN.set(wrong);
    }
}

#[cfg(feature = "wrong-designs")]
pub use chosen::{choose, design};

/// Whether a wrong design runs: never, in a release.
#[cfg(not(feature = "wrong-designs"))]
pub const fn design(_: Wrong) -> bool {
    false
}
