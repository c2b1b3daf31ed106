//! The machine with two switches that only the lab has: a wrong design, and a place to hold.
//!
//! `HOLDSTILL_WRONG=no-lock` makes the engine run a wrong design, so that the oracle can be shown
//! to notice it. `HOLDSTILL_HOLD_AT=locked|frozen|copy|publish|unmarked` stops under the lock,
//! under the explicit freeze, before the copy, before the publishing, or when a restore has removed
//! the first of its markers, so that a signal can be sent there; a number stops before that act of
//! the process, counted from 1, and says at the end how many acts there were. With
//! `HOLDSTILL_GO_ON=/a/file` a held run goes on when that file is there.
//! Compiled with the feature `wrong-designs` only: no release knows these switches.
#![allow(clippy::disallowed_methods, reason = "this is a host")]

use std::path::PathBuf;
use std::time::Duration;

use super::{Act, Answer, Ask, Fault, Host, Look};
use crate::database::dialect::WRITE_LOGS;
use crate::restore;
use crate::store::COORDINATES;
use crate::wrong::{self, Wrong};

/// How long a held run waits for the signal it is held for.
const HOLD_SECONDS_MAX: u32 = 120;

/// How often a held run looks for it, in each second.
const LOOKS_PER_SECOND: u32 = 20;

/// Where a run can be held.
const PLACES: [&str; 5] = ["locked", "frozen", "copy", "publish", "unmarked"];

/// A host that can be held.
#[derive(Debug)]
pub struct Lab<H> {
    inner: H,
    hold_at: Option<String>,
    go_on: Option<PathBuf>,
    /// How many acts there were.
    acts: u32,
    /// Whether that is said at the end.
    counts: bool,
}

impl<H: Host> Lab<H> {
    /// Reads the switches.
    ///
    /// # Panics
    /// If a switch says what nobody knows: the lab would prove nothing.
    pub fn new(inner: H) -> Self {
        wrong::choose(std::env::var("HOLDSTILL_WRONG").ok().map(|name| design(&name)));
        let hold_at = std::env::var("HOLDSTILL_HOLD_AT").ok();
        let is_known = |place: &str| PLACES.contains(&place) || place.parse::<u32>().is_ok();
        let known = hold_at.as_deref().is_none_or(is_known);
        assert!(known, "HOLDSTILL_HOLD_AT knows {PLACES:?} and numbers, found {hold_at:?}");
        let counts = hold_at.as_deref().is_some_and(|place| !PLACES.contains(&place));
        let go_on = std::env::var_os("HOLDSTILL_GO_ON").map(PathBuf::from);
        Self { inner, hold_at, go_on, acts: 0, counts }
    }

    /// One more act.
    fn count(&mut self) {
        self.acts += 1;
        self.hold(&self.acts.to_string());
    }

    /// Waits here for a signal or for leave to go on, once. It says so even under the lock: the
    /// lab's standard error is a pipe, which leads to no filesystem.
    fn hold(&mut self, place: &str) {
        if self.hold_at.as_deref() != Some(place) {
            return;
        }
        self.hold_at = None;
        crate::ui::complain(&format!("holding at {place}\n"));
        for _ in 0..HOLD_SECONDS_MAX * LOOKS_PER_SECOND {
            let may_go_on = self.go_on.as_ref().is_some_and(|file| file.exists());
            if may_go_on || !matches!(self.inner.signal(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_secs(1) / LOOKS_PER_SECOND);
        }
    }
}

/// A misspelt name would run the right design and prove nothing.
fn design(name: &str) -> Wrong {
    let found = Wrong::ALL.into_iter().find(|wrong| wrong.name() == name);
    found.unwrap_or_else(|| panic!("HOLDSTILL_WRONG does not know '{name}'"))
}

impl<H> Drop for Lab<H> {
    fn drop(&mut self) {
        if self.counts {
            crate::ui::complain(&format!("{} acts\n", self.acts));
        }
    }
}

impl<H: Host> Host for Lab<H> {
    fn look(&self, what: &Look) -> Result<Answer, Fault> {
        self.inner.look(what)
    }

    fn act(&mut self, what: &Act) -> Result<Answer, Fault> {
        self.count();
        match what {
            Act::Sql(sql) if sql.text == WRITE_LOGS => self.hold("locked"),
            Act::Start { .. } => self.hold("copy"),
            Act::WriteFile { path, .. } if path.ends_with(COORDINATES) => self.hold("publish"),
            _ => {}
        }
        let done = self.inner.act(what);
        if matches!(what, Act::Freeze(_)) {
            self.hold("frozen");
        }
        if matches!(what, Act::RemoveFile(path) if path.ends_with(restore::MARKER)) {
            self.hold("unmarked");
        }
        done
    }
}
