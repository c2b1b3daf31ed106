//! The few calls for which Rust wants our word that they are sound, and nothing else.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc::c_int;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::unistd::{Pid, getppid, setsid};

use crate::host::{Io, Overrun, Priority};

// linux/fs.h: FIFREEZE is _IOWR('X', 119, int), FITHAW is _IOWR('X', 120, int).
nix::ioctl_readwrite!(fi_freeze, b'X', 119, c_int);
nix::ioctl_readwrite!(fi_thaw, b'X', 120, c_int);

/// Freezes the filesystem that an open directory is on.
pub(super) fn freeze(point: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut unused: c_int = 0;
    // SAFETY: the descriptor is open for the whole call, and the kernel gets a valid int.
    unsafe { fi_freeze(point.as_raw_fd(), &raw mut unused) }.map(drop)
}

/// Thaws the filesystem that an open directory is on; `EINVAL` if it is not frozen.
pub(super) fn thaw(point: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut unused: c_int = 0;
    // SAFETY: the descriptor is open for the whole call, and the kernel gets a valid int.
    unsafe { fi_thaw(point.as_raw_fd(), &raw mut unused) }.map(drop)
}

/// What adjtimex(2) tells of the clock when it is asked to change nothing.
pub(super) struct Clock {
    /// The state of the clock, as the call returns it.
    pub(super) state: c_int,
    /// How far it may be off at most.
    pub(super) error_us_max: i64,
}

/// Asks the kernel how right its clock is.
pub(super) fn clock() -> Result<Clock, Errno> {
    // SAFETY: every field is a number, for which zero is a value; no mode asks for nothing.
    let mut asked: nix::libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel gets a valid structure of its own size.
    let state = Errno::result(unsafe { nix::libc::adjtimex(&raw mut asked) })?;
    Ok(Clock { state, error_us_max: asked.maxerror })
}

/// How much room a question to device-mapper and its answer have: that of one target, also a pool;
/// the kernel copies all of it each time, which took half of the time of a look at 4096.
pub(super) const DM_CALL_BYTES: u32 = 1024;

/// A question to device-mapper, which its answer overwrites, aligned as the kernel's structure is.
#[repr(C, align(8))]
pub(super) struct DmCall(pub(super) [u8; DM_CALL_BYTES as usize]);

impl Default for DmCall {
    fn default() -> Self {
        Self([0; DM_CALL_BYTES as usize])
    }
}

// linux/dm-ioctl.h: DM_TABLE_STATUS is _IOWR(0xfd, 12, struct dm_ioctl), which has 312 bytes.
nix::ioctl_readwrite_bad!(dm_status, nix::request_code_readwrite!(0xfd, 12, 312), DmCall);

/// Where `struct dm_ioctl` says how long it is with all that follows it.
const DM_DATA_SIZE: std::ops::Range<usize> = 12..16;

/// Asks device-mapper for the table of the device that the question names.
pub(super) fn dm_table_status(control: BorrowedFd<'_>, call: &mut DmCall) -> Result<(), Errno> {
    call.0[DM_DATA_SIZE].copy_from_slice(&DM_CALL_BYTES.to_ne_bytes());
    // SAFETY: the descriptor is open for the whole call, and the kernel writes no more than the
    // size that the question says, which is that of the buffer.
    unsafe { dm_status(control.as_raw_fd(), &raw mut *call) }.map(drop)
}

// The same file: DM_DEV_SUSPEND is _IOWR(0xfd, 6, struct dm_ioctl).
/// The call that suspends or resumes a device.
pub(super) const DM_DEV_SUSPEND: u64 = nix::request_code_readwrite!(0xfd, 6, 312);

/// A system call that a process enters.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemCall {
    pub(super) number: u64,
    pub(super) arguments: [u64; 6],
}

/// The system call that a traced process is about to enter; nothing if it is not at one.
pub(super) fn system_call(pid: Pid) -> Result<Option<SystemCall>, Errno> {
    let info = nix::sys::ptrace::syscall_info(pid)?;
    if info.op != nix::libc::PTRACE_SYSCALL_INFO_ENTRY {
        return Ok(None);
    }
    // SAFETY: the kernel says that it has filled in this part of the union.
    let entry = unsafe { info.u.entry };
    Ok(Some(SystemCall { number: entry.nr, arguments: entry.args }))
}

/// Takes over a descriptor that was handed to this process by its number.
/// Refused if no such descriptor is open.
pub(crate) fn adopt(number: RawFd) -> Result<OwnedFd, Errno> {
    if number < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: only borrowed for the one call that finds out whether it is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: open, as just seen, and named to us alone: nothing else in this process owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Marks every descriptor above standard error, so that no child inherits it: lvm warns about
/// strange descriptors, and a child that holds the server's socket would keep the lock.
pub(super) fn keep_descriptors_to_ourselves() -> io::Result<()> {
    let listing: Vec<_> = std::fs::read_dir("/proc/self/fd")?.filter_map(Result::ok).collect();
    for number in listing.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if number > nix::libc::STDERR_FILENO {
            // SAFETY: only borrowed for the one call; one closed meanwhile answers EBADF.
            let open = unsafe { BorrowedFd::borrow_raw(number) };
            let _closed_meanwhile = fcntl(open, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
        }
    }
    Ok(())
}

/// What a command's child does between fork and exec: it blocks no signal, and either dies with
/// us or, if it must never be killed, outlives even the pipes it writes to.
pub(super) fn prepare_child(command: &mut Command, overrun: Overrun) {
    let parent = Pid::this();
    let prepare = move || {
        SigSet::empty().thread_set_mask()?;
        match overrun {
            Overrun::End => die_with(parent),
            Overrun::LeaveAlone => ignore_broken_pipes(),
        }
    };
    // SAFETY: `prepare` makes only system calls that are allowed between fork and exec, allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
}

/// A child that is killed when its parent ends, whatever ends that.
pub(super) fn die_at_once_with_us(command: &mut Command) {
    let prepare = || {
        SigSet::empty().thread_set_mask()?;
        set_pdeathsig(Signal::SIGKILL)?;
        Ok(())
    };
    // SAFETY: `prepare` makes only system calls that are allowed between fork and exec, allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
}

/// `struct mount_attr` of linux/mount.h.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

// linux/mount.h and linux/fcntl.h.
const MOUNT_ATTR_RDONLY: u64 = 1;
const AT_RECURSIVE: c_int = 0x8000;

/// Makes every mount of this namespace read-only, without looking at any: one of a server that does
/// not answer would keep us. `ENOSYS` before Linux 5.12.
pub(super) fn make_all_read_only() -> Result<(), Errno> {
    let attr = MountAttr { set: MOUNT_ATTR_RDONLY, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: the path ends with a zero, and the kernel reads a valid structure of the size given.
    let done = unsafe {
        nix::libc::syscall(
            nix::libc::SYS_mount_setattr,
            nix::libc::AT_FDCWD,
            c"/".as_ptr(),
            AT_RECURSIVE,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    };
    Errno::result(done).map(drop)
}

// linux/ioprio.h: who is meant, and how a class and a level make one number.
const IOPRIO_WHO_PROCESS: c_int = 1;
const IOPRIO_CLASS_BE: c_int = 2;
const IOPRIO_CLASS_IDLE: c_int = 3;
const IOPRIO_CLASS_SHIFT: c_int = 13;

/// Has a command's child stand back before it becomes the command. One that cannot is not started.
pub(super) fn stand_back(command: &mut Command, priority: Priority) {
    if priority == Priority::default() {
        return;
    }
    // SAFETY: this makes only system calls that are allowed between fork and exec, allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(move || Ok(stand_back_here(priority)?)) };
}

/// Has the calling thread stand back: to Linux both values are those of a thread.
pub(super) fn stand_back_here(priority: Priority) -> Result<(), Errno> {
    if let Some(nice) = priority.nice {
        // SAFETY: it takes numbers alone, and 0 is the calling thread.
        let set = unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, nice.into()) };
        Errno::result(set)?;
    }
    let io = match priority.io {
        None => return Ok(()),
        Some(Io::Idle) => IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT,
        Some(Io::BestEffort(level)) => (IOPRIO_CLASS_BE << IOPRIO_CLASS_SHIFT) | c_int::from(level),
    };
    // SAFETY: it takes numbers alone, and 0 is the calling thread.
    let set = unsafe { nix::libc::syscall(nix::libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, io) };
    Errno::result(set).map(drop)
}

/// The dead-man leaves our session and keeps just these descriptors.
pub(super) fn prepare_dead_man(command: &mut Command, keep: Vec<RawFd>) {
    let prepare = move || {
        setsid()?;
        SigSet::empty().thread_set_mask()?;
        for number in &keep {
            // SAFETY: the caller holds these open until the child has started.
            let open = unsafe { BorrowedFd::borrow_raw(*number) };
            fcntl(open.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: `prepare` makes only system calls that are allowed between fork and exec, allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
}

/// The signals that end a process unless it says otherwise, and that it can say otherwise to.
const STOP_SIGNALS: [Signal; 5] =
    [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGPIPE];

/// Ignores the signals that a terminal or a service manager sends to the whole group.
pub(crate) fn ignore_stop_signals() -> Result<(), Errno> {
    for number in STOP_SIGNALS {
        // SAFETY: no handler is installed, so nothing can run at a wrong moment.
        unsafe { signal(number, SigHandler::SigIgn) }?;
    }
    Ok(())
}

fn die_with(parent: Pid) -> io::Result<()> {
    set_pdeathsig(Signal::SIGTERM)?;
    if getppid() == parent { Ok(()) } else { Err(Errno::ESRCH.into()) }
}

/// An lvm command that dies of SIGPIPE because we are gone can leave a device suspended; with
/// the signal ignored its write fails instead. Ignored signals stay ignored over exec.
fn ignore_broken_pipes() -> io::Result<()> {
    // SAFETY: no handler is installed, so nothing can run at a wrong moment.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) }?;
    Ok(())
}

/// The socket of a connection, for as long as the connection lives.
pub(super) fn borrow(conn: &mysql::Conn) -> BorrowedFd<'_> {
    // SAFETY: the connection owns this open descriptor and outlives the borrow.
    unsafe { BorrowedFd::borrow_raw(conn.as_raw_fd()) }
}
