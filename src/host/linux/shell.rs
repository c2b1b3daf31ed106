//! lvm as a shell, so that what takes long in starting it is over before a lock is asked for.
//!
//! Whether it prints a prompt to a pipe depends on the library it was built with (with libedit it
//! does not), so the end of a command is told by what follows it: a word that is no command, of
//! which lvm complains on standard error, behind all that the command itself complained of.
//! Deliberately absent: any signal. A killed lvm can leave a device suspended; this one ends by
//! itself when its standard input does, also if that is because we died.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::command::{self, Pipes};
use super::hold::{self, Hold};
use super::said::Lines;
use crate::host::{Answer, Fault, Overrun, Shell};
use crate::units::Millis;

/// Where the shell would keep a history: it writes one after each command, by default below the
/// root, and must write nowhere.
const HOME: &str = "/dev/null";

/// The word behind each command, with a number.
const END_WORD: &str = "holdstill-has-seen-the-end-of-";

/// A line of this length surely fits into a pipe in one piece (POSIX's least `PIPE_BUF` is 512,
/// Linux's 4096, and lvm takes 64 words).
const LINE_BYTES_MAX: usize = 4_000;

/// How many lines of complaint are kept: the last ones.
const COMPLAINTS_MAX: usize = 8;

/// How often the shell is looked at while it is waited for outside of any window.
const TICK: Duration = Duration::from_millis(1);

/// The shell of lvm, if there is one.
#[derive(Default)]
pub(super) enum Slot {
    /// There is none.
    #[default]
    Empty,
    /// It takes orders.
    Open(Box<Running>),
    /// It is past its deadline: it gets no more to do, and ends when it is ready.
    Left(Left),
}

/// A shell that was left alone.
pub(super) struct Left {
    child: Child,
    /// While it may still be traced.
    hold: Option<Hold>,
}

/// A shell that takes orders.
pub(super) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    pipes: Pipes,
    stdout: Lines,
    stderr: Lines,
    /// While it is traced.
    hold: Option<Hold>,
    ended: Option<ExitStatus>,
    task: Task,
    number: u64,
    /// Whether a command named its devices, see `order`.
    spent: bool,
}

/// The command that the shell is at, or was.
#[derive(Default)]
struct Task {
    command: String,
    end_word: String,
    done: bool,
    spoke: bool,
    complaints: Vec<String>,
    suspended: Option<u64>,
    /// Whether it was held before its suspend, and let go.
    let_go: bool,
}

impl Slot {
    /// Starts the shell and warms it.
    pub(super) fn open(&mut self, order: &Shell) -> Result<Answer, Fault> {
        self.forget_the_ended();
        match self {
            Self::Empty => {}
            Self::Open(_) => return Err(Fault::refused("there is a shell of lvm already")),
            Self::Left(left) => {
                let pid = left.child.id();
                let why = format!("the last shell of lvm (process {pid}) still runs");
                return Err(Fault::refused(why));
            }
        }
        let mut shell = Running::start(&order.program).map_err(|error| {
            Fault::refused(format!("cannot run '{}': {error}", order.program.display()))
        })?;
        match shell.warm(&order.warm, order.ms_max) {
            Ok(()) => {
                *self = Self::Open(Box::new(shell));
                Ok(Answer::Done)
            }
            Err(fault) => {
                shell.stdin = None;
                if fault.is_overdue() || !shell.until(order.ms_max, |shell| shell.ended.is_some()) {
                    *self = Self::Left(shell.leave());
                }
                Err(fault)
            }
        }
    }

    /// Has the next command stop before it suspends a device.
    pub(super) fn hold(&mut self) -> Result<Answer, Fault> {
        self.running()?.hold().map(|()| Answer::Done)
    }

    /// Lets it go on.
    pub(super) fn let_go(&mut self) -> Result<Answer, Fault> {
        let shell = self.running()?;
        // What was seen before now was not ours.
        shell.task.suspended = None;
        if shell.hold.as_ref().is_some_and(Hold::let_go) {
            shell.hold = None;
            shell.task.let_go = true;
            return Ok(Answer::Done);
        }
        Err(Fault::refused("the shell of lvm is not held any more"))
    }

    /// Hands over a command.
    pub(super) fn order(&mut self, line: &str) -> Result<Answer, Fault> {
        self.running()?.order(line).map(|()| Answer::Done)
    }

    /// Lets the shell end; what its last order complained of.
    pub(super) fn close(&mut self, ms_max: Millis) -> Result<Answer, Fault> {
        match std::mem::take(self) {
            Self::Empty => Ok(Answer::Text(None)),
            Self::Open(mut shell) => {
                shell.stdin = None;
                shell.give_up();
                if shell.until(ms_max, |shell| shell.ended.is_some()) {
                    return Ok(Answer::Text(shell.complaint()));
                }
                let fault = late(&shell.child, ms_max);
                *self = Self::Left(shell.leave());
                Err(fault)
            }
            Self::Left(mut left) => {
                if within(ms_max, || left.has_ended()) {
                    return Ok(Answer::Text(None));
                }
                let fault = late(&left.child, ms_max);
                *self = Self::Left(left);
                Err(fault)
            }
        }
    }

    /// The shell that takes orders.
    pub(super) fn running(&mut self) -> Result<&mut Running, Fault> {
        match self {
            Self::Open(shell) => Ok(shell),
            _ => Err(Fault::refused("there is no shell of lvm")),
        }
    }

    /// One that was left alone counts no more once it is gone.
    fn forget_the_ended(&mut self) {
        if let Self::Left(left) = self
            && left.has_ended()
        {
            *self = Self::Empty;
        }
    }
}

impl Left {
    /// While it is traced only the tracer may ask.
    fn has_ended(&mut self) -> bool {
        self.hold.take_if(|hold| hold.is_over());
        self.hold.is_none() && self.child.try_wait().is_ok_and(|ended| ended.is_some())
    }
}

impl Running {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = command::prepared(program, Overrun::LeaveAlone);
        let mut child = command.env("HOME", HOME).stdin(Stdio::piped()).spawn()?;
        Ok(Self {
            stdin: child.stdin.take(),
            pipes: command::pipes_of(&mut child)?,
            stdout: Lines::default(),
            stderr: Lines::default(),
            hold: None,
            child,
            ended: None,
            task: Task { done: true, ..Task::default() },
            number: 0,
            spent: false,
        })
    }

    /// Waits until it is ready, and then for one command after the other.
    fn warm(&mut self, commands: &[String], ms_max: Millis) -> Result<(), Fault> {
        for line in std::iter::once("").chain(commands.iter().map(String::as_str)) {
            self.order(line)?;
            if !self.until(ms_max, Self::is_done) {
                return Err(late(&self.child, ms_max));
            }
            // One that says what it was asked for may still complain of a device it did not need.
            let failed = !self.task.done || !self.task.spoke;
            if failed && let Some(why) = self.complaint() {
                return Err(Fault::refused(why).during("the shell of lvm does not get ready"));
            }
        }
        self.task = Task { done: true, ..Task::default() };
        Ok(())
    }

    /// Has the next command stop before it suspends a device.
    fn hold(&mut self) -> Result<(), Fault> {
        self.advance();
        let cannot =
            |why: &str| Err(Fault::refused(format!("cannot hold the shell of lvm: {why}")));
        if self.ended.is_some() || !self.task.done || self.hold.is_some() {
            return cannot("it does not wait for an order");
        }
        match Hold::begin(pid(&self.child), hold::suspends) {
            Ok(hold) => {
                self.hold = Some(hold);
                Ok(())
            }
            Err(error) => cannot(&error.to_string()),
        }
    }

    /// Whether it stands before it suspends a device.
    pub(super) fn is_held(&self) -> bool {
        self.hold.as_ref().is_some_and(Hold::is_held)
    }

    /// Whether its command was held before its suspend, and let go.
    pub(super) fn was_let_go(&self) -> bool {
        self.task.let_go
    }

    /// Lets it go on, wherever it is.
    fn give_up(&mut self) {
        if let Some(hold) = &self.hold {
            hold.give_up();
        }
    }

    /// Writes a command and the word that tells its end.
    fn order(&mut self, line: &str) -> Result<(), Fault> {
        self.advance();
        let cannot = |why: &str| Err(Fault::refused(format!("cannot order '{line}': {why}")));
        if self.ended.is_some() {
            return cannot("the shell of lvm has ended");
        }
        if !self.task.done {
            return cannot(&format!("the shell of lvm is busy with '{}'", self.task.command));
        }
        // lvm keeps a pointer to the devices that a command named, and follows it in the next
        // command, when the memory is another's: it crashes (seen with 2.03.16 and 2.03.31).
        if self.spent {
            return cannot("the shell of lvm does not survive a command after '--devices'");
        }
        if line.len() > LINE_BYTES_MAX || line.chars().any(char::is_control) {
            return cannot("it is not one line that lvm could read");
        }
        self.begin(line).or_else(|error| cannot(&error.to_string()))
    }

    fn begin(&mut self, line: &str) -> io::Result<()> {
        self.number += 1;
        self.task = Task {
            command: line.into(),
            end_word: format!("{END_WORD}{:06}", self.number),
            ..Task::default()
        };
        self.spent = line.contains("--devices");
        let text = format!("{line}\n{}\n", self.task.end_word);
        self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(text.as_bytes())
    }

    /// Takes what the shell has said meanwhile. Does not wait.
    pub(super) fn advance(&mut self) {
        if self.ended.is_some() {
            return;
        }
        // In this order: what it said before it ended is there when it has.
        self.hold.take_if(|hold| hold.is_over());
        if self.hold.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        let Self { pipes: [stdout, stderr], stdout: told, stderr: complained, task, .. } = self;
        command::take(stdout, &mut |bytes| told.push(bytes, &mut |line| task.hear(line)));
        let mut complain = |line: &str| task.complain(line);
        command::take(stderr, &mut |bytes| complained.push(bytes, &mut complain));
        if self.ended.is_some() {
            complained.end(&mut complain);
        }
    }

    /// Whether the last command has ended, or the shell has.
    pub(super) fn is_done(&self) -> bool {
        self.task.done || self.ended.is_some()
    }

    /// When the origin was first seen suspended during this command; `now`, if it is now.
    pub(super) fn suspended(&mut self, now: Option<u64>) -> Option<u64> {
        self.task.suspended = self.task.suspended.or(now);
        self.task.suspended
    }

    /// What the last command complained of, or how the shell ended in the middle of it.
    pub(super) fn complaint(&self) -> Option<String> {
        let mut told = self.task.complaints.clone();
        if !self.task.done
            && let Some(status) = self.ended
        {
            told.push(format!("the shell of lvm has ended {}", how(status)));
        }
        Some(told.join("; ")).filter(|text| !text.is_empty())
    }

    fn until(&mut self, ms_max: Millis, reached: impl Fn(&Self) -> bool) -> bool {
        within(ms_max, || {
            self.advance();
            reached(self)
        })
    }

    /// Leaves it alone: it is at the end of its input, and somebody reads what it says.
    fn leave(self) -> Left {
        let pipes = self.pipes;
        let _unread = thread::Builder::new().spawn(move || command::read_to_the_end(pipes));
        Left { child: self.child, hold: self.hold }
    }
}

impl Task {
    /// A shell that prompts also repeats what it reads.
    fn hear(&mut self, line: &str) {
        self.spoke |= !line.trim().is_empty() && !line.starts_with("lvm>");
    }

    fn complain(&mut self, line: &str) {
        if line.contains(END_WORD) {
            self.done |= line.contains(&self.end_word);
        } else if !harmless(line.trim()) {
            if self.complaints.len() == COMPLAINTS_MAX {
                self.complaints.remove(0);
            }
            self.complaints.push(line.trim().into());
        }
    }
}

/// What lvm says on standard error of a command that goes well: warnings, and the second line of
/// the one that `lvconvert` gives before it makes a volume a COW store.
fn harmless(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("WARNING")
        || line == "THIS WILL DESTROY CONTENT OF LOGICAL VOLUME (filesystem etc.)"
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("with exit status {code}"),
        (None, number) => {
            let signal = number.and_then(|number| Signal::try_from(number).ok());
            format!("by {}", signal.map_or("a signal", Signal::as_str))
        }
    }
}

fn late(child: &Child, ms_max: Millis) -> Fault {
    let pid = child.id();
    Fault::overdue(format!("the shell of lvm (process {pid}) is not done after {ms_max}"))
}

fn within(ms_max: Millis, mut reached: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from(ms_max);
    loop {
        if reached() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests;
