//! What a drill will do, decided by looking alone: which backup, which server, where it writes,
//! what it sees, and how it is told to open its files.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::judge;
use super::options::{self, Logs};
use super::past::Past;
use super::place::Place;
use super::visit::Private;
use super::{cover, find};
use crate::config::Config;
use crate::host::jail::{COMMAND, Cover, Jail, Layer};
use crate::host::{Act, Ask, Cmd, Host, Overrun};
use crate::plan::{Refusal, mount_of, program};
use crate::store::{self, Form, Missing, RECORD};
use crate::units::{Bytes, Millis};

/// What a drill takes besides the files it changes: logs, temporary files, undo.
pub(super) const MARGIN: Bytes = Bytes(256 << 20);

/// Filesystems that cannot hold what an overlay changes, or that nobody should want to.
const NO_UPPER: [&str; 9] =
    ["nfs", "nfs4", "cifs", "smb3", "overlay", "vfat", "exfat", "fuse", "fuseblk"];

/// How long trying whether a filesystem clones files may take.
const CLONE_MS_MAX: Millis = Millis(30_000);

/// How a backup can be written to without being changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// An overlay: what the server changes goes elsewhere.
    Overlay,
    /// A copy of it, cloned where the filesystem can.
    Copy,
}

/// A drill, decided.
#[derive(Clone, Debug)]
pub struct Drill {
    /// The run that made the backup.
    pub backup: String,
    /// Its directory.
    pub directory: PathBuf,
    /// The private server's program.
    pub program: PathBuf,
    /// Its version.
    pub version: String,
    /// What it runs on.
    pub way: Way,
    pub(super) past: Past,
    pub(super) place: Place,
    pub(super) state_dir: PathBuf,
    pub(super) directories: Vec<PathBuf>,
    pub(super) copies: Vec<Cmd>,
    pub(super) clone: Cmd,
    pub(super) server: Private,
    pub(super) logs: Logs,
    pub(super) assertions: Vec<String>,
    /// What it needs if no file can be cloned, and if every one can.
    pub(super) needs: (Bytes, Bytes),
}

/// Decides a drill of a backup, the newest one if none is named, or tells what stands against it.
pub fn plan(host: &dyn Host, config: &Config, run: Option<&str>) -> Result<Drill, Refusal> {
    let machine = host.machine()?;
    if machine.uid != 0 {
        let what = format!("cannot build a jail as user {}: expected root", machine.uid);
        return Err(Refusal::new(what, "Run it as root, for example with 'sudo'."));
    }
    let directory = chosen(host, &config.destination.directory, run)?;
    let past = record(host, &directory)?;
    let server = find::program(host, &config.drill, &past)?;
    let below = config.drill.directory.clone();
    let below = below.unwrap_or_else(|| config.destination.directory.clone());
    let way = way(host, &below)?;
    let place = Place::new(&below, &machine.run_id());
    let logs = logs(host, &directory, &past)?;
    let needed = needed(&past, &server.path);
    let covers = covers(host, &directory, &past, &needed)?;
    let layers = layers(&directory, &past, &place, way);
    let scratch = place.home.join("tmp");
    let args =
        options::all(&past, past.opening.get("basedir").map(Path::new), config.drill.memory, logs);
    let cp = program(host, "cp")?;
    let jail = Jail {
        covers,
        scratch: scratch.clone(),
        datadir: past.datadir(),
        program: server.path.clone(),
        args,
        layers: layers.clone(),
    };
    let trees = trees(host, &directory, &past)?;
    let little = Bytes(MARGIN.0 + options::redo_bytes(&past).0);
    Ok(Drill {
        backup: past.run.clone(),
        way,
        directories: directories(&layers, scratch),
        copies: copies(&cp, &directory, &past, &layers, config.drill.ms_max),
        clone: clone(&cp, &directory, &place),
        server: Private {
            task: "the drill",
            jail: command(host, &jail, config.drill.ms_max)?,
            priority: config.copy.priority,
            ms_max: config.drill.ms_max,
            quiet_ms_max: config.drill.quiet_ms_max,
            room: place.home.clone(),
        },
        assertions: assertions(host, config)?,
        needs: (Bytes(little.0 + trees.0), little),
        state_dir: config.state_dir.clone(),
        program: server.path,
        version: server.version,
        directory,
        past,
        place,
        logs,
    })
}

impl Drill {
    /// The directory that it makes and removes.
    pub fn home(&self) -> &Path {
        &self.place.home
    }
}

/// The backup's directory.
fn chosen(host: &dyn Host, destination: &Path, wanted: Option<&str>) -> Result<PathBuf, Refusal> {
    let missing = |why: Missing| Refusal::new(why.what(destination), why.hint());
    let mut all = store::find(host, destination)?;
    all.retain(|one| one.form == Form::Whole && store::is_run(&one.run));
    let run = if let Some(wanted) = wanted {
        store::pick(all.into_iter().map(|one| one.run), wanted)
    } else {
        let newest = all.into_iter().rev().find(|one| one.counts().is_some());
        newest.map(|one| one.run).ok_or(Missing::Any)
    };
    run.map(|run| destination.join(run)).map_err(missing)
}

fn record(host: &dyn Host, directory: &Path) -> Result<Past, Refusal> {
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let text = host.file(&directory.join(RECORD))?.unwrap_or_default();
    let past = Past::read(&text).and_then(|past| {
        if past.run == name {
            return Ok(past);
        }
        Err(format!("expected the record of '{name}', found that of '{}'", past.run))
    });
    past.map_err(|why| {
        let what = format!("cannot drill the backup '{}': {why}", directory.display());
        Refusal::new(what, "Drill another one: 'holdstill list' shows them.")
    })
}

/// An overlay, where the kernel has it and it may write there.
fn way(host: &dyn Host, below: &Path) -> Result<Way, Refusal> {
    let Some(entry) = host.entry(below)? else {
        let what = format!("there is no directory '{}' for the drill", below.display());
        return Err(Refusal::new(what, "Make it, or name another with 'directory' in [drill]."));
    };
    if crate::trust::can_be_written_by_others(&entry) {
        let what = format!("others can write to '{}'", below.display());
        let hint = "Name a directory of root's alone with 'directory' in [drill].";
        return Err(Refusal::new(what, hint));
    }
    let mounts = host.mounts()?;
    let kind = mount_of(&entry, &mounts).map_or("", |mount| mount.kind.as_str());
    let known = host.file(Path::new("/proc/filesystems"))?.unwrap_or_default();
    let overlay = known.split_ascii_whitespace().any(|word| word == "overlay");
    let can_hold = !NO_UPPER.contains(&kind) && !kind.starts_with("fuse.");
    Ok(if overlay && can_hold { Way::Overlay } else { Way::Copy })
}

/// What of the server's logs is in the backup: an index that is there names the files beside it.
fn logs(host: &dyn Host, directory: &Path, past: &Past) -> Result<Logs, Refusal> {
    let is_there = |index: &str, base: &str| -> Result<bool, Refusal> {
        let told = past.opening.get(index).map(PathBuf::from);
        let derived = past.opening.get(base).map(|base| PathBuf::from(format!("{base}.index")));
        let Some(path) = told.or(derived) else { return Ok(false) };
        let path = past.datadir().join(path);
        let Some((tree, inside)) = past.find(&path) else { return Ok(false) };
        Ok(host.entry(&directory.join(tree).join(inside))?.is_some())
    };
    Ok(Logs {
        binary: past.opening.is_on("log_bin") && is_there("log_bin_index", "log_bin_basename")?,
        relay: is_there("relay_log_index", "relay_log_basename")?,
    })
}

/// What the server must see of the machine, wherever it is.
pub(super) fn needed(past: &Past, program: &Path) -> Vec<PathBuf> {
    let named = ["basedir", "plugin_dir", "lc_messages_dir", "character_sets_dir"];
    let files = ["file_key_management_filename", "keyring_file_data"];
    let named = named.iter().chain(&files).filter_map(|name| past.opening.get(name));
    let all = std::iter::once(program.to_owned()).chain(named.map(PathBuf::from));
    all.filter(|path| path.is_absolute() && path != Path::new("/")).collect()
}

/// What covers what; a directory that would have to be made on production's filesystems is not.
fn covers(
    host: &dyn Host,
    directory: &Path,
    past: &Past,
    needed: &[PathBuf],
) -> Result<Vec<Cover>, Refusal> {
    let data = past.datadir();
    let mut all: Vec<Cover> = Vec::new();
    for (layer, volume) in past.sources.iter().enumerate() {
        let tree = directory.join(&volume.tree);
        let names = |inside: &Path| host.list(&tree.join(inside));
        all.extend(cover::volume(layer, &volume.mount, &data, needed, &names)?);
    }
    all.sort_by_key(|cover| cover.at.components().count());
    for (at, cover) in all.iter().enumerate() {
        let ours = ["/tmp", "/run", "/var/tmp"].map(Path::new);
        let inner = all[..at].iter().any(|outer| cover.at.starts_with(&outer.at))
            || ours.iter().any(|ours| cover.at.starts_with(ours));
        if !inner && host.entry(&cover.at)?.is_none() {
            let what = format!(
                "the backup's files were at '{}', and there is no such directory here",
                cover.at.display()
            );
            let hint = "Make it, empty: the private server sees its files there and nowhere else.";
            return Err(Refusal::new(what, hint));
        }
    }
    Ok(all)
}

fn layers(directory: &Path, past: &Past, place: &Place, way: Way) -> Vec<Layer> {
    let one = |volume: &super::past::Volume| {
        let inside = |kind: &str| place.home.join(format!("{kind}-{}", volume.tree));
        match way {
            Way::Copy => Layer::Copy { merged: inside("copy") },
            Way::Overlay => Layer::Overlay {
                lower: directory.join(&volume.tree),
                upper: inside("changed"),
                work: inside("work"),
                merged: inside("seen"),
            },
        }
    };
    past.sources.iter().map(one).collect()
}

fn directories(layers: &[Layer], scratch: PathBuf) -> Vec<PathBuf> {
    let of = |layer: &Layer| match layer {
        Layer::Overlay { upper, work, merged, .. } => {
            vec![upper.clone(), work.clone(), merged.clone()]
        }
        // Made by its copy.
        Layer::Copy { .. } | Layer::Kept { .. } => Vec::new(),
    };
    layers.iter().flat_map(of).chain([scratch]).collect()
}

/// The copies, where there is no overlay.
fn copies(cp: &Path, directory: &Path, past: &Past, layers: &[Layer], ms_max: Millis) -> Vec<Cmd> {
    let one = |(volume, layer): (&super::past::Volume, &Layer)| {
        let Layer::Copy { merged } = layer else { return None };
        let from = directory.join(&volume.tree).display().to_string();
        let args = ["--archive", "--reflink=auto", "--sparse=auto", "--no-target-directory", "--"];
        let args = args.map(String::from).into_iter().chain([from, merged.display().to_string()]);
        Some(Cmd { program: cp.into(), args: args.collect(), ms_max, overrun: Overrun::End })
    };
    past.sources.iter().zip(layers).filter_map(one).collect()
}

/// Whether a file of the backup can be cloned to where the drill writes: then what the server opens
/// costs nothing until it is changed. Tried, since no filesystem says so.
fn clone(cp: &Path, directory: &Path, place: &Place) -> Cmd {
    let from = directory.join(RECORD).display().to_string();
    let to = place.home.join("clone").display().to_string();
    let args = vec!["--reflink=always".into(), "--".into(), from, to];
    Cmd { program: cp.into(), args, ms_max: CLONE_MS_MAX, overrun: Overrun::End }
}

/// Ourselves, as the jail.
pub(super) fn command(host: &dyn Host, jail: &Jail, ms_max: Millis) -> Result<Cmd, Refusal> {
    let us = Path::new("/proc/self/exe");
    let program = host.entry(us).ok().flatten().map_or(us.into(), |entry| entry.real);
    let charge = serde_json::to_string(jail).map_err(|error| {
        Refusal::new(error.to_string(), "Rename what has a name that is not UTF-8.")
    })?;
    let args = vec![COMMAND.into(), charge];
    Ok(Cmd { program, args, ms_max, overrun: Overrun::End })
}

fn trees(host: &dyn Host, directory: &Path, past: &Past) -> Result<Bytes, Refusal> {
    let mut all = 0_u64;
    for volume in &past.sources {
        all = all.saturating_add(host.usage(&directory.join(&volume.tree))?.0);
    }
    Ok(Bytes(all))
}

fn assertions(host: &dyn Host, config: &Config) -> Result<Vec<String>, Refusal> {
    let mut all = config.drill.assertions.clone();
    if let Some(path) = &config.drill.assertions_file {
        let text = host.file(path)?.ok_or_else(|| {
            let what = format!("there is no file '{}'", path.display());
            Refusal::new(what, "Correct 'assertions_file' in [drill], or write the file.")
        })?;
        all.extend(judge::assertions(&text));
    }
    Ok(all)
}

impl Drill {
    /// Makes what the jail needs, in the throw-away directory.
    pub(super) fn furnish(&self) -> Vec<Act> {
        self.directories.iter().cloned().map(Act::NewDir).collect()
    }
}
