//! Typed questions: one method a look, so that callers never take an `Answer` apart.

use std::path::{Path, PathBuf};

use super::{
    Answer, Cmd, CowFill, Device, Entry, Fault, Host, Link, Login, Look, Machine, Mount, Point,
    PoolFill, Reading, Readings, Rows, Said, Session, Sight, Space, Standing, Synchrony, Tree,
    Watch,
};
use crate::units::{Bytes, Millis};

/// Takes the one arm out of an answer that its look promises.
macro_rules! take {
    ($answer:expr, $arm:ident) => {
        match $answer? {
            Answer::$arm(inside) => Ok(inside),
            other => Err(Fault::unsure(format!(
                "expected {}, the host said {other:?}",
                stringify!($arm)
            ))),
        }
    };
}

/// The looks of a host, with their types.
pub trait Ask {
    /// Who and where we are.
    fn machine(&self) -> Result<Machine, Fault>;
    /// The monotonic clock in nanoseconds.
    fn now(&self) -> Result<u64, Fault>;
    /// The signal that asks us to stop, if one came.
    fn signal(&self) -> Result<Option<i32>, Fault>;
    /// Fails once a signal asks us to stop: then nothing more is begun.
    fn heed_signal(&self) -> Result<(), Fault>;
    /// Where a program is.
    fn program(&self, name: &'static str) -> Result<Option<PathBuf>, Fault>;
    /// Every mount.
    fn mounts(&self) -> Result<Vec<Mount>, Fault>;
    /// What stands at a path.
    fn entry(&self, path: &Path) -> Result<Option<Entry>, Fault>;
    /// The links below a directory.
    fn links(&self, path: &Path) -> Result<Vec<Link>, Fault>;
    /// Who has the run lock.
    fn run_lock(&self, path: &Path) -> Result<Option<String>, Fault>;
    /// The names in a directory.
    fn list(&self, path: &Path) -> Result<Vec<String>, Fault>;
    /// A text file.
    fn file(&self, path: &Path) -> Result<Option<String>, Fault>;
    /// A text file of any length that a manifest may have.
    fn long_file(&self, path: &Path) -> Result<Option<String>, Fault>;
    /// Everything below a directory.
    fn tree(&self, path: &Path) -> Result<Tree, Fault>;
    /// Begins to read files.
    fn read(&self, reading: Reading) -> Result<(), Fault>;
    /// What was read within this time.
    fn readings(&self, ms_max: Millis) -> Result<Readings, Fault>;
    /// The space at a path.
    fn space(&self, path: &Path) -> Result<Space, Fault>;
    /// The bytes below a directory.
    fn usage(&self, path: &Path) -> Result<Bytes, Fault>;
    /// The output of a command that only reads.
    fn output(&self, cmd: &Cmd) -> Result<String, Fault>;
    /// Opens the control session; its number.
    fn greet(&self, login: &Login) -> Result<u64, Fault>;
    /// The rows of a SELECT or SHOW.
    fn query(&self, session: Session, text: &str, ms_max: Millis) -> Result<Rows, Fault>;
    /// How a volume stands with regard to its snapshot point.
    fn standing(&self, point: &Point) -> Result<Standing, Fault>;
    /// Waits for a snapshot point.
    fn watch(&self, watch: &Watch) -> Result<Sight, Fault>;
    /// Device-mapper's device of this name.
    fn device(&self, name: &str) -> Result<Option<Device>, Fault>;
    /// How full a thin pool is.
    fn pool(&self, pool: &str) -> Result<PoolFill, Fault>;
    /// How full a thick snapshot's COW store is.
    fn cow(&self, snapshot: &str) -> Result<CowFill, Fault>;
    /// Whether the wall clock is synchronized.
    fn synchrony(&self) -> Result<Synchrony, Fault>;
    /// What the long command says within this time.
    fn hear(&self, ms_max: Millis) -> Result<Said, Fault>;
    /// Lets some time pass.
    fn pause(&self, ms: Millis) -> Result<(), Fault>;
}

impl<H: Host + ?Sized> Ask for H {
    fn machine(&self) -> Result<Machine, Fault> {
        take!(self.look(&Look::Machine), Machine)
    }

    fn now(&self) -> Result<u64, Fault> {
        take!(self.look(&Look::Now), Nanos)
    }

    fn signal(&self) -> Result<Option<i32>, Fault> {
        take!(self.look(&Look::Signal), Signal)
    }

    fn heed_signal(&self) -> Result<(), Fault> {
        match self.signal()? {
            None => Ok(()),
            Some(signal) => Err(Fault::refused(format!("interrupted by signal {signal}"))),
        }
    }

    fn program(&self, name: &'static str) -> Result<Option<PathBuf>, Fault> {
        take!(self.look(&Look::Program(name)), Path)
    }

    fn mounts(&self) -> Result<Vec<Mount>, Fault> {
        take!(self.look(&Look::Mounts), Mounts)
    }

    fn entry(&self, path: &Path) -> Result<Option<Entry>, Fault> {
        take!(self.look(&Look::Path(path.into())), Entry)
    }

    fn links(&self, path: &Path) -> Result<Vec<Link>, Fault> {
        take!(self.look(&Look::Links(path.into())), Links)
    }

    fn run_lock(&self, path: &Path) -> Result<Option<String>, Fault> {
        take!(self.look(&Look::RunLock(path.into())), Text)
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, Fault> {
        take!(self.look(&Look::List(path.into())), Names)
    }

    fn file(&self, path: &Path) -> Result<Option<String>, Fault> {
        take!(self.look(&Look::File(path.into())), Text)
    }

    fn long_file(&self, path: &Path) -> Result<Option<String>, Fault> {
        take!(self.look(&Look::LongFile(path.into())), Text)
    }

    fn tree(&self, path: &Path) -> Result<Tree, Fault> {
        take!(self.look(&Look::Tree(path.into())), Tree)
    }

    fn read(&self, reading: Reading) -> Result<(), Fault> {
        self.look(&Look::Read(reading)).map(drop)
    }

    fn readings(&self, ms_max: Millis) -> Result<Readings, Fault> {
        take!(self.look(&Look::Readings(ms_max)), Readings)
    }

    fn space(&self, path: &Path) -> Result<Space, Fault> {
        take!(self.look(&Look::Space(path.into())), Space)
    }

    fn usage(&self, path: &Path) -> Result<Bytes, Fault> {
        take!(self.look(&Look::Usage(path.into())), Bytes)
    }

    fn output(&self, cmd: &Cmd) -> Result<String, Fault> {
        take!(self.look(&Look::Run(cmd.clone())), Text).map(Option::unwrap_or_default)
    }

    fn greet(&self, login: &Login) -> Result<u64, Fault> {
        take!(self.look(&Look::Greet(login.clone())), Connection)
    }

    fn query(&self, session: Session, text: &str, ms_max: Millis) -> Result<Rows, Fault> {
        take!(self.look(&Look::Query { session, text: text.into(), ms_max }), Rows)
    }

    fn standing(&self, point: &Point) -> Result<Standing, Fault> {
        take!(self.look(&Look::Point(point.clone())), Standing)
    }

    fn watch(&self, watch: &Watch) -> Result<Sight, Fault> {
        take!(self.look(&Look::Watch(watch.clone())), Sight)
    }

    fn device(&self, name: &str) -> Result<Option<Device>, Fault> {
        take!(self.look(&Look::Device(name.into())), Device)
    }

    fn pool(&self, pool: &str) -> Result<PoolFill, Fault> {
        take!(self.look(&Look::Pool(pool.into())), PoolFill)
    }

    fn cow(&self, snapshot: &str) -> Result<CowFill, Fault> {
        take!(self.look(&Look::Cow(snapshot.into())), CowFill)
    }

    fn synchrony(&self) -> Result<Synchrony, Fault> {
        take!(self.look(&Look::Synchrony), Synchrony)
    }

    fn hear(&self, ms_max: Millis) -> Result<Said, Fault> {
        take!(self.look(&Look::Hear(ms_max)), Said)
    }

    fn pause(&self, ms: Millis) -> Result<(), Fault> {
        self.look(&Look::Pause(ms)).map(drop)
    }
}
