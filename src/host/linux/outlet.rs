//! Where texts leave the process: standard output and standard error as the machine has them.
//! Nobody is waited for longer than the caller says, whatever became of the reader.
//!
//! A pipe and a terminal are opened anew by `/proc/self/fd`, with `O_NONBLOCK`: that flag belongs
//! to the open file description, which we share with the shell, so it is not set there. A socket
//! takes a flag with each call. Where there is no new description to be had, it is asked before
//! each small piece whether there is room for it. Anything else is written as it is: a file has no
//! reader. Deliberately absent: what is to become of a text that nobody takes, which `ui` says.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{FileStat, SFlag, fstat, major, minor};
use nix::unistd;

use crate::units::Millis;

/// What fits into a pipe that has room at all: pipe(7) takes this much whole or not at all
/// (`_POSIX_PIPE_BUF`; Linux takes eight times as much).
const PIPE_PIECE_BYTES_MAX: usize = 512;

/// A terminal with room has it for one character, and perhaps for no other.
const TERMINAL_PIECE_BYTES_MAX: usize = 1;

/// What makes a new terminal each time it is opened: major, minor (devices.txt of Linux).
const PTMX: (u64, u64) = (5, 2);

/// Where texts go.
pub struct Outlet {
    stream: Box<dyn AsFd + Send>,
    way: Way,
}

/// How it is written to.
enum Way {
    /// As it is: it takes everything.
    AsItIs,
    /// By a description of our own, which does not block.
    Anew(File),
    /// By calls of a socket that do not block.
    Send,
    /// In pieces, when there is room.
    Asked { piece_bytes_max: usize },
}

impl Outlet {
    /// Whatever this descriptor leads to. The descriptor itself stays as it is.
    pub fn new(stream: impl AsFd + Send + 'static) -> Self {
        let way = way(stream.as_fd());
        Self { stream: Box::new(stream), way }
    }

    /// Whether both lead to the same reader.
    pub fn has_the_reader_of(&self, other: &Self) -> bool {
        if matches!(self.way, Way::AsItIs) {
            return false;
        }
        match (fstat(&self.stream), fstat(&other.stream)) {
            (Ok(one), Ok(two)) => (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino),
            _ => false,
        }
    }

    /// Writes as much as is taken within this time, or as long as it takes if there is none, and
    /// tells how many bytes that were. A signal that somebody handles ends the waiting.
    pub fn write(&self, bytes: &[u8], ms_max: Option<Millis>) -> io::Result<usize> {
        let deadline = ms_max.map(|ms| Instant::now() + Duration::from(ms));
        let mut taken = 0;
        while taken < bytes.len() {
            match self.offer(&bytes[taken..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => taken += more,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if self.has_room_by(deadline)? => {}
                Err(Errno::EAGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(taken)
    }

    /// Writes what is taken at once; `EAGAIN` if that is nothing.
    fn offer(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::AsItIs => unistd::write(&self.stream, bytes),
            Way::Anew(file) => unistd::write(file, bytes),
            Way::Send => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                send(self.stream.as_fd().as_raw_fd(), bytes, flags)
            }
            Way::Asked { .. } if !self.has_room(PollTimeout::ZERO)? => Err(Errno::EAGAIN),
            Way::Asked { piece_bytes_max } => {
                unistd::write(&self.stream, &bytes[..bytes.len().min(*piece_bytes_max)])
            }
        }
    }

    /// Waits for room; false if there is none by then, or if a signal came.
    fn has_room_by(&self, deadline: Option<Instant>) -> Result<bool, Errno> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // More than poll can wait for is as good as no limit.
        let left = left.and_then(|left| PollTimeout::try_from(left).ok());
        match self.has_room(left.unwrap_or(PollTimeout::NONE)) {
            Err(Errno::EINTR) => Ok(false),
            found => found,
        }
    }

    /// Whether a call would not block, be it that there is room or that it would fail.
    fn has_room(&self, wait: PollTimeout) -> Result<bool, Errno> {
        let fd = match &self.way {
            Way::Anew(file) => file.as_fd(),
            _ => self.stream.as_fd(),
        };
        poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], wait).map(|ready| ready > 0)
    }
}

fn way(stream: BorrowedFd<'_>) -> Way {
    let Ok(found) = fstat(stream) else { return Way::AsItIs };
    let kind = SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFSOCK {
        Way::Send
    } else if kind == SFlag::S_IFIFO {
        anew(stream).unwrap_or(Way::Asked { piece_bytes_max: PIPE_PIECE_BYTES_MAX })
    } else if stream.is_terminal() {
        let asked = Way::Asked { piece_bytes_max: TERMINAL_PIECE_BYTES_MAX };
        if makes_terminals(&found) { asked } else { anew(stream).unwrap_or(asked) }
    } else {
        Way::AsItIs
    }
}

fn makes_terminals(found: &FileStat) -> bool {
    (major(found.st_rdev), minor(found.st_rdev)) == PTMX
}

/// Not to be had of somebody else's terminal, nor where there is no /proc.
fn anew(stream: BorrowedFd<'_>) -> Option<Way> {
    let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok().map(Way::Anew)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, pipe};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::channel;
    use std::thread::{sleep, spawn};

    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    use nix::pty::openpty;

    use super::*;

    const SHORT: Option<Millis> = Some(Millis(100));
    /// What fits nowhere.
    static MUCH: [u8; 1 << 20] = [b'x'; 1 << 20];

    /// What is full must be told, not waited for: a call that hangs fails the test.
    fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, done) = channel();
        spawn(move || sender.send(work()));
        done.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{what} hangs"))
    }

    /// Its other end, and itself, in each way that it can be written to.
    fn all() -> Vec<(&'static str, OwnedFd, Outlet)> {
        let piped = || pipe().map(|(end, fd)| (OwnedFd::from(end), OwnedFd::from(fd))).unwrap();
        let terminal = || openpty(None, None).map(|pty| (pty.master, pty.slave)).unwrap();
        let (read, written) = UnixStream::pair().unwrap();
        let asked = |(end, fd): (OwnedFd, OwnedFd), piece_bytes_max| {
            (end, Outlet { stream: Box::new(fd), way: Way::Asked { piece_bytes_max } })
        };
        let plain = |(end, fd): (OwnedFd, OwnedFd)| (end, Outlet::new(fd));
        let named = |name, (end, outlet)| (name, end, outlet);
        vec![
            named("a pipe", plain(piped())),
            named("a terminal", plain(terminal())),
            named("a socket", plain((read.into(), written.into()))),
            named("a pipe that is asked", asked(piped(), PIPE_PIECE_BYTES_MAX)),
            named("a terminal that is asked", asked(terminal(), TERMINAL_PIECE_BYTES_MAX)),
        ]
    }

    #[test]
    fn nobody_who_does_not_read_is_waited_for() {
        for (what, _unread, outlet) in all() {
            in_time(what, move || {
                let taken = outlet.write(&MUCH, SHORT).unwrap();
                assert!(taken > 0 && taken < MUCH.len(), "{what} took {taken}");
                for _ in 0..3 {
                    assert_eq!(outlet.write(b"more\n", Some(Millis(0))).unwrap(), 0, "{what}");
                }
            });
        }
    }

    #[test]
    fn a_reader_who_is_slow_is_waited_for() {
        for (what, end, outlet) in all() {
            in_time(what, move || {
                let taken = outlet.write(&MUCH, Some(Millis(0))).unwrap();
                let reader = spawn(move || {
                    sleep(Duration::from_millis(200));
                    let mut read = vec![0; MUCH.len()];
                    let mut end = File::from(end);
                    let all: usize = (0..64).map_while(|_| end.read(&mut read).ok()).sum();
                    (all, end)
                });
                assert_eq!(outlet.write(b"more\n", None).unwrap(), 5, "{what}, after {taken}");
                drop(outlet);
                let (read, _) = reader.join().unwrap();
                assert!(read > taken, "{what}: read {read} of {taken} and more");
            });
        }
    }

    /// The reader has gone: an error at once, which is not the same as one who does not read.
    #[test]
    fn a_reader_who_is_gone_is_an_error() {
        for (what, end, outlet) in all() {
            drop(end);
            in_time(what, move || assert!(outlet.write(b"more\n", None).is_err(), "{what}"));
        }
    }

    #[test]
    fn the_flags_of_others_are_let_be() {
        let (_end, stream) = pipe().unwrap();
        let outlet = Outlet::new(stream.try_clone().unwrap());
        assert!(matches!(outlet.way, Way::Anew(_)));
        outlet.write(&MUCH, Some(Millis(0))).unwrap();
        let flags = fcntl(&stream, FcntlArg::F_GETFL).unwrap();
        assert!(!OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK));
    }

    /// A file opened anew would be written from its beginning; two of them would write over each
    /// other.
    #[test]
    fn a_file_is_written_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let outlet = |file: &File| Outlet::new(file.try_clone().unwrap());
        let (one, two) = (outlet(file.as_file()), outlet(file.as_file()));
        assert!(!one.has_the_reader_of(&two));
        assert_eq!(one.write(b"one\n", Some(Millis(0))).unwrap(), 4);
        assert_eq!(two.write(b"two\n", Some(Millis(0))).unwrap(), 4);
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn two_that_lead_to_one_pipe_are_known() {
        let (_end, stream) = pipe().unwrap();
        let (_other_end, other) = pipe().unwrap();
        let (one, two) = (Outlet::new(stream.try_clone().unwrap()), Outlet::new(stream));
        assert!(one.has_the_reader_of(&two) && !one.has_the_reader_of(&Outlet::new(other)));
    }

    /// What makes terminals would make another one when it is opened anew.
    #[test]
    fn the_other_end_of_a_terminal_is_not_opened_anew() {
        let pty = openpty(None, None).unwrap();
        assert!(matches!(Outlet::new(pty.master).way, Way::Asked { .. }));
    }
}
