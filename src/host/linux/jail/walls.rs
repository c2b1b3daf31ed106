//! The walls: the copy is mounted over production's own paths, everything else becomes read-only.
//!
//! The order counts. What is to be seen is opened first, since production's paths, the temporary
//! directories and `/run` may be above it and are covered afterwards.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::libc::O_PATH;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, umask};

use super::super::kernel;
use crate::host::jail::{HOME, Jail, Layer};

/// Who owns the data directory, and so who the server is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What holds the sockets of everybody else on the machine.
const RUN: &str = "/run";
/// How much may be put there: a socket and a process number.
const RUN_OPTIONS: &str = "mode=0755,size=16m";

/// The directories for whatever is temporary.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

const NOTHING: Option<&str> = None;

/// Builds the walls around this process. Nothing of it is seen outside.
pub(super) fn build(jail: &Jail) -> io::Result<Owner> {
    umask(Mode::from_bits_truncate(0o022));
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    for layer in &jail.layers {
        lay(layer)?;
    }
    fs::set_permissions(&jail.scratch, Permissions::from_mode(0o1777))?;
    let scratch = held(&jail.scratch)?;
    let mut covers = Vec::new();
    for cover in &jail.covers {
        let merged = jail.layers.get(cover.layer).map(Layer::merged);
        let merged = merged.ok_or_else(|| io::Error::other("there is no such layer"))?;
        covers.push((held(&merged.join(&cover.inside))?, &cover.at));
    }
    read_only()?;
    mount(Some("proc"), "/proc", Some("proc"), hard(), NOTHING)
        .map_err(|errno| during("mount '/proc'", &errno.into()))?;
    mount(Some("tmpfs"), RUN, Some("tmpfs"), hard(), Some(RUN_OPTIONS))
        .map_err(|errno| during("cover '/run'", &errno.into()))?;
    for path in TEMPORARY.map(Path::new).into_iter().filter(|path| path.is_dir()) {
        show(&scratch, path)?;
    }
    for (part, at) in &covers {
        stand_in(part, at)?;
        show(part, at)?;
    }
    let meta =
        fs::metadata(&jail.datadir).map_err(|error| during_at("look at", &jail.datadir, &error))?;
    let owner = Owner { uid: meta.uid(), gid: meta.gid() };
    DirBuilder::new().mode(0o700).create(HOME)?;
    chown(HOME, Some(owner.uid), Some(owner.gid))?;
    Ok(owner)
}

fn hard() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC
}

/// Makes a layer one tree. The directories are handed over as descriptors, so that no letter of
/// their names means something else to the kernel. What is written is thrown away, so that nothing
/// of it needs to be on stable storage where the kernel knows of that (`volatile`, since 5.10).
fn lay(layer: &Layer) -> io::Result<()> {
    let (lower, upper, work, merged) = match layer {
        Layer::Overlay { lower, upper, work, merged } => (lower, upper, work, merged),
        Layer::Copy { merged } => return let_pass(merged, merged),
        Layer::Kept { .. } => return Ok(()),
    };
    let_pass(lower, upper)?;
    let (below, above, by) = (held(lower)?, held(upper)?, held(work)?);
    let data = format!(
        "lowerdir={},upperdir={},workdir={}",
        handle(&below).display(),
        handle(&above).display(),
        handle(&by).display()
    );
    let overlay = |data: &str| mount(Some("overlay"), merged, Some("overlay"), hard(), Some(data));
    overlay(&format!("{data},volatile"))
        .or_else(|_| overlay(&data))
        .map_err(|errno| during_at("lay an overlay over", lower, &errno.into()))
}

/// The top of a tree as it was, but that everybody may pass through: where only a part of a volume
/// was copied, its top is a directory of ours. The top of an overlay is as that of its upper
/// directory.
fn let_pass(of: &Path, top: &Path) -> io::Result<()> {
    let wrong = |error| during_at("look at", of, &error);
    let meta = fs::metadata(of).map_err(wrong)?;
    let mode = Permissions::from_mode((meta.mode() & 0o7777) | 0o011);
    chown(top, Some(meta.uid()), Some(meta.gid())).map_err(wrong)?;
    fs::set_permissions(top, mode).map_err(wrong)
}

/// From here on nothing of the machine's can be written to.
fn read_only() -> io::Result<()> {
    match kernel::make_all_read_only() {
        Err(nix::errno::Errno::ENOSYS) => each_read_only(),
        other => other.map_err(|errno| during("make everything read-only", &errno.into())),
    }
}

/// The same, mount by mount, before Linux 5.12.
fn each_read_only() -> io::Result<()> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    let all = super::super::mounts::all().map_err(|fault| io::Error::other(fault.to_string()))?;
    for one in all {
        // One that is covered by another cannot be reached, by us or by the server.
        let _covered = mount(NOTHING, &one.point, NOTHING, flags, NOTHING);
    }
    Ok(())
}

/// Shows what is held at a path, and lets it be written to.
fn show(part: &File, at: &Path) -> io::Result<()> {
    let wrong = |errno: nix::errno::Errno| during_at("cover", at, &errno.into());
    mount(Some(&handle(part)), at, NOTHING, MsFlags::MS_BIND, NOTHING).map_err(wrong)?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(NOTHING, at, NOTHING, flags, NOTHING).map_err(wrong)
}

/// Makes what is covered where it is not there: only in what we have mounted ourselves, for all
/// else is read-only.
fn stand_in(part: &File, at: &Path) -> io::Result<()> {
    if at.exists() {
        return Ok(());
    }
    let wrong = |error| during_at("make", at, &error);
    if part.metadata()?.is_dir() {
        return fs::create_dir_all(at).map_err(wrong);
    }
    at.parent().map_or(Ok(()), fs::create_dir_all).map_err(wrong)?;
    File::create(at).map(drop).map_err(wrong)
}

/// A file or directory, held without being read.
fn held(path: &Path) -> io::Result<File> {
    let held = OpenOptions::new().read(true).custom_flags(O_PATH).open(path);
    held.map_err(|error| during_at("open", path, &error))
}

/// The path of what is held, however it is covered.
fn handle(held: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()))
}

fn during_at(what: &str, path: &Path, error: &io::Error) -> io::Error {
    during(&format!("{what} '{}'", path.display()), error)
}

fn during(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}
