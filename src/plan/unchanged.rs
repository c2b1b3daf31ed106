//! Which earlier backup the files that did not change are linked to, and which files those may be.
//!
//! A file is taken for unchanged if its size and its time are those of the earlier backup. Its time
//! proves that only if it lay before the earlier snapshot by more than the clock may be wrong: a
//! file that was written twice within one tick of the kernel's clock, before and after a snapshot,
//! has one time and two contents. So what was written later than shortly before the earlier run
//! began is copied, whatever its time is now. Writes by a memory map are no exception: a page that
//! was written out for the snapshot, as all were under the freeze, is write-protected, and the next
//! write to it sets the file's time (mmap(2), `MAP_SHARED`). Direct writes hold off the freeze
//! until they have ended.
//!
//! Deliberately absent: a second choice. If the newest backup of the same source does not count,
//! everything is copied: what it shares with an older one may be what is wrong with it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::make::{pass, warn};
use super::tools::Programs;
use super::{Aspect, Base, Linking, Note, Tools, destination, source, take};
use crate::config::{Config, Unchanged};
use crate::copy::rsync;
use crate::digest::Digest;
use crate::host::{Ask, Host, Machine, Moment, Synchrony};
use crate::manifest::{self, Entry, Manifest, Type};
use crate::memory::{self, Standing};
use crate::store::{self, Form, Found as Stands, Ours, What};
use crate::units::{Bytes, Millis};

/// How much earlier than its run a file was written whose time proves something: a second for
/// filesystems that keep no parts of one (ext3, ext4 with small inodes), and the kernel's ticks.
const MARGIN: Millis = Millis(2_000);

/// The machine, the programs, the source and the destination, as far as they were found.
pub(super) type Parts<'a> = (
    Option<&'a Machine>,
    Option<&'a (Programs, Tools)>,
    Option<&'a source::Found>,
    Option<&'a destination::Found>,
);

/// What is known of this run.
struct Known<'a> {
    machine: &'a Machine,
    versions: &'a Tools,
    source: &'a source::Found,
    destination: &'a destination::Found,
}

impl<'a> Known<'a> {
    /// All that there is to know, if it was all found.
    fn of((machine, tools, source, destination): Parts<'a>) -> Option<Self> {
        let (machine, (_, versions)) = (machine?, tools?);
        Some(Self { machine, versions, source: source?, destination: destination? })
    }
}

/// What becomes of unchanged files.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) linking: Linking,
    /// What may be linked, relative to the backup's directory.
    paths: Vec<PathBuf>,
}

/// An earlier backup, with what of it may be linked.
struct Earlier {
    base: Base,
    paths: Vec<PathBuf>,
    bytes: Bytes,
    /// Of so many files.
    files: u64,
}

impl Found {
    /// The files of a tree that may be linked, relative to it; nothing if there are none.
    pub(super) fn of<'a>(
        &'a self,
        tree: &str,
    ) -> Option<(&'a Base, impl Iterator<Item = &'a str>)> {
        let tree = PathBuf::from(tree);
        let inside = move |path: &'a PathBuf| path.strip_prefix(&tree).ok()?.to_str();
        let base = self.linking.base.as_ref()?;
        self.paths
            .iter()
            .any(|path| inside(path).is_some())
            .then(|| (base, self.paths.iter().filter_map(inside)))
    }
}

/// Looks for the earlier backup, if the operator wants links.
pub(super) fn look(
    host: &dyn Host,
    config: &Config,
    parts: Parts<'_>,
    notes: &mut Vec<Note>,
) -> Option<Found> {
    if config.copy.unchanged == Unchanged::Copy {
        return None;
    }
    let known = Known::of(parts)?;
    let clock_ms_max = match host.synchrony() {
        Ok(Synchrony::Within(ms)) => Some(ms),
        Ok(Synchrony::Free) | Err(_) => None,
    };
    let linking = Linking { clock_ms_max, ..Linking::default() };
    let earlier = earlier(host, config, &known, clock_ms_max);
    match earlier {
        Ok(Some(Earlier { base, paths, bytes, files })) => {
            let found = format!(
                "files unchanged since {} are linked to it: at most {} of its {files} files, {bytes}",
                base.run,
                paths.len()
            );
            pass(notes, Aspect::Incremental, found);
            Some(Found { linking: Linking { base: Some(base), ..linking }, paths })
        }
        Ok(None) => {
            pass(notes, Aspect::Incremental, "everything is copied: it is the first backup");
            Some(Found { linking, paths: Vec::new() })
        }
        Err(why) => {
            warn(notes, Aspect::Incremental, format!("everything is copied: {why}"));
            let linking = Linking { why_not: Some(why), ..linking };
            Some(Found { linking, paths: Vec::new() })
        }
    }
}

/// The newest backup of the same source; nothing if there is none, and why not if it does not do.
fn earlier(
    host: &dyn Host,
    config: &Config,
    known: &Known<'_>,
    clock_ms_max: Option<Millis>,
) -> Result<Option<Earlier>, String> {
    let all = store::find(host, &config.destination.directory).map_err(|why| why.to_string())?;
    let ours = |one: &Stands| match &one.what {
        Ok(What::Ours(ours)) if one.form == Form::Whole && is_of(ours, known) => {
            Some((one.path.clone(), ours.clone()))
        }
        _ => None,
    };
    let Some((path, ours)) = all.iter().rev().find_map(ours) else { return Ok(None) };
    let now = clock_ms_max.ok_or("nothing keeps the clock right")?;
    if take::numbers(&known.versions.rsync) < rsync::NANOSECONDS_SINCE.to_vec() {
        return Err(format!("rsync {} compares seconds, 3.1.3 does better", known.versions.rsync));
    }
    let run = &ours.summary.run;
    sound(host, config, &ours).map_err(|why| format!("{run} {why}"))?;
    same_place(host, &path, known).map_err(|why| format!("{run} {why}"))?;
    let until = until(&ours, known.machine.began(), now).map_err(|why| format!("{run} {why}"))?;
    let (manifest, entries) = entries(host, &path, &ours).map_err(|why| format!("{run} {why}"))?;
    let files = entries.iter().filter(|entry| entry.is == Type::File).count() as u64;
    let linkable = |entry: &&Entry| entry.is == Type::File && entry.mtime < until;
    let bytes = Bytes(entries.iter().filter(linkable).map(|entry| entry.size.0).sum());
    let paths = entries.iter().filter(linkable).map(|entry| entry.path.clone()).collect();
    let (run, state_dir) = (run.clone(), config.state_dir.clone());
    let base = Base { run, path, manifest, until, state_dir };
    Ok(Some(Earlier { base, paths, bytes, files }))
}

/// Whether a backup is of the volumes and the data directory of this run, with the same trees.
fn is_of(ours: &Ours, known: &Known<'_>) -> bool {
    let volumes = &known.source.volumes;
    let same = |(at, source): (usize, &store::SourceVolume)| {
        let name = &volumes[at].volume.name;
        source.vg == name.vg()
            && source.lv == name.lv()
            && source.mount == volumes[at].mount.point
            && source.tree == store::tree(at)
    };
    ours.summary.sources.len() == volumes.len()
        && ours.summary.datadir == known.source.datadir
        && ours.summary.sources.iter().enumerate().all(same)
}

/// Whether nothing speaks against it, by its record and by what was found of it since.
fn sound(host: &dyn Host, config: &Config, ours: &Ours) -> Result<(), String> {
    if !ours.is_published() {
        return Err("is damaged: its record says so".into());
    }
    if let Some(first) = ours.summary.bad_pages.first() {
        return Err(format!("has {first}"));
    }
    let known = memory::recall(host, &config.state_dir, &ours.summary.run);
    let known = known.map_err(|why| format!("may be damaged: {why}"))?;
    match known.standing() {
        Standing::Damaged(_, why) => Err(format!("is damaged: {why}")),
        Standing::Unseen | Standing::Verified(_) | Standing::Drilled(_) => Ok(()),
    }
}

/// No link leads to another filesystem; and where a part of one has numbers of its own (btrfs), the
/// inodes of two parts tell nothing about each other.
fn same_place(host: &dyn Host, path: &Path, known: &Known<'_>) -> Result<(), String> {
    let entry = host.entry(path).map_err(|why| why.to_string())?;
    let device = entry.map(|entry| entry.device);
    if device.as_ref() == Some(&known.destination.device) {
        return Ok(());
    }
    Err("is on another filesystem than the destination".into())
}

/// Until when a file must have been written last for its time to prove that it is the same.
fn until(ours: &Ours, now: Timestamp, off_now: Millis) -> Result<Moment, String> {
    if ours.began > now {
        return Err(format!("is from the future: it began at {}", ours.began));
    }
    let off_then = ours.summary.linked.as_ref().and_then(|linked| linked.clock_ms_max);
    let off_then = off_then.ok_or("does not tell whether its clock was kept right")?;
    let ms = [MARGIN, off_then, off_now].iter().fold(0_u64, |sum, ms| sum.saturating_add(ms.0));
    let nanos = ours.began.as_nanosecond() - i128::from(ms) * 1_000_000;
    Ok(Moment {
        seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MIN),
        nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
    })
}

/// What its manifest lists, if that is the one that the record tells of.
fn entries(host: &dyn Host, path: &Path, ours: &Ours) -> Result<(Digest, Vec<Entry>), String> {
    let told = ours.summary.manifest.as_ref().ok_or("has no manifest")?.blake3;
    let text = host.long_file(&path.join(manifest::FILE)).map_err(|why| why.to_string())?;
    let text = text.ok_or("has lost its manifest")?;
    let whole = Manifest::sealed(&text, told, &ours.summary.run)?;
    Ok((told, whole.entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(began: &str, now: &str, off: [u64; 2]) -> Result<Moment, String> {
        let summary = serde_json::json!({
            "run": "20261123T010203Z-00002a", "state": "published", "started": began,
            "copied": {"bytes": 0}, "window": {"waited_ms": 0, "locked_ms": 0},
            "linked": {"run": null, "why_not": null, "files": 0, "bytes": 0,
                       "clock_ms_max": off[0]},
        });
        let summary = serde_json::from_value(summary).unwrap();
        let ours = Ours { began: began.parse().unwrap(), summary, record: serde_json::Value::Null };
        until(&ours, now.parse().unwrap(), Millis(off[1]))
    }

    #[test]
    fn what_was_written_near_the_earlier_run_or_after_it_proves_nothing() {
        let began = "2026-11-23T01:02:03Z";
        let at = |seconds: i64, nanos| Ok(Moment { seconds: 1_795_395_723 + seconds, nanos });
        assert_eq!(moment(began, "2026-11-24T01:02:03Z", [0, 0]), at(-2, 0));
        assert_eq!(moment(began, began, [12, 13]), at(-3, 975_000_000), "2.025 s before");
        let told = moment(began, "2026-11-23T01:02:02Z", [0, 0]).unwrap_err();
        assert!(told.contains("from the future"), "{told}");
    }
}
