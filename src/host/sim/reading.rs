//! Trees of the simulated machine, and the sums of what is in its files. Nothing is read when it is
//! asked for the first time, and everything at the second: whatever can happen can happen between.

use std::path::Path;

use super::files::Files;
use super::world::World;
use crate::digest::Digest;
use crate::host::{Fault, Found, Kind, Moment, Reading, Readings, Sum, ToRead, Tree, Type};
use crate::units::{Bytes, Millis};

/// A reading that goes on.
#[derive(Clone, Debug)]
pub struct UnderWay {
    order: Reading,
    asked: bool,
}

impl UnderWay {
    /// Whether it has been asked for.
    pub(super) fn fingerprint(&self) -> bool {
        self.asked
    }
}

/// Everything below a directory.
pub(super) fn tree(world: &World, root: &Path) -> Result<Tree, Fault> {
    if let Some(signal) = world.signal {
        return Err(Fault::refused(format!("interrupted by signal {signal}")));
    }
    let files = &world.files;
    if files.kind(root) != Some(Kind::Directory) {
        return Err(Fault::refused(format!("'{}' is not there", root.display())));
    }
    let found = files.below(root).filter_map(|(path, _)| found(files, root, path));
    let mut found: Vec<Found> = found.collect();
    found.sort_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    Ok(Tree { found, unseen: Vec::new() })
}

fn found(files: &Files, root: &Path, path: &Path) -> Option<Found> {
    let text = files.text(path);
    Some(Found {
        path: path.strip_prefix(root).ok()?.into(),
        is: if text.is_some() { Type::File } else { Type::Directory },
        size: Bytes(text.map_or(0, |text| text.len() as u64)),
        mode: files.mode(path),
        uid: 0,
        gid: 0,
        mtime: text.map(written).unwrap_or_default(),
        target: None,
        inode: number(files.first_name(path).as_os_str().as_encoded_bytes()),
        names: files.names_of(path),
    })
}

/// When a file was written. A text of another length was written at another time; one that rots
/// keeps both.
fn written(text: &str) -> Moment {
    Moment { seconds: i64::try_from(text.len()).unwrap_or_default(), nanos: 0 }
}

/// A number of some bytes that other bytes do not have.
fn number(bytes: &[u8]) -> u64 {
    let Digest(sum) = Digest::of(bytes);
    sum.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Begins.
pub(super) fn begin(world: &mut World, order: &Reading) {
    world.reading = Some(UnderWay { order: order.clone(), asked: false });
}

/// Goes on.
pub(super) fn hear(world: &mut World, ms_max: Millis) -> Result<Readings, Fault> {
    world.clock += ms_max.0 * 1_000_000;
    let reading = world.reading.as_mut().ok_or_else(|| Fault::refused("nothing is being read"))?;
    if !reading.asked && world.signal.is_none() && !reading.order.files.is_empty() {
        reading.asked = true;
        return Ok(Readings::default());
    }
    let Some(UnderWay { order, .. }) = world.reading.take() else { return Ok(Readings::default()) };
    let files: Vec<_> = order
        .files
        .iter()
        .map(|one| sum(&world.files, &order.directory, one))
        .enumerate()
        .collect();
    let bytes = Bytes(order.files.iter().map(|one| one.size.0).sum());
    Ok(Readings { files, bytes, over: true })
}

fn sum(files: &Files, directory: &Path, one: &ToRead) -> Result<Sum, String> {
    let text = files.text(&directory.join(&one.path)).ok_or("No such file or directory")?;
    if text.len() as u64 != one.size.0 {
        return Err(format!("expected {} bytes, found {}", one.size.0, text.len()));
    }
    Ok(Sum { blake3: Digest::of(text.as_bytes()), pages: None })
}
