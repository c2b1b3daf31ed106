//! The signals that ask us to stop, as a flag that everything waiting looks at.
//! Deliberately no handler of our own: the run settles on its usual way out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;

/// The last signal that asked us to stop; 0 until one came.
#[derive(Clone)]
pub(super) struct Signals(Arc<AtomicUsize>);

/// Signals that come from some moment on. One that was there before does not count: whoever
/// starts waiting after it is settling, and settling is not to be interrupted.
pub(super) struct FromNow {
    signals: Signals,
    late: bool,
}

impl Signals {
    /// Turns SIGINT, SIGTERM and SIGHUP into the flag.
    pub(super) fn install() -> io::Result<Self> {
        let flag = Arc::new(AtomicUsize::new(0));
        for (signal, number) in
            [(Signal::SIGINT, 2_usize), (Signal::SIGTERM, 15), (Signal::SIGHUP, 1)]
        {
            signal_hook::flag::register_usize(signal as i32, Arc::clone(&flag), number)?;
        }
        Ok(Self(flag))
    }

    /// The number of the last signal that came.
    pub(super) fn seen(&self) -> Option<i32> {
        i32::try_from(self.0.load(Ordering::SeqCst)).ok().filter(|number| *number != 0)
    }

    /// Watches for signals from now on.
    pub(super) fn since_now(&self) -> FromNow {
        FromNow { signals: self.clone(), late: self.seen().is_some() }
    }

    /// A flag that no signal sets.
    #[cfg(test)]
    pub(super) fn of_test(flag: Arc<AtomicUsize>) -> Self {
        Self(flag)
    }
}

impl FromNow {
    /// The name of the signal that came since, such as `SIGTERM`.
    pub(super) fn came(&self) -> Option<&'static str> {
        if self.late {
            return None;
        }
        self.signals
            .seen()
            .map(|number| Signal::try_from(number).map_or("a signal", Signal::as_str))
    }
}
