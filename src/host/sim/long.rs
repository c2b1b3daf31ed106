//! The long command of the simulated machine, which is the copy. Its half is there when it has been
//! started, and the rest when it is listened to for the second time.
//!
//! rsync: the source has to be a mounted snapshot of ours. What was caught goes into a file as
//! JSON, so that the published backup can be held against its coordinates. From a published backup
//! its files are copied as they are. Links are made at the end, of files that have the same text.

use std::path::{Path, PathBuf};

use super::files::Owner;
use super::report;
use super::rules;
use super::world::World;
use crate::host::{Cmd, Exit, Fault, Said};
use crate::units::Millis;

/// What rsync prints half-way and at its end, whatever it copies.
const HALF: &str = "         32,768  50%  103.56MB/s    0:00:00 (xfr#1, to-chk=1/3)";
const WHOLE: &str = "         65,536 100%  103.56MB/s    0:00:00 (xfr#2, to-chk=0/3)";

/// The long command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Long {
    source: PathBuf,
    target: PathBuf,
    /// What is copied of a published backup: from where, and to where; nothing if it is a snapshot.
    files: Option<Vec<(PathBuf, PathBuf)>>,
    only: Only,
    heard: bool,
    /// Whether it will fail.
    fails: bool,
}

/// Which files are copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Only {
    /// These alone, if there is a list.
    named: Option<Vec<String>>,
    /// What was there before stays.
    there: Vec<PathBuf>,
    /// What is the same there is linked.
    earlier: Option<PathBuf>,
}

impl Only {
    fn of(world: &World, args: &[String], target: &Path) -> Result<Self, Fault> {
        let of = |option| args.iter().find_map(|arg: &String| arg.strip_prefix(option));
        let list = of("--files-from=").map(|list| {
            let text = world.files.text(Path::new(list));
            let text = text.ok_or_else(|| Fault::refused(format!("there is no '{list}'")))?;
            let names =
                text.split_terminator('\0').map(|name| name.trim_start_matches("./").into());
            Ok(names.collect())
        });
        let keeps = args.iter().any(|arg| arg == "--ignore-existing");
        let there = world.files.below(target).filter(|_| keeps).map(|(path, _)| path.clone());
        Ok(Self {
            named: list.transpose()?,
            there: there.collect(),
            earlier: of("--link-dest=").map(PathBuf::from),
        })
    }

    fn takes(&self, path: &Path, name: &str) -> bool {
        let named = self.named.as_ref().is_none_or(|names| names.iter().any(|one| one == name));
        named && !self.there.iter().any(|one| one == path)
    }
}

impl Long {
    /// How far it is, and whether it will fail.
    pub(super) fn fingerprint(&self) -> (bool, bool, bool) {
        (self.heard, self.fails, self.only.named.is_some())
    }
}

/// Starts it.
pub(super) fn start(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    assert!(report::program(cmd) == "rsync", "the simulated machine starts no '{cmd}'");
    if world.long.is_some() {
        return Err(Fault::refused("a long command is running"));
    }
    let (source, target) = endpoints(&cmd.args);
    let published = world.files.get(&source).is_some_and(|node| node.owner == Owner::Published);
    let files = published.then(|| of_backup(world, &cmd.args, &target));
    let only = Only::of(world, &cmd.args, &target)?;
    let long = Long { source, target, files, only, heard: false, fails: false };
    match &long.files {
        Some(files) => restore(world, &files[..files.len() / 2])?,
        None => copy(world, &long, "ibdata1")?,
    }
    world.long = Some(long);
    Ok(())
}

/// Listens to it.
pub(super) fn hear(world: &mut World, ms_max: Millis) -> Result<Said, Fault> {
    world.clock += ms_max.0 * 1_000_000;
    let long = world.long.as_mut().ok_or_else(|| Fault::refused("there is no long command"))?;
    if !long.heard {
        long.heard = true;
        return Ok(Said { lines: vec![HALF.into()], exit: None });
    }
    let long = long.clone();
    world.long = None;
    if long.fails {
        let exit = Exit { code: Some(24), stderr: "some files vanished".into() };
        return Ok(Said { lines: Vec::new(), exit: Some(exit) });
    }
    match &long.files {
        Some(files) => restore(world, files)?,
        None => copy(world, &long, "ib_logfile0")?,
    }
    let (files, bytes) = copied(world, &long);
    let (all_files, all_bytes) = listed(world, &long.target);
    let lines = vec![
        WHOLE.into(),
        format!("Number of files: {all_files} (reg: {all_files})"),
        format!("Total file size: {all_bytes} bytes"),
        format!("Number of regular files transferred: {files}"),
        format!("Total transferred file size: {bytes} bytes"),
    ];
    Ok(Said { lines, exit: Some(Exit { code: Some(0), stderr: String::new() }) })
}

/// How many files it has copied, and how many bytes are in them.
fn copied(world: &World, long: &Long) -> (usize, usize) {
    let is_own = |path: &Path| !long.only.there.iter().any(|one| one == path);
    let nodes = world.files.below(&long.target).filter(|(path, _)| is_own(path));
    let texts =
        nodes.filter(|(_, node)| node.first.is_none()).filter_map(|(_, node)| node.text.as_ref());
    texts.fold((0, 0), |(files, bytes), text| (files + 1, bytes + text.len()))
}

/// How many files are there, and how many bytes are in them.
fn listed(world: &World, target: &Path) -> (usize, usize) {
    let texts = world.files.below(target).filter_map(|(_, node)| node.text.as_ref());
    texts.fold((0, 0), |(files, bytes), text| (files + 1, bytes + text.len()))
}

/// It will fail.
pub(super) fn spoil(world: &mut World) {
    if let Some(long) = &mut world.long {
        long.fails = true;
    }
}

/// Whether it could still fail.
pub(super) fn can_fail(world: &World) -> bool {
    world.long.as_ref().is_some_and(|long| !long.fails)
}

/// Whether it reads what is mounted there.
pub(super) fn reads(world: &World, point: &Path) -> bool {
    world.long.as_ref().is_some_and(|long| long.source == point)
}

/// Copies one file, and the server's tables into it again if the snapshot was lost meanwhile.
fn copy(world: &mut World, long: &Long, name: &str) -> Result<(), Fault> {
    let tables = match rules::copied(world, &long.source) {
        Some(content) => serde_json::to_string(&content).map_err(|e| Fault::refused(e.to_string())),
        None => Ok("garbage".into()),
    }?;
    put(world, long, "ibdata1", tables)?;
    if name == "ibdata1" { Ok(()) } else { put(world, long, name, "redo".into()) }
}

/// Copies a file, or links it, if it is to be there at all.
fn put(world: &mut World, long: &Long, name: &str, text: String) -> Result<(), Fault> {
    let path = long.target.join(name);
    if !long.only.takes(&path, name) {
        return Ok(());
    }
    let earlier = long.only.earlier.as_ref().map(|earlier| earlier.join(name));
    match earlier.filter(|earlier| world.files.text(earlier) == Some(&text)) {
        Some(earlier) => world.files.link(&earlier, &path),
        None => world.files.write(&path, text, false),
    }
}

/// What is to be copied of a backup, directories before what is in them.
fn of_backup(world: &World, args: &[String], target: &Path) -> Vec<(PathBuf, PathBuf)> {
    let left_out: Vec<&str> =
        args.iter().filter_map(|arg| arg.strip_prefix("--exclude=/")).collect();
    let parts = args.iter().filter_map(|arg| arg.split_once("/./"));
    let mut files = Vec::new();
    for (root, part) in parts {
        let (root, top) = (Path::new(root), Path::new(root).join(part));
        let inside = world.files.below(&top).map(|(path, _)| path.clone());
        for path in [top.clone()].into_iter().chain(inside) {
            let Ok(below) = path.strip_prefix(root) else { continue };
            if !left_out.iter().any(|one| below.starts_with(one)) {
                files.push((path.clone(), target.join(below)));
            }
        }
    }
    files
}

/// Copies files as they are by now.
fn restore(world: &mut World, files: &[(PathBuf, PathBuf)]) -> Result<(), Fault> {
    for (from, to) in files {
        match world.files.get(from).map(|node| node.text.clone()) {
            None => return Err(Fault::refused(format!("'{}' is gone", from.display()))),
            Some(None) => world.files.make_dirs(to)?,
            Some(Some(text)) => world.files.write(to, text, false)?,
        }
    }
    Ok(())
}

/// Where rsync reads and writes, by its last arguments: `ROOT/./PART` and `TARGET/`.
fn endpoints(args: &[String]) -> (PathBuf, PathBuf) {
    let split = args.iter().position(|arg| arg == "--").unwrap_or_else(|| panic!("no '--'"));
    let (options, paths) = (&args[..split], &args[split + 1..]);
    for option in options {
        assert!(option.starts_with("--"), "the simulated rsync does not understand '{option}'");
    }
    let [source, .., target] = paths else { panic!("no source or no target: {paths:?}") };
    let root = source.split_once("/./").map_or(source.as_str(), |(root, _)| root);
    (root.into(), target.trim_end_matches('/').into())
}
