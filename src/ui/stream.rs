//! What becomes of a text that its reader does not take: a pipe that hangs, a terminal that
//! somebody has stopped. It is waited for, but not for long, since while it is nobody watches the
//! store that fills, and no signal is answered.
//!
//! A reader who has been waited for in vain is not waited for again until it has taken all that was
//! left. What it then misses are whole texts: the rest of one that was begun goes before anything
//! newer, and a line that stands open is ended first. Deliberately absent: an error. Whether
//! somebody reads has no say in what happens.

use std::io::{self, Write};
use std::mem::take;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, TryLockError};

use crate::host::linux::outlet::Outlet;
use crate::units::Millis;

/// How long a reader is waited for that took everything so far. A look at the store that fills
/// comes this much later, once.
const WAIT_MS_MAX: Millis = Millis(2_000);

/// No patience at all.
const AT_ONCE: Millis = Millis(0);

/// A stream that its reader cannot stop.
pub(super) struct Stream {
    outlet: Outlet,
    /// The text, or the rest of it, that the reader did not take. While there is some, it hangs.
    pending: Vec<u8>,
    /// The end of what it took.
    line: Line,
    /// What was left out since.
    gap: Gap,
    /// Why something was lost, the first time since it was last asked for.
    failed: Option<io::Error>,
}

/// The line that was written last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Ended,
    Open,
}

/// Whether texts were left out.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Gap {
    #[default]
    None,
    Some,
}

/// A stream and all who write to it.
pub(super) type Shared = Arc<Mutex<Stream>>;

/// Standard output and standard error. Nothing else in a run writes to either.
static STANDARD: LazyLock<[Shared; 2]> =
    LazyLock::new(|| pair(Outlet::new(io::stdout()), Outlet::new(io::stderr())));

/// Standard output.
pub(super) fn out() -> &'static Shared {
    &STANDARD[0]
}

/// Standard error.
pub(super) fn err() -> &'static Shared {
    &STANDARD[1]
}

/// A stream each; or one for both where they have one reader, so that neither writes into the line
/// that the other could not finish.
pub(super) fn pair(out: Outlet, err: Outlet) -> [Shared; 2] {
    if out.has_the_reader_of(&err) {
        let both = Arc::new(Mutex::new(Stream::new(out)));
        return [Arc::clone(&both), both];
    }
    [out, err].map(|outlet| Arc::new(Mutex::new(Stream::new(outlet))))
}

/// Whoever panicked while writing has left nothing half done that matters.
pub(super) fn lock<T: ?Sized>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes a text unless somebody is writing: where it may be ourselves, in the midst of it.
pub(super) fn write_if_free(shared: &Shared, text: &str) {
    let free = match shared.try_lock() {
        Ok(stream) => Some(stream),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(mut stream) = free {
        stream.tell(text.as_bytes());
    }
}

impl Stream {
    fn new(outlet: Outlet) -> Self {
        Self { outlet, pending: Vec::new(), line: Line::Ended, gap: Gap::None, failed: None }
    }

    /// Writes a text, and waits for its reader as long as it takes; a signal ends that. Who is gone
    /// misses nothing, but a full disk does.
    pub(super) fn show(&mut self, text: &[u8]) -> io::Result<()> {
        self.offer(text, None);
        match self.failed.take() {
            Some(why) if why.kind() != io::ErrorKind::BrokenPipe => Err(why),
            _ => Ok(()),
        }
    }

    /// Writes a text, leaves it to be written later, or leaves it out.
    fn tell(&mut self, text: &[u8]) {
        let ms_max = if self.pending.is_empty() { WAIT_MS_MAX } else { AT_ONCE };
        self.offer(text, Some(ms_max));
    }

    fn offer(&mut self, text: &[u8], ms_max: Option<Millis>) {
        self.send(ms_max);
        if !self.pending.is_empty() {
            self.gap = Gap::Some;
            return;
        }
        if (take(&mut self.gap), self.line) == (Gap::Some, Line::Open) {
            self.pending.push(b'\n');
        }
        self.pending.extend_from_slice(text);
        self.send(ms_max);
    }

    /// Sends what is pending, as far as it is taken; what cannot be written at all is let go.
    fn send(&mut self, ms_max: Option<Millis>) {
        let all = self.pending.len();
        let taken = self.outlet.write(&self.pending, ms_max).unwrap_or_else(|why| {
            self.failed.get_or_insert(why);
            all
        });
        if let Some(last) = self.pending.drain(..taken).next_back() {
            self.line = if last == b'\n' { Line::Ended } else { Line::Open };
        }
    }
}

/// Each call writes one text, and none of them fails.
impl Write for Stream {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.tell(text);
        Ok(text.len())
    }

    /// Waits once more for a reader that hangs.
    fn flush(&mut self) -> io::Result<()> {
        self.send(Some(WAIT_MS_MAX));
        Ok(())
    }
}
