//! A backup's record, as far as a drill needs it.

use std::path::Component::{CurDir, Normal};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::database::Server;
use crate::database::coordinates::Coordinates;
use crate::database::opening::Opening;

/// What the backup is of.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Past {
    pub(super) run: String,
    pub(super) state: String,
    pub(super) server: Server,
    /// Relative to the first volume's mount point.
    pub(super) datadir: PathBuf,
    pub(super) sources: Vec<Volume>,
    pub(super) coordinates: Coordinates,
    /// Records before there were drills lack it.
    #[serde(default)]
    pub(super) opening: Opening,
}

/// A volume of the backup.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Volume {
    pub(super) mount: PathBuf,
    pub(super) tree: String,
}

impl Past {
    /// Reads a record, and believes nothing that leads out of the backup.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let past: Self = serde_json::from_str(text)
            .map_err(|error| format!("its record is damaged: {error}"))?;
        if past.state != "published" {
            return Err(format!("expected a published backup, found a {} one", past.state));
        }
        if past.sources.is_empty() {
            return Err("its record names no volume".into());
        }
        let inside = |path: &Path| path.components().all(|part| matches!(part, Normal(_) | CurDir));
        for volume in &past.sources {
            if !crate::store::is_tree(&volume.tree) || !volume.mount.is_absolute() {
                return Err(format!(
                    "its record names '{}' for '{}'",
                    volume.tree,
                    volume.mount.display()
                ));
            }
        }
        if !inside(&past.datadir) {
            return Err(format!("its record names the directory '{}'", past.datadir.display()));
        }
        Ok(past)
    }

    /// Where the data directory was, and is in the jail.
    pub(super) fn datadir(&self) -> PathBuf {
        self.sources.first().map_or_else(PathBuf::new, |first| join(&first.mount, &self.datadir))
    }

    /// The data directory in a backup that is in this directory.
    pub(super) fn tree_of_data(&self, backup: &Path) -> PathBuf {
        let tree = self.sources.first().map(|first| first.tree.as_str()).unwrap_or_default();
        backup.join(tree).components().chain(self.datadir.components()).collect()
    }

    /// Where in the backup a path of the server's is, if its volume was copied: the tree's name and
    /// the path in it. The volume that is mounted furthest down has it.
    pub(super) fn find(&self, path: &Path) -> Option<(&str, PathBuf)> {
        let above = self.sources.iter().filter_map(|one| {
            let inside = path.strip_prefix(&one.mount).ok()?;
            Some((one.mount.components().count(), one, inside))
        });
        let (_, volume, inside) = above.max_by_key(|(depth, ..)| *depth)?;
        Some((&volume.tree, inside.into()))
    }
}

/// A path without a slash at its end.
pub(super) fn join(directory: &Path, inside: &Path) -> PathBuf {
    if inside.as_os_str().is_empty() { directory.into() } else { directory.join(inside) }
}
