//! Whether there is room for what is restored: summed up for each filesystem, told in numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Place, Stands};
use crate::host::{Ask, Host};
use crate::plan::Refusal;
use crate::units::Bytes;

/// What a copy may need beyond the files themselves, in percent: directories and block ends.
const MARGIN_PERCENT: u64 = 2;

/// The room on one filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// A directory on it.
    pub at: PathBuf,
    /// What is restored to it.
    pub of: Vec<PathBuf>,
    /// What is still to be written, with a margin.
    pub needed: Bytes,
    /// What is free.
    pub free: Bytes,
}

/// The room of all places, or how much is missing.
pub(super) fn rooms(host: &dyn Host, places: &[Place]) -> Result<Vec<Room>, Refusal> {
    let mut rooms: BTreeMap<String, Room> = BTreeMap::new();
    for place in places {
        let at = standing(host, &place.to)?;
        let device = host.entry(&at)?.map(|entry| entry.device).unwrap_or_default();
        let (_, Bytes(all)) = place.totals();
        let is_there = matches!(place.stands, Stands::Begun | Stands::Spoiled);
        let there = if is_there { host.usage(&place.to)?.0 } else { 0 };
        let needed = all.saturating_sub(there);
        let free = host.space(&at)?.free;
        let room =
            rooms.entry(device).or_insert(Room { at, of: Vec::new(), needed: Bytes(0), free });
        room.of.push(place.to.clone());
        room.needed.0 = room.needed.0.saturating_add(needed);
    }
    let mut rooms: Vec<Room> = rooms.into_values().collect();
    for room in &mut rooms {
        room.needed.0 = room.needed.0.saturating_add(room.needed.0 / 100 * MARGIN_PERCENT);
        enough(room)?;
    }
    Ok(rooms)
}

/// The directory itself, or the nearest one above it.
fn standing(host: &dyn Host, path: &Path) -> Result<PathBuf, Refusal> {
    for at in path.ancestors() {
        if host.entry(at)?.is_some() {
            return Ok(at.into());
        }
    }
    Ok("/".into())
}

fn enough(room: &Room) -> Result<(), Refusal> {
    let Room { at, needed, free, .. } = room;
    if needed <= free {
        return Ok(());
    }
    let missing = Bytes(needed.0 - free.0);
    let what = format!(
        "too little space at '{}': {needed} ({} bytes, {MARGIN_PERCENT} % of margin in it) are \
         needed, {free} ({} bytes) are free, {missing} ({} bytes) are missing",
        at.display(),
        needed.0,
        free.0,
        missing.0
    );
    Err(Refusal::new(what, "Make room there, or name a directory on a larger filesystem."))
}
