//! The jail of a private server: its outer process, which leaves the machine's namespaces and
//! waits, and its first inner one, with whose death the kernel ends everything that is in it.
//!
//! Both are this same executable. Nothing has to be cleaned up behind them: every mount is in a
//! namespace that dies with them, and the inner one dies with the outer one, which dies with
//! whoever started it. Deliberately absent: which server, which files, which options.
// Processes of their own, which hold the machine by the host's handles.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

mod inside;
mod walls;

use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use super::kernel;
use crate::host::jail::{BUILT, Jail};

pub use inside::run as inside;

/// The hidden command of the first inner process.
pub const INSIDE: &str = "jailed";

/// How often the outer process looks whether the inner one has ended, and whether it shall.
const TICK: Duration = Duration::from_millis(5);

/// Exit status where the walls could not be built; standard error says why.
const NOT_BUILT: u8 = 70;

/// All that is not shared with the machine. The network has no interface that is up.
const APART: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS);

/// The outer process's whole life; its exit status is that of the inner one. It returns only when
/// no process is left in the jail.
pub fn run(charge: &str) -> u8 {
    match outside(charge) {
        Ok(status) => status,
        Err(error) => failed(&format!("cannot build the jail: {error}")),
    }
}

fn outside(charge: &str) -> io::Result<u8> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signal_hook::flag::register(signal as i32, Arc::clone(&stop))?;
    }
    unshare(APART)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("holdstill").arg(INSIDE).arg(charge).env_clear().current_dir("/");
    // Our end of this pipe goes with us, whatever ends us.
    command.stdin(Stdio::piped());
    kernel::die_at_once_with_us(&mut command);
    let mut inner = command.spawn()?;
    say(&format!("{BUILT}{}", inner.id()))?;
    loop {
        if let Some(status) = inner.try_wait()? {
            let signal = status.signal().unwrap_or(0);
            let code = status.code().unwrap_or(128 + signal);
            return Ok(u8::try_from(code).unwrap_or(u8::MAX));
        }
        if stop.load(Ordering::SeqCst) {
            inner.kill()?;
        }
        sleep(TICK);
    }
}

/// Reads what the other side was told.
fn read(charge: &str) -> io::Result<Jail> {
    serde_json::from_str(charge).map_err(io::Error::from)
}

/// Says a line to whoever listens.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

/// Says why there is no jail.
fn failed(why: &str) -> u8 {
    let _nobody_reads = io::stderr().write_all(format!("{why}\n").as_bytes());
    NOT_BUILT
}
