//! Programs: run without a shell, with a clean environment, a deadline, and limits on what they
//! may say.
//!
//! A command that may be ended is ended past its deadline or when a signal asks us to stop. One
//! that must be left alone (lvm) is neither: it is reported, and keeps somebody reading what it
//! says. Deliberately absent: the meaning of any output.

use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::kernel;
use super::said::Tail;
use super::signals::FromNow;
use crate::host::{Answer, Cmd, Fault, Overrun, Priority};
use crate::units::Bytes;

/// Where a child finds programs of its own.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The most a command may say on standard output, if it is kept.
const STDOUT_BYTES_MAX: usize = 64 << 20;

/// How many lines of standard error an error message shows.
const SHOWN_LINES_MAX: usize = 5;

/// How long an ended command has, after the kind signal and after the other one.
const END_MS_MAX: u64 = 5_000;

/// How often the child is asked whether it still lives, while it is silent.
const TICK_MS: u16 = 20;

/// The same once it has closed its output, which most do only by ending.
const LAST_TICK: Duration = Duration::from_millis(1);

/// Runs a command to its end and returns its standard output.
pub(super) fn run(cmd: &Cmd, interrupt: &FromNow) -> Result<Answer, Fault> {
    let mut stdout = Vec::new();
    let mut dropped = false;
    let (status, stderr) = drive(cmd, interrupt, &mut |bytes| {
        let room = STDOUT_BYTES_MAX - stdout.len();
        dropped |= bytes.len() > room;
        stdout.extend_from_slice(&bytes[..bytes.len().min(room)]);
    })?;
    if !status.success() {
        return Err(failed(cmd, status, &stderr));
    }
    if dropped {
        let limit = Bytes(STDOUT_BYTES_MAX as u64);
        return Err(Fault::unsure(format!("{} said more than {limit}", quoted(cmd))));
    }
    Ok(Answer::Text(Some(String::from_utf8_lossy(&stdout).into_owned())))
}

/// Runs a command to its end, feeding its standard output to `sink`.
fn drive(
    cmd: &Cmd,
    interrupt: &FromNow,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(ExitStatus, String), Fault> {
    let mut running = Running::start(cmd, Priority::default())?;
    let deadline = Instant::now() + Duration::from(cmd.ms_max);
    loop {
        running.pump(sink);
        if let Some(status) = running.ended() {
            running.drain(sink);
            return Ok((status, running.stderr.text()));
        }
        let late = Instant::now() >= deadline;
        match (cmd.overrun, late, interrupt.came()) {
            (Overrun::End, _, Some(signal)) => {
                return Err(running.ended_for(&format!("interrupted by {signal}")));
            }
            (Overrun::End, true, _) => {
                return Err(running.ended_for(&format!("not done within {}", cmd.ms_max)));
            }
            (Overrun::LeaveAlone, true, _) => return Err(running.leave()),
            _ => {}
        }
    }
}

/// A child and its two pipes; a pipe is gone once it is at its end.
pub(super) struct Running {
    cmd: Cmd,
    child: Child,
    pipes: Pipes,
    stderr: Tail,
}

/// Something to read from that can be polled.
pub(super) trait Pipe: Read + AsFd + Send {}
impl<P: Read + AsFd + Send> Pipe for P {}

/// Standard output and standard error of a child.
pub(super) type Pipes = [Option<Box<dyn Pipe>>; 2];

/// A program that is about to start as every child of ours does; its standard input is open yet.
pub(super) fn prepared(program: &Path, overrun: Overrun) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("LC_ALL", "C");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.current_dir("/").process_group(0);
    kernel::prepare_child(&mut command, overrun);
    command
}

/// Takes a child's pipes; reading them does not block.
pub(super) fn pipes_of(child: &mut Child) -> io::Result<Pipes> {
    let pipes: Pipes = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Pipe>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Pipe>),
    ];
    for pipe in pipes.iter().flatten() {
        fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(pipes)
}

impl Running {
    /// Starts a command.
    pub(super) fn start(cmd: &Cmd, priority: Priority) -> Result<Self, Fault> {
        let mut command = prepared(&cmd.program, cmd.overrun);
        kernel::stand_back(&mut command, priority);
        let spawned = command.args(&cmd.args).stdin(Stdio::null()).spawn();
        let begun = spawned.and_then(|mut child| Ok((pipes_of(&mut child)?, child)));
        let (pipes, child) = begun.map_err(|error| {
            Fault::refused(format!("cannot run '{}': {error}", cmd.program.display()))
        })?;
        Ok(Self { cmd: cmd.clone(), child, pipes, stderr: Tail::default() })
    }

    /// Waits a tick for output and takes what is there.
    pub(super) fn pump(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let mut polled: Vec<PollFd<'_>> =
            self.pipes.iter().flatten().map(|pipe| pollable(pipe.as_fd())).collect();
        if polled.is_empty() {
            thread::sleep(LAST_TICK);
        } else {
            // A signal cuts this short, and the loop around it looks for signals.
            let _woken = poll(&mut polled, PollTimeout::from(TICK_MS));
        }
        self.drain(sink);
    }

    /// Takes what is there now.
    pub(super) fn drain(&mut self, sink: &mut dyn FnMut(&[u8])) {
        let [stdout, stderr] = &mut self.pipes;
        take(stdout, sink);
        take(stderr, &mut |bytes| self.stderr.push(bytes));
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// The last it said on standard error, on one line.
    pub(super) fn last_words(&self) -> String {
        last_lines(&self.stderr.text())
    }

    /// Ends the command for a reason, which is what is told of it.
    fn ended_for(self, why: &str) -> Fault {
        let name = quoted(&self.cmd);
        match self.end() {
            Ok(()) => Fault::unsure(format!("{name}: {why}")),
            Err(fault) => fault.during(why),
        }
    }

    /// Ends the command and its group, first kindly.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        let group = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            let _gone_already = killpg(group, signal);
            if self.ends_within(Duration::from_millis(END_MS_MAX)) {
                let _its_children = killpg(group, Signal::SIGKILL);
                return Ok(());
            }
        }
        let told = format!("{} (process {group}) does not end", quoted(&self.cmd));
        self.keep_reading();
        Err(Fault::overdue(told))
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            self.pump(&mut |_| {});
            if self.ended().is_some() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    /// Leaves the command alone past its deadline.
    fn leave(self) -> Fault {
        let (name, pid, limit) = (quoted(&self.cmd), self.child.id(), self.cmd.ms_max);
        self.keep_reading();
        Fault::overdue(format!("{name} (process {pid}) is still running after {limit}"))
    }

    /// Reads on until the command ends: with a full pipe it never would. No thread, no reading:
    /// then it waits for us to go away, which ends the pipe.
    fn keep_reading(self) {
        let (mut child, pipes) = (self.child, self.pipes);
        let _unread = thread::Builder::new().spawn(move || {
            read_to_the_end(pipes);
            child.wait()
        });
    }
}

/// Reads two pipes to their ends and forgets what they say.
pub(super) fn read_to_the_end(mut pipes: Pipes) {
    for pipe in pipes.iter().flatten() {
        let _busy = fcntl(pipe.as_fd(), FcntlArg::F_SETFL(OFlag::empty()));
    }
    let [stdout, stderr] = &mut pipes;
    thread::scope(|both| {
        both.spawn(|| take(stdout, &mut |_| {}));
        both.spawn(|| take(stderr, &mut |_| {}));
    });
}

fn pollable(pipe: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(pipe, PollFlags::POLLIN)
}

/// Takes what a pipe holds; all of it to its end if the pipe blocks.
pub(super) fn take(pipe: &mut Option<Box<dyn Pipe>>, sink: &mut dyn FnMut(&[u8])) {
    let mut buffer = [0; 16 << 10];
    while let Some(open) = pipe {
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => sink(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => *pipe = None,
        }
    }
}

/// The command's name, for a message.
pub(super) fn quoted(cmd: &Cmd) -> String {
    let name = cmd.program.file_name().unwrap_or(cmd.program.as_os_str());
    format!("'{}'", name.to_string_lossy())
}

/// The last lines of what a command said, on one line.
fn last_lines(stderr: &str) -> String {
    let said: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    said[said.len().saturating_sub(SHOWN_LINES_MAX)..].join("; ")
}

/// A command that did not succeed: how it ended, and the last it said.
fn failed(cmd: &Cmd, status: ExitStatus, stderr: &str) -> Fault {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit status {code}"),
        (None, Some(signal)) => {
            let name = Signal::try_from(signal).map_or("a signal", Signal::as_str);
            format!("was killed by {name}")
        }
        (None, None) => "ended oddly".into(),
    };
    let said = last_lines(stderr);
    let colon = if said.is_empty() { "" } else { ": " };
    Fault::unsure(format!("{} {how}{colon}{said}", quoted(cmd)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::signals::Signals;
    use super::*;
    use crate::units::Millis;

    fn sh(script: &str, ms_max: u64, overrun: Overrun) -> Cmd {
        let args = vec!["-c".into(), script.into()];
        Cmd { program: "/bin/sh".into(), args, ms_max: Millis(ms_max), overrun }
    }

    fn quiet() -> FromNow {
        Signals::of_test(Arc::default()).since_now()
    }

    fn text(script: &str) -> Result<Answer, Fault> {
        run(&sh(script, 10_000, Overrun::LeaveAlone), &quiet())
    }

    fn alive(pid: &str) -> bool {
        std::path::Path::new("/proc").join(pid.trim()).exists()
    }

    #[test]
    fn a_command_says_what_it_says_in_a_clean_environment() {
        kernel::keep_descriptors_to_ourselves().unwrap();
        assert_eq!(text("echo held").unwrap(), Answer::Text(Some("held\n".into())));
        let seen = text("env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sort; pwd").unwrap();
        assert_eq!(seen, Answer::Text(Some(format!("LC_ALL=C\nPATH={PATH}\n/\n"))));
        assert_eq!(
            text("cat; ls /proc/self/fd | wc -l").unwrap(),
            Answer::Text(Some("4\n".into()))
        );
    }

    #[test]
    fn only_a_command_that_must_not_be_killed_ignores_broken_pipes() {
        // The last four digits of the mask; others than SIGPIPE, 13, may be ignored around us.
        for (overrun, ignored) in [(Overrun::LeaveAlone, '1'), (Overrun::End, '0')] {
            let cmd = sh("grep SigIgn /proc/self/status | tail -c 5", 10_000, overrun);
            let Ok(Answer::Text(Some(mask))) = run(&cmd, &quiet()) else { panic!("no mask") };
            assert_eq!(mask.chars().next(), Some(ignored), "{mask}");
        }
    }

    #[test]
    fn a_failure_shows_the_status_and_the_end_of_standard_error() {
        let told = text("seq 9 >&2; exit 5").unwrap_err();
        assert_eq!(told, Fault::unsure("'sh' failed with exit status 5: 5; 6; 7; 8; 9"));
        let told = text("kill -9 $$").unwrap_err();
        assert_eq!(told, Fault::unsure("'sh' was killed by SIGKILL"));
        let missing = Cmd { program: "/no/such".into(), ..sh("", 1, Overrun::End) };
        assert!(matches!(run(&missing, &quiet()), Err(Fault::Refused(_))));
    }

    #[test]
    fn long_output_is_taken_from_both_pipes() {
        let Ok(Answer::Text(Some(text))) = text("seq 200000; seq 200000 >&2") else {
            panic!("no text")
        };
        assert!(text.ends_with("\n199999\n200000\n"));
    }

    #[test]
    fn a_late_command_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let note = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", note.display());
        let told = run(&sh(&script, 300, Overrun::End), &quiet()).unwrap_err();
        assert_eq!(told, Fault::unsure("'sh': not done within 300 ms"));
        let child = std::fs::read_to_string(note).unwrap();
        let gone = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(10));
            !alive(&child)
        });
        assert!(gone, "process {child} outlived its group");
    }

    #[test]
    fn a_deaf_command_is_killed_in_the_end() {
        let began = Instant::now();
        let told = run(&sh("trap '' TERM; while :; do sleep 1; done", 100, Overrun::End), &quiet());
        assert!(matches!(told, Err(Fault::Unsure(_))));
        assert!(began.elapsed() >= Duration::from_millis(END_MS_MAX));
    }

    #[test]
    fn a_late_command_that_must_not_be_killed_goes_on_and_can_still_speak() {
        let dir = tempfile::tempdir().unwrap();
        let done = dir.path().join("done");
        let script = format!("sleep 0.4; seq 100000; echo x > {}", done.display());
        let told = run(&sh(&script, 100, Overrun::LeaveAlone), &quiet()).unwrap_err();
        assert!(told.is_overdue());
        assert!(told.to_string().starts_with("'sh' (process "), "{told}");
        assert!(!done.exists());
        let ended = (0..300).any(|_| {
            thread::sleep(Duration::from_millis(10));
            done.exists()
        });
        assert!(ended, "the command was cut off");
    }

    #[test]
    fn a_signal_ends_what_may_be_ended_and_nothing_that_began_after_it() {
        let flag = Arc::new(AtomicUsize::new(0));
        let signals = Signals::of_test(Arc::clone(&flag));
        let watching = signals.since_now();
        flag.store(15, Ordering::SeqCst);
        let told = run(&sh("sleep 60", 60_000, Overrun::End), &watching).unwrap_err();
        assert_eq!(told, Fault::unsure("'sh': interrupted by SIGTERM"));
        assert!(run(&sh("sleep 0.1", 60_000, Overrun::LeaveAlone), &watching).is_ok());
        assert!(run(&sh("sleep 0.1", 60_000, Overrun::End), &signals.since_now()).is_ok());
    }
}
