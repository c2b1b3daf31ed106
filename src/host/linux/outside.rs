//! A thread that sees the mounts which the process was started with, whatever namespace the run has
//! made for itself since: a namespace belongs to a thread. Programs that are not the run's are run
//! there. To go back with setns(2) would take a capability that a run does not need otherwise
//! (`CAP_SYS_CHROOT`).
//!
//! Deliberately absent: what is run. One job at a time, and who orders it waits for it.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// The thread; it ends when this is dropped.
pub(super) struct Outside(Sender<Job>);

impl Outside {
    /// Begins it, with the mounts that the calling thread sees now.
    pub(super) fn keep() -> io::Result<Self> {
        let (orders, jobs) = channel::<Job>();
        thread::Builder::new().name("outside".into()).spawn(move || {
            for job in jobs {
                job();
            }
        })?;
        Ok(Self(orders))
    }

    /// Does something there; nothing if the thread is gone.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = channel();
        let job = move || {
            let _nobody_waits = tell.send(work());
        };
        self.0.send(Box::new(job)).ok()?;
        told.recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_another_thread_and_the_same_each_time() {
        let outside = Outside::keep().unwrap();
        let first = outside.run(|| thread::current().id()).unwrap();
        assert_ne!(first, thread::current().id());
        assert_eq!(outside.run(|| thread::current().id()), Some(first));
        assert_eq!(outside.run(|| panic!("a test")), None::<()>);
    }
}
