//! Our side of the dead-man: starting it, arming it, dismissing it. Its own side is
//! `crate::deadman`; the words the two exchange are here.
//!
//! It is this same executable, started again, with nothing but a pipe from us, the mount points
//! and the lock session's socket. The pipe is closed by our death, whatever killed us: that is
//! the signal. Deliberately no shared memory and no files.

use std::fmt;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::kernel;
use crate::host::{Answer, Fault};
use crate::units::Millis;

/// Said by us: the window may stay open for so many milliseconds from now, as eight bytes that
/// follow, the lowest first.
pub(crate) const ARM: u8 = b'a';
/// Said by us: the window is closed.
pub(crate) const DISMISS: u8 = b'd';
/// Said by the dead-man, once: everything is at hand.
pub(crate) const READY: &[u8; 6] = b"ready\n";
/// The dead-man's exit status after it let the server go.
pub(crate) const ACTED: u8 = 3;
/// The same, when a thaw could not be confirmed.
pub(crate) const FAILED: u8 = 4;

/// How long the dead-man may take to come, and to go.
const START_MS_MAX: u16 = 10_000;
const END_MS_MAX: u64 = 10_000;
const END_TICK: Duration = Duration::from_millis(2);

/// What the dead-man is told on its command line: numbers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    /// The lock session's socket.
    pub(crate) socket: Option<RawFd>,
    /// The open mount points to thaw.
    pub(crate) thaw: Vec<RawFd>,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.socket.map(|n| n.to_string()).unwrap_or_default())?;
        let numbers: Vec<String> = self.thaw.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

impl FromStr for Watched {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected 'SOCKET:POINT,...', found '{text}'");
        let number = |text: &str| text.parse::<RawFd>().map_err(|_| wrong());
        let mut parts = text.splitn(2, ':');
        let (Some(socket), Some(thaw)) = (parts.next(), parts.next()) else {
            return Err(wrong());
        };
        Ok(Self {
            socket: Some(socket).filter(|text| !text.is_empty()).map(number).transpose()?,
            thaw: thaw
                .split(',')
                .filter(|text| !text.is_empty())
                .map(number)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The dead-man, as we hold it.
pub(super) struct DeadMan {
    child: Child,
    pipe: ChildStdin,
    /// The limit it was last armed with.
    ms_max: Millis,
}

impl DeadMan {
    /// Starts it and waits until it is ready.
    pub(super) fn start(
        points: &[BorrowedFd<'_>],
        socket: Option<&OwnedFd>,
    ) -> Result<Self, Fault> {
        let watched = Watched {
            socket: socket.map(AsRawFd::as_raw_fd),
            thaw: points.iter().map(AsRawFd::as_raw_fd).collect(),
        };
        let wrong = |error| Fault::refused(format!("cannot start the dead-man: {error}"));
        let (said, say) = std::io::pipe().map_err(wrong)?;
        let mut command = command(&watched);
        command.stdout(say);
        let mut child = command.spawn().map_err(wrong)?;
        // The command holds the writing end, and without its end the pipe has none.
        drop(command);
        if !is_ready(said) {
            let _not_armed_yet = child.kill().and_then(|()| child.wait());
            return Err(Fault::refused("the dead-man did not come"));
        }
        let pipe = child.stdin.take().ok_or_else(|| Fault::refused("the dead-man is deaf"))?;
        Ok(Self { child, pipe, ms_max: Millis(0) })
    }

    /// The window may stay open for so long from now.
    pub(super) fn arm(&mut self, ms_max: Millis) -> Result<Answer, Fault> {
        self.ms_max = ms_max;
        self.pipe
            .write_all(&arming(ms_max))
            .map(|()| Answer::Done)
            .map_err(|error| Fault::refused(format!("the dead-man is gone: {error}")))
    }

    /// The window is closed: waits for its end. That it let the server go meanwhile is no failure
    /// of this: whoever counted on the lock has learned it from the session.
    pub(super) fn dismiss(mut self) -> Result<Answer, Fault> {
        // If it has gone already, its status tells why.
        let _gone_already = self.pipe.write_all(&[DISMISS]);
        let Some(status) = self.ended_in_time() else {
            let pid = self.child.id();
            return Err(Fault::overdue(format!("the dead-man (process {pid}) does not end")));
        };
        match status.code() {
            Some(0) => Ok(Answer::Done),
            Some(code) if code == i32::from(ACTED) => Ok(Answer::Done),
            Some(code) if code == i32::from(FAILED) => {
                Err(Fault::unsure("the dead-man let the server go, but could not thaw"))
            }
            _ => Err(Fault::unsure(format!("the dead-man ended early ({status})"))),
        }
    }

    /// Why it let the server go, if it did.
    pub(super) fn has_acted(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        let acted = [ACTED, FAILED].iter().any(|code| status.code() == Some(i32::from(*code)));
        acted.then(|| format!("the dead-man let the server go after {}", self.ms_max))
    }

    fn ended_in_time(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + Duration::from_millis(END_MS_MAX);
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            sleep(END_TICK);
        }
        None
    }
}

/// The word that arms it.
pub(super) fn arming(ms_max: Millis) -> Vec<u8> {
    [&[ARM][..], &ms_max.0.to_le_bytes()].concat()
}

fn command(watched: &Watched) -> Command {
    let mut keep = watched.thaw.clone();
    keep.extend(watched.socket);
    let mut command = Command::new("/proc/self/exe");
    command.arg0("holdstill").arg(super::deadman::COMMAND).arg(watched.to_string());
    command.env_clear().current_dir("/").stdin(Stdio::piped()).stderr(Stdio::null());
    kernel::prepare_dead_man(&mut command, keep);
    command
}

/// Waits for the one word.
fn is_ready(mut said: PipeReader) -> bool {
    let deadline = Instant::now() + Duration::from_millis(START_MS_MAX.into());
    let mut word = Vec::new();
    while word != READY {
        let mut byte = [0];
        if !READY.starts_with(&word)
            || !is_readable(said.as_fd(), deadline)
            || !matches!(said.read(&mut byte), Ok(1))
        {
            return false;
        }
        word.push(byte[0]);
    }
    true
}

/// Waits for something to read, or for the end, until a deadline.
fn is_readable(pipe: BorrowedFd<'_>, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pipe, PollFlags::POLLIN)], left) {
            Ok(0) => return false,
            Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return true,
            Err(_) => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_reads_as_written() {
        for (socket, thaw) in [(None, vec![]), (Some(7), vec![4, 5]), (Some(3), vec![9])] {
            let watched = Watched { socket, thaw };
            assert_eq!(watched.to_string().parse(), Ok(watched));
        }
        let told = "x:1".parse::<Watched>().unwrap_err();
        assert_eq!(told, "expected 'SOCKET:POINT,...', found 'x:1'");
        assert!("".parse::<Watched>().is_err());
    }

    #[test]
    fn somebody_else_in_the_dead_mans_place_is_noticed() {
        // What is started again here is this test's own program, which never says the word.
        let told = DeadMan::start(&[], None).map(drop).unwrap_err();
        assert_eq!(told, Fault::refused("the dead-man did not come"));
    }
}
