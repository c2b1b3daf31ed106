//! How long each phase took, on the monotonic clock.

use serde::Serialize;

use crate::host::{Ask, Host};
use crate::units::Millis;

/// The phases so far, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Laps {
    since: Option<u64>,
    laps: Vec<Lap>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lap {
    /// Its name.
    pub phase: &'static str,
    /// How long it took.
    pub ms: Millis,
}

impl Laps {
    /// Ends a phase and begins the next: the phase that has ended. The first call only starts the
    /// clock; a clock that cannot be read costs a figure and nothing else.
    pub fn lap(&mut self, host: &dyn Host, phase: &'static str) -> Option<Lap> {
        let now = host.now().ok();
        let since = self.since;
        self.since = now.or(since);
        let ms = Millis(now?.saturating_sub(since?) / 1_000_000);
        self.laps.push(Lap { phase, ms });
        self.laps.last().cloned()
    }

    /// The phases that have ended.
    pub fn all(&self) -> &[Lap] {
        &self.laps
    }

    /// How long all of them took together.
    pub fn total(&self) -> Millis {
        Millis(self.laps.iter().map(|lap| lap.ms.0).sum())
    }
}
