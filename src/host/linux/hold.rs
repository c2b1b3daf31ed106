//! Holding a process at the system call that would suspend a device of device-mapper.
//!
//! It is traced (ptrace(2)) from before it hears of the command that makes the call, and left
//! standing at the entry of that call: nothing of it has happened, and nothing of it can. Once let
//! go it is traced no more. When we die, however that comes, the kernel lets it go on, so nothing
//! that is held can stay behind.
//!
//! A traced process heeds only the thread that traces it, so there is one for it here. Its stops
//! are told by `wait`, so while it is traced nobody else may wait for it: see [`Hold::is_over`].

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use nix::errno::Errno;
use nix::libc::SYS_ioctl;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::dm;
use super::kernel::{self, SystemCall};

/// How often one that is held is looked at: it may have been killed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether a process that enters this system call is where it is to be held.
pub(super) type Brink = fn(Pid, &SystemCall) -> bool;

/// A process that is held, or will be.
pub(super) struct Hold(Arc<Shared>);

#[derive(Default)]
struct Shared {
    stage: Mutex<Stage>,
    changed: Condvar,
}

/// How far the holding is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The call has not come.
    #[default]
    Coming,
    /// It stands at the call.
    Held,
    /// It is to go on, wherever it is.
    Going,
    /// It is traced no more; whether it stood at the call until it was let go.
    Over(bool),
}

impl Hold {
    /// Begins to trace a process that is waiting for something to do.
    pub(super) fn begin(pid: Pid, brink: Brink) -> io::Result<Self> {
        let (ready, begun) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::Builder::new()
            .spawn(move || own.set(Stage::Over(trace(pid, brink, &own, &ready))))?;
        begun.recv().map_err(io::Error::other)??;
        Ok(Self(shared))
    }

    /// Whether it stands at the call.
    pub(super) fn is_held(&self) -> bool {
        *self.0.lock() == Stage::Held
    }

    /// Whether it is traced no more, and can be waited for as any child.
    pub(super) fn is_over(&self) -> bool {
        matches!(*self.0.lock(), Stage::Over(_))
    }

    /// Lets it go on; whether it stood at the call until then.
    pub(super) fn let_go(&self) -> bool {
        if !self.is_held() {
            return false;
        }
        self.0.set(Stage::Going);
        let over = |stage: &mut Stage| !matches!(stage, Stage::Over(_));
        let stage = self.0.changed.wait_while(self.0.lock(), over);
        *stage.unwrap_or_else(PoisonError::into_inner) == Stage::Over(true)
    }

    /// Lets it go on, at once or, where it has not come to the call, at its next system call.
    pub(super) fn give_up(&self) {
        if !self.is_over() {
            self.0.set(Stage::Going);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The end is the end, whoever comes later.
    fn set(&self, to: Stage) {
        let mut stage = self.lock();
        if !matches!(*stage, Stage::Over(_)) {
            *stage = to;
        }
        self.changed.notify_all();
    }

    /// It stands at the call: waits until it is to go on; whether it still stands there then.
    fn stand(&self, pid: Pid) -> bool {
        let mut stage = self.lock();
        if *stage == Stage::Coming {
            *stage = Stage::Held;
        }
        self.changed.notify_all();
        loop {
            let held = |stage: &mut Stage| *stage == Stage::Held;
            let waited = self.changed.wait_timeout_while(stage, LOOK_EVERY, held);
            stage = waited.unwrap_or_else(PoisonError::into_inner).0;
            if *stage != Stage::Held {
                return true;
            }
            if has_ended(pid, WaitPidFlag::WNOHANG).unwrap_or(true) {
                return false;
            }
        }
    }
}

/// Traces a process up to the call and lets it go there; whether it stood there.
fn trace(pid: Pid, brink: Brink, shared: &Shared, ready: &SyncSender<io::Result<()>>) -> bool {
    let begun = begin(pid);
    let fine = begun.is_ok();
    let _nobody_asks = ready.send(begun.map_err(io::Error::from));
    // A thread that ends traces nothing any more: the kernel lets the process go on.
    fine && follow(pid, brink, shared).unwrap_or(false)
}

/// Stops it once, so that nothing is missed of what is written to it from now on, and sees whether
/// this kernel tells system calls (Linux 5.3).
fn begin(pid: Pid) -> Result<(), Errno> {
    ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD)?;
    ptrace::interrupt(pid)?;
    let stop = next_stop(pid)?.ok_or(Errno::ESRCH)?;
    kernel::system_call(pid)?;
    ptrace::syscall(pid, stop.signal)
}

fn follow(pid: Pid, brink: Brink, shared: &Shared) -> Result<bool, Errno> {
    while let Some(stop) = next_stop(pid)? {
        // One that somebody stops has to stop here: later that would be in its suspend.
        if *shared.lock() == Stage::Going || stop.of_group {
            ptrace::detach(pid, stop.signal)?;
            return Ok(false);
        }
        if stop.is_call && is_at(brink, pid) {
            let stands = shared.stand(pid);
            return Ok(stands && ptrace::detach(pid, None).is_ok());
        }
        ptrace::syscall(pid, stop.signal)?;
    }
    Ok(false)
}

/// Where the kernel does not tell, it is taken to be there.
fn is_at(brink: Brink, pid: Pid) -> bool {
    kernel::system_call(pid).map_or(true, |call| call.is_some_and(|call| brink(pid, &call)))
}

/// Why it stands.
#[derive(Default)]
struct Stop {
    /// It enters a system call, or leaves one.
    is_call: bool,
    /// Somebody has stopped it, as SIGSTOP does.
    of_group: bool,
    /// A signal, which it is still to get.
    signal: Option<Signal>,
}

/// Waits until it stands; nothing if it has ended. How it ended is left for whoever started it, so
/// nothing but a stop is ever taken.
fn next_stop(pid: Pid) -> Result<Option<Stop>, Errno> {
    let stop = WaitPidFlag::WSTOPPED | WaitPidFlag::__WALL;
    while !has_ended(pid, stop)? {
        let of_event = |event| event == nix::libc::PTRACE_EVENT_STOP;
        return Ok(Some(match waitid(Id::Pid(pid), stop | WaitPidFlag::WNOHANG)? {
            WaitStatus::PtraceSyscall(_) => Stop { is_call: true, ..Stop::default() },
            WaitStatus::PtraceEvent(_, signal, 0) => {
                Stop { signal: Some(signal), ..Stop::default() }
            }
            WaitStatus::PtraceEvent(_, signal, event) => {
                let of_group = of_event(event) && signal != Signal::SIGTRAP;
                Stop { of_group, ..Stop::default() }
            }
            WaitStatus::StillAlive => continue,
            _ => Stop::default(),
        }));
    }
    Ok(None)
}

/// Whether it has ended; waits for its end, or for what else is asked for.
fn has_ended(pid: Pid, or: WaitPidFlag) -> Result<bool, Errno> {
    let seen = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | or)?;
    Ok(matches!(seen, WaitStatus::Exited(..) | WaitStatus::Signaled(..)))
}

/// Whether the call would suspend a device. The call that resumes one is the same
/// (`DM_DEV_SUSPEND` in linux/dm-ioctl.h), only without the flag; where that cannot be read, it is
/// taken to be there.
pub(super) fn suspends(pid: Pid, call: &SystemCall) -> bool {
    let is_ioctl = i64::try_from(call.number) == Ok(SYS_ioctl);
    // The kernel looks at 32 bits of it, and a C library may extend its sign.
    if !is_ioctl || call.arguments[1] & 0xffff_ffff != kernel::DM_DEV_SUSPEND {
        return false;
    }
    let Ok(at) = usize::try_from(call.arguments[2]) else { return true };
    // A word is read, of which the flags are the latter half.
    let word = ptrace::read(pid, (at + dm::AT_FLAGS - 4) as ptrace::AddressType);
    word.map_or(true, |word| {
        let [_, _, _, _, flags @ ..] = word.to_ne_bytes();
        u32::from_ne_bytes(flags) & dm::SUSPENDED != 0
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use nix::libc::SYS_chdir;
    use nix::sys::signal::kill;

    use super::*;

    /// A shell, held where it changes its directory.
    fn held_shell() -> (Child, Hold) {
        let child = Command::new("/bin/sh").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let brink: Brink = |_, call| i64::try_from(call.number) == Ok(SYS_chdir);
        (child, Hold::begin(pid, brink).expect("a child can be traced"))
    }

    fn say(child: &mut Child, text: &str) {
        child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn until(what: &str, reached: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !reached() {
            assert!(Instant::now() < deadline, "{what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_process_stands_at_its_call_until_it_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let (mut child, hold) = held_shell();
        let path = dir.path().display();
        say(&mut child, &format!("echo > {path}/before; cd {path} && echo > after; exit 7\n"));
        until("it comes to the call", || hold.is_held());
        thread::sleep(Duration::from_millis(50));
        assert!(file("before").exists() && !file("after").exists());
        assert!(hold.let_go() && hold.is_over());
        assert_eq!(child.wait().unwrap().code(), Some(7), "its end is told to its parent");
        assert!(file("after").exists());
        assert!(!hold.let_go(), "it was let go already");
    }

    #[test]
    fn a_process_that_never_comes_to_the_call_ends_as_ever() {
        let (mut child, hold) = held_shell();
        say(&mut child, "exit 3\n");
        until("it ends", || hold.is_over());
        assert!(!hold.let_go());
        assert_eq!(child.wait().unwrap().code(), Some(3));
    }

    #[test]
    fn a_process_that_dies_while_it_is_held_was_not_let_go() {
        let (mut child, hold) = held_shell();
        say(&mut child, "cd /\n");
        until("it comes to the call", || hold.is_held());
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
        until("its end is noticed", || hold.is_over());
        assert!(!hold.let_go());
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }

    #[test]
    fn a_hold_that_is_given_up_lets_go_wherever_the_process_is() {
        for line in ["cd /; exit 4\n", "sleep 0.2; cd /; exit 4\n"] {
            let (mut child, hold) = held_shell();
            say(&mut child, line);
            if !line.starts_with("sleep") {
                until("it comes to the call", || hold.is_held());
            }
            hold.give_up();
            until("it is let go", || hold.is_over());
            assert_eq!(child.wait().unwrap().code(), Some(4));
        }
    }

    #[test]
    fn a_signal_reaches_a_process_that_is_traced() {
        let (mut child, hold) = held_shell();
        say(&mut child, "trap 'exit 5' TERM; kill -TERM $$; cd /\n");
        until("it ends", || hold.is_over());
        assert_eq!(child.wait().unwrap().code(), Some(5));
    }

    #[test]
    fn a_process_that_somebody_stops_is_stopped_and_not_held() {
        let (mut child, hold) = held_shell();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        say(&mut child, "kill -STOP $$; cd /; exit 6\n");
        until("the hold ends", || hold.is_over());
        thread::sleep(Duration::from_millis(50));
        assert!(child.try_wait().unwrap().is_none(), "it stands");
        kill(pid, Signal::SIGCONT).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(6));
    }

    #[test]
    fn what_is_not_there_cannot_be_held() {
        assert!(Hold::begin(Pid::from_raw(i32::MAX), suspends).is_err());
    }
}
