//! Who and where we are: names, clocks, the kernel's abilities, programs.
//! Deliberately no version compares: a kernel is asked what it has, since vendors backport.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Uid, gethostname};

use super::kernel;
use crate::host::{Fault, Machine, Synchrony};
use crate::units::Millis;

/// Where programs are searched; never the caller's own `PATH`, which a user may have filled.
const DIRECTORIES: [&str; 6] =
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

/// What was found out about the kernel; it does not change while we run.
#[derive(Default)]
pub(super) struct Kernel {
    freezes_nest: OnceCell<Option<bool>>,
}

impl Kernel {
    /// Who and where we are.
    pub(super) fn machine(&self) -> Result<Machine, Fault> {
        Ok(Machine {
            host: host()?,
            boot: line("/proc/sys/kernel/random/boot_id")?,
            kernel: line("/proc/sys/kernel/osrelease")?,
            freezes_nest: *self.freezes_nest.get_or_init(probe_nesting),
            pid: std::process::id(),
            uid: Uid::effective().as_raw(),
            unix_seconds: unix_seconds(),
            random: random()?,
        })
    }
}

/// The monotonic clock, in nanoseconds.
pub(super) fn now() -> Result<u64, Fault> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|errno| Fault::refused(format!("cannot read the clock: {errno}")))?;
    let nanos = i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec());
    u64::try_from(nanos).map_err(|_| Fault::refused(format!("the clock says {nanos} ns")))
}

/// The state of a clock that nobody keeps right (linux/timex.h).
const TIME_ERROR: i32 = 5;

/// Whether the wall clock is synchronized.
pub(super) fn synchrony() -> Result<Synchrony, Fault> {
    let clock = kernel::clock()
        .map_err(|errno| Fault::refused(format!("cannot ask for the clock's state: {errno}")))?;
    if clock.state == TIME_ERROR {
        return Ok(Synchrony::Free);
    }
    let ms = u64::try_from(clock.error_us_max / 1_000).unwrap_or(0);
    Ok(Synchrony::Within(Millis(ms.saturating_add(1))))
}

/// The wall clock, for those who tell when something was.
pub(crate) fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// An executable file of that name in the system's own directories.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let executable = |path: &PathBuf| {
        fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(executable)
}

fn host() -> Result<String, Fault> {
    gethostname()
        .map(|name| name.to_string_lossy().into_owned())
        .map_err(|errno| Fault::refused(format!("cannot learn the host's name: {errno}")))
}

fn line(path: &str) -> Result<String, Fault> {
    fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(|error| Fault::refused(format!("cannot read '{path}': {error}")))
}

fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn random() -> Result<u32, Fault> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Fault::refused(format!("cannot read '/dev/urandom': {error}")))?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Nested freezes came with Linux 6.8, in the series that renamed `freeze_bdev` to `bdev_freeze`.
fn probe_nesting() -> Option<bool> {
    nesting(BufReader::new(File::open("/proc/kallsyms").ok()?))
}

fn nesting(symbols: impl BufRead) -> Option<bool> {
    let mut old = None;
    for line in symbols.lines() {
        match line.ok()?.split_ascii_whitespace().nth(2) {
            Some("bdev_freeze") => return Some(true),
            Some("freeze_bdev") => old = Some(false),
            _ => {}
        }
    }
    old
}

/// Where systemd put this service's credentials (systemd.exec(5), `LoadCredential=`).
pub(crate) fn credentials_directory() -> Option<PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_symbols_tell_whether_freezes_nest() {
        let new = "0 T bdev_freeze\n0 T freeze_bdev\n";
        assert_eq!(nesting(new.as_bytes()), Some(true));
        assert_eq!(nesting("0 T a\n0 T freeze_bdev\n".as_bytes()), Some(false));
        assert_eq!(nesting("0 T xfs_freeze_bdev_freeze\n".as_bytes()), None);
        assert_eq!(nesting("".as_bytes()), None);
    }

    #[test]
    fn the_machine_is_known_and_its_clock_runs() {
        let kernel = Kernel::default();
        let (one, two) = (kernel.machine().unwrap(), kernel.machine().unwrap());
        assert_eq!(one.boot.len(), 36);
        assert_eq!(one.boot, two.boot);
        assert_ne!(one.random, two.random);
        assert!(now().unwrap() < now().unwrap());
    }

    #[test]
    fn programs_come_from_the_systems_directories() {
        assert!(program("sh").unwrap().ends_with("bin/sh"));
        assert_eq!(program("holdstill-no-such-program"), None);
        assert_eq!(program("."), None);
    }
}
