//! The first process of the jail: it builds the walls, starts the server, and hands on what that
//! says. When it ends, whatever the reason, the kernel ends all others.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_no_new_privs;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::walls::{self, Owner};
use super::{failed, read, say};
use crate::host::jail::{BEGUN, Jail, OVER};
use crate::host::linux::machine;

/// How long one wait for anything to happen is.
const TICK_MS: u16 = 50;

/// How much of what the server says is kept for a listener who is busy; of more the oldest goes, so
/// that the server never waits for anybody.
const SAID_BYTES_MAX: usize = 256 << 10;

/// How often the last words are tried on a listener who does not take them.
const LAST_TRIES_MAX: u32 = 40;

/// The whole life of the first process; 0 when the server has come and gone.
pub fn run(charge: &str) -> u8 {
    match live(charge) {
        Ok(()) => 0,
        Err(error) => failed(&format!("in the jail: {error}")),
    }
}

fn live(charge: &str) -> io::Result<()> {
    let jail = read(charge)?;
    // If memory runs out, it shall be this server that goes and never production's.
    fs::write("/proc/self/oom_score_adj", "1000")?;
    let owner = walls::build(&jail)?;
    set_no_new_privs()?;
    let (said, server) = start(&jail, owner)?;
    let now = machine::now().map_err(|fault| io::Error::other(fault.to_string()))?;
    say(&format!("{BEGUN}{now}"))?;
    mind(said, server)
}

/// Starts the server with the rights of its owner and no others.
fn start(jail: &Jail, owner: Owner) -> io::Result<(PipeReader, Pid)> {
    let (said, say) = io::pipe()?;
    let mut command = Command::new(&jail.program);
    command.args(&jail.args).env_clear().env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::null()).stdout(say.try_clone()?).stderr(say);
    command.uid(owner.uid).gid(owner.gid);
    let server = command.spawn().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot run '{}': {error}", jail.program.display()))
    })?;
    // The command holds the writing end, and with it the pipe would never end.
    drop(command);
    Ok((said, Pid::from_raw(i32::try_from(server.id()).unwrap_or(i32::MAX))))
}

/// Hands on what the server says until it ends, or until whoever built the jail does.
fn mind(mut said: PipeReader, server: Pid) -> io::Result<()> {
    let (lease, out) = (io::stdin(), io::stdout());
    for pipe in [said.as_fd(), out.as_fd()] {
        fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let mut kept = VecDeque::new();
    loop {
        let ready = |fd, flags| PollFd::new(fd, flags);
        let mut polled = vec![ready(lease.as_fd(), PollFlags::POLLIN)];
        polled.push(ready(said.as_fd(), PollFlags::POLLIN));
        if !kept.is_empty() {
            polled.push(ready(out.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut polled, PollTimeout::from(TICK_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        if polled[0].any().unwrap_or(true) {
            return Ok(());
        }
        let told = hear(&mut said, &mut kept);
        hand_on(&mut kept);
        if let Some(how) = ended(server) {
            hear(&mut said, &mut kept);
            kept.extend(format!("\n{OVER}{how}\n").into_bytes());
            last_words(&mut kept);
            return Ok(());
        }
        if !told {
            // The server has closed its output; how it ended comes in a moment.
            std::thread::sleep(std::time::Duration::from_millis(TICK_MS.into()));
        }
    }
}

/// Takes what the server says; whether it may say more.
fn hear(said: &mut PipeReader, kept: &mut VecDeque<u8>) -> bool {
    let mut buffer = [0; 16 << 10];
    loop {
        match said.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => kept.extend(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
        if kept.len() > SAID_BYTES_MAX {
            let over = kept.len() - SAID_BYTES_MAX;
            let line = kept.iter().skip(over).position(|byte| *byte == b'\n');
            kept.drain(..line.map_or(over, |line| over + line + 1));
        }
    }
    true
}

/// Hands on as much as is taken now.
fn hand_on(kept: &mut VecDeque<u8>) {
    let mut out = io::stdout().lock();
    while !kept.is_empty() {
        let (first, _) = kept.as_slices();
        match nix::unistd::write(out.as_fd(), first) {
            Ok(count) => drop(kept.drain(..count)),
            Err(_) => break,
        }
    }
    let _nothing_of_its_own = out.flush();
}

fn last_words(kept: &mut VecDeque<u8>) {
    for _ in 0..LAST_TRIES_MAX {
        hand_on(kept);
        if kept.is_empty() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(TICK_MS.into()));
    }
}

/// How the server ended, if it did. Whatever else has lost its parent is reaped, too.
fn ended(server: Pid) -> Option<String> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == server => {
                return Some(format!("it ended with status {code}"));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == server => {
                return Some(format!("it was killed by {signal}"));
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}
