//! The dead-man: a process of its own that watches a run's window and lets the server go if the
//! run dies or takes too long. It is the same executable, started by `Act::Guard`.
//!
//! It has everything open and in memory before anything is frozen, and from then on it opens,
//! writes and says nothing: what it needs must not wait for the filesystem it is to thaw.
//! Deliberately absent: undoing anything else. That is what the ledger and `recover` are for.
// A process of its own, which reads its own clock and holds the machine by the host's handles.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MlockAllFlags, mlockall};
use nix::sys::socket::{Shutdown, shutdown};

use super::freeze;
use super::guard::{ACTED, ARM, DISMISS, FAILED, READY, Watched};
use super::kernel::{adopt, ignore_stop_signals};

/// The hidden command that `cli` hands to [`run`].
pub const COMMAND: &str = "dead-man";

/// How often a thaw that fails is tried, and the pause between.
const THAW_TRIES_MAX: u32 = 50;
const THAW_PAUSE: Duration = Duration::from_millis(100);

/// Exit status for a command line that nobody but us should write.
const MISUSED: u8 = 2;

/// What it holds.
struct Charge {
    thaw: Vec<OwnedFd>,
    socket: Option<OwnedFd>,
}

/// What came of one wait.
enum Word {
    Armed(Duration),
    Dismissed,
    Silence,
    Gone,
}

/// The dead-man's whole life, from its one argument to its exit status: 0 dismissed, 3 let the
/// server go, 4 the same but a thaw could not be confirmed, 2 started by somebody else.
pub fn run(argument: &str) -> u8 {
    let Some(charge) = prepare(argument) else { return MISUSED };
    let mut stdout = io::stdout();
    if stdout.write_all(READY).and_then(|()| stdout.flush()).is_err() {
        return MISUSED;
    }
    watch(&mut io::stdin(), &charge)
}

/// Takes hold of everything, and makes itself hard to end or to swap out.
fn prepare(argument: &str) -> Option<Charge> {
    let watched: Watched = argument.parse().ok()?;
    ignore_stop_signals().ok()?;
    let thaw = watched.thaw.iter().map(|number| adopt(*number)).collect::<Result<_, _>>().ok()?;
    let socket = watched.socket.map(adopt).transpose().ok()?;
    // Both are worth trying, and neither is worth refusing the backup.
    let _if_allowed = fs::write("/proc/self/oom_score_adj", "-1000");
    let _if_allowed = mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE);
    Some(Charge { thaw, socket })
}

/// Waits for the end of the window, or of the one who opened it.
fn watch(pipe: &mut (impl Read + AsFd), charge: &Charge) -> u8 {
    let mut deadline = None;
    loop {
        match hear(pipe, deadline) {
            Word::Armed(limit) => deadline = Instant::now().checked_add(limit),
            Word::Dismissed => return 0,
            Word::Gone if deadline.is_none() => return 0,
            Word::Gone | Word::Silence => return let_go(charge),
        }
    }
}

/// Waits for a word, at most until the deadline.
fn hear(pipe: &mut (impl Read + AsFd), deadline: Option<Instant>) -> Word {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        let patience = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], patience) {
            Ok(0) if left.is_some_and(|left| left.is_zero()) => return Word::Silence,
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return read(pipe),
            Err(_) => return Word::Gone,
        }
    }
}

fn read(pipe: &mut impl Read) -> Word {
    let mut byte = [0];
    match pipe.read(&mut byte) {
        Ok(1) if byte[0] == ARM => limit(pipe).map_or(Word::Gone, Word::Armed),
        Ok(1) if byte[0] == DISMISS => Word::Dismissed,
        _ => Word::Gone,
    }
}

/// The milliseconds that follow the word.
fn limit(pipe: &mut impl Read) -> io::Result<Duration> {
    let mut ms = [0; 8];
    pipe.read_exact(&mut ms)?;
    Ok(Duration::from_millis(u64::from_le_bytes(ms)))
}

/// Lets the server go. The socket first, for that cannot block and cannot fail, while a thaw can
/// do both; a writer that the lock lets go waits for the thaw at most.
fn let_go(charge: &Charge) -> u8 {
    if let Some(socket) = &charge.socket {
        let _closed_already = shutdown(socket.as_raw_fd(), Shutdown::Both);
    }
    let thawed: Vec<bool> = charge.thaw.iter().map(thaw).collect();
    if thawed.contains(&false) { FAILED } else { ACTED }
}

fn thaw(point: &OwnedFd) -> bool {
    (0..THAW_TRIES_MAX).any(|attempt| {
        if attempt > 0 {
            sleep(THAW_PAUSE);
        }
        freeze::thaw(point.as_fd()).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use std::io::PipeWriter;
    use std::os::unix::net::UnixStream;
    use std::thread::JoinHandle;

    use nix::fcntl::OFlag;
    use nix::sys::stat::Mode;

    use super::*;
    use crate::host::linux::guard::arming as armed;
    use crate::units::Millis;

    /// A dead-man on a thread: what to say to it, the server's end of the socket, its status.
    fn watching() -> (PipeWriter, UnixStream, JoinHandle<u8>) {
        let (mut pipe, say) = io::pipe().unwrap();
        let (ours, server) = UnixStream::pair().unwrap();
        server.set_nonblocking(true).unwrap();
        let charge = Charge { thaw: vec![], socket: Some(ours.into()) };
        let kept = charge.socket.as_ref().unwrap().try_clone().unwrap();
        let watcher = std::thread::spawn(move || {
            let status = watch(&mut pipe, &charge);
            // Held to the end, so that only a shutdown can be seen from the other side.
            drop(kept);
            status
        });
        (say, server, watcher)
    }

    /// Whether the server sees the session's end. The end of the holder also ends the socket, so
    /// this is asked while a handle is still open.
    fn sees_end(server: &mut UnixStream) -> bool {
        matches!(server.read(&mut [0]), Ok(0))
    }

    #[test]
    fn an_armed_dead_man_lets_go_when_the_run_dies() {
        let (mut say, mut server, watcher) = watching();
        say.write_all(&armed(Millis(60_000))).unwrap();
        sleep(Duration::from_millis(50));
        assert!(!sees_end(&mut server));
        drop(say);
        assert_eq!(watcher.join().unwrap(), ACTED);
        assert!(sees_end(&mut server));
    }

    #[test]
    fn an_armed_dead_man_lets_go_when_the_window_is_open_too_long() {
        let (mut say, mut server, watcher) = watching();
        say.write_all(&[armed(Millis(60_000)), armed(Millis(50))].concat()).unwrap();
        assert_eq!(watcher.join().unwrap(), ACTED);
        assert!(sees_end(&mut server));
        assert!(say.write_all(&[DISMISS]).is_err(), "nobody listens any more");
    }

    #[test]
    fn a_dismissed_or_unarmed_dead_man_touches_nothing() {
        for words in [[armed(Millis(60_000)), vec![DISMISS]].concat(), vec![DISMISS], vec![]] {
            let (mut pipe, mut say) = io::pipe().unwrap();
            let (ours, mut server) = UnixStream::pair().unwrap();
            server.set_nonblocking(true).unwrap();
            let charge = Charge { thaw: vec![], socket: Some(ours.into()) };
            say.write_all(&words).unwrap();
            drop(say);
            assert_eq!(watch(&mut pipe, &charge), 0);
            assert!(!sees_end(&mut server));
        }
    }

    #[test]
    fn a_thaw_that_cannot_be_confirmed_is_told() {
        // A handle that names a file without opening it takes no ioctl.
        let named = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let point = nix::fcntl::open("/", named, Mode::empty()).unwrap();
        let charge = Charge { thaw: vec![point], socket: None };
        let (mut pipe, mut say) = io::pipe().unwrap();
        say.write_all(&armed(Millis(0))).unwrap();
        assert_eq!(watch(&mut pipe, &charge), FAILED);
    }
}
