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
    /// Ends a phase and begins the next. The first call only starts the clock; a clock that
    /// cannot be read costs a figure and nothing else.
    pub fn lap(&mut self, host: &dyn Host, phase: &'static str) {
        let now = host.now().ok();
        if let (Some(since), Some(now)) = (self.since, now) {
            self.laps.push(Lap { phase, ms: Millis(now.saturating_sub(since) / 1_000_000) });
        }
        self.since = now.or(self.since);
    }

    /// The phases that have ended.
    pub fn all(&self) -> &[Lap] {
        &self.laps
    }
}
