//! The wait for a snapshot point: device-mapper and the shell of lvm are looked at in turn.
//!
//! A signal to us ends the wait for a shell to be held, and no other: that for the point is short
//! and bounded, and the command goes on anyway.

use std::thread;
use std::time::{Duration, Instant};

use super::machine;
use super::shell::Running;
use super::signals::FromNow;
use crate::host::{Fault, Sight, Sign, Standing, Until, Watch};
use crate::wrong::{self, Wrong};

/// The pause between two looks: short beside the suspend itself, long beside a look.
const PAUSE: Duration = Duration::from_micros(500);

/// Waits.
pub(super) fn watch(
    shell: &mut Running,
    watch: &Watch,
    interrupt: &FromNow,
    look: &mut dyn FnMut() -> Result<Standing, Fault>,
) -> Result<Sight, Fault> {
    let deadline = Instant::now() + Duration::from(watch.ms_max);
    loop {
        // Known before the look: a point that the command passed is then seen, or never was.
        shell.advance();
        let done = shell.is_done();
        let standing = look()?;
        let at = machine::now()?;
        let suspended = shell.suspended(standing.suspended.then_some(at));
        if has_come(shell, watch, standing, done) {
            return Ok(Sight { suspended, at, mark: standing.mark });
        }
        if done {
            return Err(in_vain(shell, watch));
        }
        if let (Until::Held, Some(signal)) = (watch.until, interrupt.came()) {
            return Err(Fault::unsure(format!("interrupted by {signal}")));
        }
        if Instant::now() >= deadline {
            let (origin, limit) = (&watch.point.origin, watch.ms_max);
            return Err(Fault::overdue(format!("'{origin}' is not seen there after {limit}")));
        }
        thread::sleep(PAUSE);
    }
}

fn has_come(shell: &mut Running, watch: &Watch, standing: Standing, done: bool) -> bool {
    let past = has_passed(shell, watch, standing, done);
    match watch.until {
        Until::Past => past,
        Until::Held => shell.is_held(),
    }
}

/// A pool's id also goes up for somebody else's volume, before our command gets lvm's lock. So it
/// counts with a suspend of our origin, or when our command has ended; or where that was held
/// before its suspend and let go, since it has the lock there.
fn has_passed(shell: &mut Running, watch: &Watch, standing: Standing, done: bool) -> bool {
    let up = standing.mark > watch.mark;
    let live = !standing.suspended;
    match watch.point.sign {
        Sign::Transaction(_) if wrong::design(Wrong::AnyTransaction) => up && live,
        Sign::Tables(_) => up && live,
        Sign::Transaction(_) => {
            let ours = shell.was_let_go() || shell.suspended(None).is_some();
            up && (done || live && ours)
        }
    }
}

fn in_vain(shell: &Running, watch: &Watch) -> Fault {
    let why = shell.complaint().unwrap_or_else(|| "lvm does not say why".into());
    Fault::refused(why).during(&format!("there is no snapshot of '{}'", watch.point.origin))
}
