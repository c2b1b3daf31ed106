//! What can be done. The `Display` of an act is at once the log line, the audit's line and the
//! line of a test trace, so it shows the command or statement itself.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::look::{Login, Secret, Session};
use super::priority::Priority;
use crate::shell;
use crate::units::Millis;

/// What an interrupted [`Act::WriteFile`] leaves at most: a file of the same name with this behind
/// it. The next write and the removal of the file take it with them.
pub const UNFINISHED: &str = ".new";

/// One side effect; the comment names the arm of `Answer` that comes back, `Done` if none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Takes a lock, such as the run lock, for the life of the process and writes who holds it into
    /// the file; only rewrites that if this process has it already. Refused, with the holder's
    /// words and nothing else, if another process has it; any other failure is unsure.
    TakeRunLock {
        /// The lock file.
        path: PathBuf,
        /// Who we are, for those who come too late.
        text: String,
    },
    /// Gives this process a mount namespace of its own; mounts made in it die with it.
    Isolate,
    /// Makes a directory and its missing parents, mode 0700, and syncs its parent.
    /// Done as well if the directory is already there.
    MakeDir(PathBuf),
    /// Makes one new directory, mode 0700; refused if anything stands there.
    NewDir(PathBuf),
    /// Writes a whole file, mode 0600: all of it or nothing, synced with its directory.
    WriteFile {
        /// Where.
        path: PathBuf,
        /// The whole content.
        text: String,
    },
    /// The same with mode 0644: for others to read.
    WriteReadable {
        /// Where.
        path: PathBuf,
        /// The whole content.
        text: String,
    },
    /// Removes a file, and what an unfinished `WriteFile` of it left (`NAME.new`), and syncs the
    /// directory; done as well if it is not there.
    RemoveFile(PathBuf),
    /// Removes an empty directory; done as well if it is not there.
    RemoveDir(PathBuf),
    /// Removes a directory and all that is in it, staying on its filesystem.
    RemoveTree(PathBuf),
    /// Removes all that is in a directory but one file, and syncs the directory; done as well if it
    /// is not there. Stays on its filesystem, follows no link, and stops between two files when a
    /// signal asks for it, which is unsure like any other failure once it has begun.
    Empty {
        /// The directory, which stays.
        directory: PathBuf,
        /// The name in it that stays.
        but: String,
    },
    /// Gives a directory its owner, as user and group, and its permission bits, and syncs it; no
    /// link is followed. Without an owner it stays whose it is.
    Own {
        /// The directory.
        path: PathBuf,
        /// Whose it becomes.
        owner: Option<(u32, u32)>,
        /// Its permission bits.
        mode: u32,
    },
    /// Opens the lock session: `Connection`.
    Connect(Login),
    /// Opens the drill session, in place of the one there may be: `Connection`.
    Visit(Login),
    /// Runs a statement that changes something.
    Sql(Sql),
    /// Runs a statement with a password in it, which is read at this moment and shown to nobody: of
    /// what the server answers to that only an error's number is told.
    SqlKeyed(Keyed),
    /// Ends a session from the control session (`KILL CONNECTION`); refused if there is none.
    Kill(Session),
    /// Shuts a session's socket, whatever it is doing; done as well if there is none.
    Hangup(Session),
    /// Starts the dead-man: a child that thaws and lets go if we die or overrun.
    Guard(Guard),
    /// Tells the dead-man for how long from now the window may stay open; a later `Arm` replaces an
    /// earlier one. From the first until `Disarm` nothing is printed or logged.
    Arm(Millis),
    /// Tells the dead-man that the window is closed, and waits for its end; done as well if none.
    Disarm,
    /// Freezes a mounted filesystem, by the ioctl that `xfs_freeze -f` uses.
    Freeze(PathBuf),
    /// Thaws a mounted filesystem: `Thaw`.
    Thaw(PathBuf),
    /// Runs a command to its end; exit status 0 is success. Its standard output: `Text`.
    Run(Cmd),
    /// Runs a program of the operator's to its end, never while writes are stopped; exit status 0
    /// is success. Its standard output: `Text`.
    Hook(Cmd),
    /// Starts a long command and returns at once; what becomes of it, [`Look::Hear`] tells. It
    /// ends with this process. Refused if there is one.
    ///
    /// [`Look::Hear`]: super::Look::Hear
    Start {
        /// The command.
        cmd: Cmd,
        /// How much of the machine it may take.
        priority: Priority,
    },
    /// Ends the long command, first kindly, and waits for that. Overdue if it does not end. Done as
    /// well if there is none.
    End,
    /// Starts a shell of lvm and lets it do what makes it warm; refused if there is one.
    OpenShell(Shell),
    /// Has the shell stop in its next command, just before that suspends a device, which
    /// [`Look::Watch`] sees; the kernel lets it go on when this process dies. Refused, and nothing
    /// changed, where the kernel does not allow it, or if there is no shell.
    ///
    /// [`Look::Watch`]: super::Look::Watch
    HoldShell,
    /// Lets a held shell go on. Refused unless it is held there now: what was to come may have
    /// been.
    LetGo,
    /// Hands the shell a command and returns at once; what becomes of it, [`Look::Watch`] sees.
    /// A shell takes one: lvm's does not survive a command after one that named its devices.
    ///
    /// [`Look::Watch`]: super::Look::Watch
    Order(String),
    /// Lets the shell go, finish what it does and end, and waits for that: what its last command
    /// complained of, as `Text`. Overdue if it does not end. Done as well if there is none.
    CloseShell(Millis),
    /// Mounts a filesystem.
    Mount(MountOrder),
    /// Unmounts; never lazily and never by force.
    Unmount(PathBuf),
    /// Writes all of a filesystem's dirty data (`syncfs`).
    SyncFs(PathBuf),
    /// Renames a directory or a file to a name that must be free, and syncs the parent: the commit
    /// point of a backup.
    Publish {
        /// The partial backup.
        from: PathBuf,
        /// The published name.
        to: PathBuf,
    },
    /// Renames a published backup to a name that is no backup's and must be free, and syncs the
    /// parent: what is removed after this never looks like a whole backup.
    Withdraw {
        /// The published name.
        from: PathBuf,
        /// The other one.
        to: PathBuf,
    },
}

/// A command: a program found beforehand, its arguments, never a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cmd {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its arguments, without the program.
    pub args: Vec<String>,
    /// How long it may take.
    pub ms_max: Millis,
    /// What happens past that.
    pub overrun: Overrun,
}

/// What happens to a command past its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overrun {
    /// It is left alone and reported: a killed lvm can leave a device suspended until reboot.
    LeaveAlone,
    /// It is ended, first kindly.
    End,
}

/// A statement on a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sql {
    /// Which session.
    pub session: Session,
    /// One statement, without a semicolon.
    pub text: String,
    /// How long it may take before we stop waiting for it.
    pub ms_max: Millis,
}

/// A statement with a password in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// Which session.
    pub session: Session,
    /// The statement up to the password, which is put there as a string in quotes.
    pub before: String,
    /// What comes behind it.
    pub after: String,
    /// Where the password is.
    pub secret: Secret,
    /// How long it may take before we stop waiting for it.
    pub ms_max: Millis,
}

/// A shell of lvm. Its commands cannot be ended: a killed lvm can leave a device suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shell {
    /// lvm's absolute path.
    pub program: PathBuf,
    /// Commands that only read, run one after the other, so that code, configuration and devices
    /// are known to the shell before it counts.
    pub warm: Vec<String>,
    /// How long starting it and each of these may take.
    pub ms_max: Millis,
}

/// What the dead-man watches over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The mount points to thaw, opened before anything is frozen.
    pub thaw: Vec<PathBuf>,
}

/// A mount, decided in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountOrder {
    /// The device node.
    pub device: PathBuf,
    /// Where.
    pub point: PathBuf,
    /// The filesystem's type.
    pub kind: String,
    /// The filesystem's own options, such as `nouuid`; `ro,nosuid,nodev,noexec` always apply.
    pub data: String,
}

impl Cmd {
    /// The same command with one more argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }
}

impl Sql {
    /// A statement for the lock session.
    pub fn lock(text: impl Into<String>, ms_max: Millis) -> Self {
        Self { session: Session::Lock, text: text.into(), ms_max }
    }

    /// A statement for the control session.
    pub fn control(text: impl Into<String>, ms_max: Millis) -> Self {
        Self { session: Session::Control, text: text.into(), ms_max }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakeRunLock { path, .. } => write!(f, "lock {}", shell::path(path)),
            Self::Isolate => f.write_str("unshare --mount"),
            Self::MakeDir(path) => write!(f, "mkdir --parents {}", shell::path(path)),
            Self::NewDir(path) => write!(f, "mkdir {}", shell::path(path)),
            Self::WriteFile { path, .. } => write!(f, "write {}", shell::path(path)),
            Self::WriteReadable { path, .. } => {
                write!(f, "write {}, for others to read", shell::path(path))
            }
            Self::RemoveFile(path) => write!(f, "rm --force {}", shell::path(path)),
            Self::RemoveDir(path) => write!(f, "rmdir {}", shell::path(path)),
            Self::RemoveTree(path) => {
                write!(f, "rm --recursive --one-file-system {}", shell::path(path))
            }
            Self::Empty { directory, but } => {
                let path = shell::path(directory);
                write!(f, "rm --recursive --one-file-system {path}/*, but {but}")
            }
            Self::Own { path, owner, mode } => {
                let path = shell::path(path);
                if let Some((uid, gid)) = owner {
                    write!(f, "chown {uid}:{gid} {path}, ")?;
                }
                write!(f, "chmod {mode:04o} {path}")
            }
            Self::Connect(login) => write!(f, "connect the lock session to {login}"),
            Self::Visit(login) => write!(f, "connect the drill session to {login}"),
            Self::Sql(sql) => write!(f, "{}: {}", sql.session, sql.text),
            Self::SqlKeyed(keyed) => write!(f, "{}: {keyed}", keyed.session),
            Self::Kill(session) => write!(f, "KILL CONNECTION of the {session}"),
            Self::Hangup(session) => write!(f, "close the {session}"),
            Self::Guard(_) => f.write_str("start the dead-man"),
            Self::Arm(ms) => write!(f, "arm the dead-man for {ms}"),
            Self::Disarm => f.write_str("dismiss the dead-man"),
            Self::Freeze(path) => write!(f, "fsfreeze --freeze {}", shell::path(path)),
            Self::Thaw(path) => write!(f, "fsfreeze --unfreeze {}", shell::path(path)),
            Self::Run(cmd) => write!(f, "{cmd}"),
            Self::Hook(cmd) => write!(f, "hook: {cmd}"),
            Self::Start { cmd, priority } => write!(f, "{cmd}{priority}"),
            Self::End => f.write_str("end the long command, if it still runs"),
            Self::OpenShell(shell) => write!(f, "start {} as a shell", shell::path(&shell.program)),
            Self::HoldShell => f.write_str("hold the shell of lvm before it suspends a device"),
            Self::LetGo => f.write_str("let the shell of lvm go on"),
            Self::Order(command) => write!(f, "lvm> {command}"),
            Self::CloseShell(_) => f.write_str("end the shell of lvm"),
            Self::Mount(order) => write!(f, "{order}"),
            Self::Unmount(path) => write!(f, "umount {}", shell::path(path)),
            Self::SyncFs(path) => write!(f, "sync --file-system {}", shell::path(path)),
            Self::Publish { from, to } | Self::Withdraw { from, to } => {
                write!(f, "mv --no-clobber {} {}", shell::path(from), shell::path(to))
            }
        }
    }
}

impl fmt::Display for Keyed {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}***{}", self.before, self.after)
    }
}

impl fmt::Display for Cmd {
    /// As one would type it: the program's name and its arguments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.program.file_name().unwrap_or(self.program.as_os_str());
        write!(f, "{}", name.to_string_lossy())?;
        for arg in &self.args {
            write!(f, " {}", shell::word(arg))?;
        }
        Ok(())
    }
}

impl fmt::Display for MountOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = if self.data.is_empty() { "" } else { "," };
        write!(
            f,
            "mount -t {} -o ro,nosuid,nodev,noexec{comma}{} {} {}",
            self.kind,
            self.data,
            shell::path(&self.device),
            shell::path(&self.point)
        )
    }
}
