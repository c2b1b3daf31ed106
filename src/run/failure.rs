//! The phases of a run by name, and what helps when one of them fails.

use crate::host::Fault;

pub(super) const PREPARE: &str = "prepare";
pub(super) const WAIT: &str = "wait for long statements";
pub(super) const STOP: &str = "stop the applier";
pub(super) const HOLD: &str = "hold still";
pub(super) const PROVE: &str = "prove that it held still";
pub(super) const RESUME: &str = "resume the applier";
pub(super) const MOUNT: &str = "mount";
pub(super) const COPY: &str = "copy";
pub(super) const RELEASE: &str = "remove the snapshot";
pub(super) const READ_BACK: &str = "read back";
pub(super) const PUBLISH: &str = "publish";
pub(super) const SETTLE: &str = "settle";
/// A published backup is drilled, if that was asked for.
pub const DRILL: &str = "drill";

/// All of them, in order, as the record names them.
pub const PHASES: [&str; 13] = [
    PREPARE, WAIT, STOP, HOLD, PROVE, RESUME, MOUNT, COPY, RELEASE, READ_BACK, PUBLISH, SETTLE,
    DRILL,
];

/// Why a run failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The phase it was in.
    pub phase: &'static str,
    /// The cause.
    pub fault: Fault,
    /// The signal that interrupted it, if one did.
    pub signal: Option<i32>,
}

impl Failure {
    /// What helps, as a full sentence; nothing if the operator interrupted the run.
    pub fn hint(&self) -> Option<&'static str> {
        if self.signal.is_some() {
            return None;
        }
        Some(match self.phase {
            WAIT => {
                "Try again when they are over, end them with 'KILL QUERY', or change \
                 'lock.long_statements' and 'lock.long_wait_ms_max'."
            }
            PROVE => {
                "Look at 'SHOW FULL PROCESSLIST' for who writes or starts an applier while the \
                 backup runs; where nothing is locked, write 'kind = \"auto\"' under [lock]."
            }
            STOP | RESUME => {
                "Look at the applier's state and last error in 'SHOW REPLICA STATUS', or raise \
                 'replica.stop_ms_max'."
            }
            HOLD => {
                "Look at 'SHOW FULL PROCESSLIST' for what kept the lock, and at 'lvs -a' and 'dmesg' \
                 for what kept the snapshot; the limits are 'lock.wait_ms_max' and \
                 'lock.hold_ms_max'."
            }
            MOUNT => "Look at the end of 'dmesg' for what the kernel found on the snapshot.",
            COPY => {
                "Raise 'snapshot.size' if the COW store overflowed, run 'lvextend' if the thin pool \
                 is too full, and look at the end of 'dmesg' and at 'df' of the destination \
                 otherwise."
            }
            READ_BACK | PUBLISH => "Look at the end of 'dmesg' and at 'df' of the destination.",
            _ => "Run 'holdstill audit', which looks at everything a run depends on.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_hint_but_an_interruption() {
        let failure = |phase, signal| Failure { phase, fault: Fault::refused("no"), signal };
        for phase in [PREPARE, WAIT, STOP, HOLD, PROVE, RESUME, MOUNT, COPY, READ_BACK, PUBLISH] {
            assert!(failure(phase, None).hint().is_some_and(|hint| hint.ends_with('.')), "{phase}");
            assert_eq!(failure(phase, Some(2)).hint(), None);
        }
    }
}
