//! What must never be done, checked at every call. What a run tells and what it leaves is checked
//! by the tests, at its end.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::files::Owner;
use super::report;
use super::shell;
use super::statements;
use super::volumes::Content;
use super::world::World;
use crate::database::dialect::WRITE_LOGS;
use crate::digest::Digest;
use crate::host::{Act, Look, Session};
use crate::manifest::{self, Manifest};
use crate::store;

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A snapshot counts only if its suspend fell under our lock, with every applier stopped.
    Lock,
    /// What the positions count is in the files: InnoDB's log was written out under the lock.
    Logs,
    /// Nothing is copied but from a mounted snapshot of ours that is valid.
    Source,
    /// While frozen nothing of ours is written, asked or ordered but the planned snapshot.
    Frozen,
    /// While the server is locked nothing is done that the window does not need, unless every way
    /// to let it go was tried.
    LetGo,
    /// Nothing without our tag is touched.
    Foreign,
    /// The published name exists only complete and synced.
    Complete,
    /// The coordinates are those of the moment that the snapshot caught.
    Coordinates,
    /// The outcome told equals the world.
    Told,
    /// The server is writable when the process has ended.
    Writable,
    /// After recovery the slate is clean.
    Clean,
    /// Settling twice equals settling once.
    Twice,
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub rule: Rule,
    /// By what.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Checks an act at the moment it is ordered, whatever becomes of it.
pub(super) fn ordered(world: &mut World, act: &Act) {
    let need = need(act);
    if !world.frozen.is_empty() && need == Need::Free {
        world.breach(Rule::Frozen, act.to_string());
    }
    match act {
        Act::Hangup(Session::Lock) => world.server.last_resorts.0 = true,
        Act::Kill(Session::Lock) => world.server.last_resorts.1 = true,
        Act::Sql(sql) if !statements::may_be_ended(&world.server, &sql.text) => {
            world.breach(Rule::Foreign, sql.text.clone());
        }
        _ => {}
    }
    // Whatever was tried: nobody else's program runs while writes are stopped.
    let stopped = world.server.is_locked_by_us() || shell::suspends(world);
    if matches!(act, Act::Hook(_)) && stopped {
        world.breach(Rule::LetGo, act.to_string());
    }
    let tried = world.server.last_resorts == (true, true);
    if world.server.is_locked_by_us() && need == Need::Free && !tried {
        world.breach(Rule::LetGo, act.to_string());
    }
    if let Some(path) = touched(act) {
        check_owner(world, path, act, Owner::Ours);
    }
    if let Act::Withdraw { from, .. } = act {
        check_owner(world, from, act, Owner::Published);
    }
}

/// Checks a look: while frozen only what needs neither disk nor server.
pub(super) fn looked(world: &mut World, look: &Look) {
    let waits = matches!(look, Look::Run(_) | Look::Query { .. } | Look::Greet(_));
    if waits && !world.frozen.is_empty() {
        world.breach(Rule::Frozen, look.to_string());
    }
}

/// When an act may be ordered.
#[derive(PartialEq, Eq)]
enum Need {
    /// Also while the server holds still.
    Window,
    /// Only while it does not.
    Free,
}

fn need(act: &Act) -> Need {
    let window = match act {
        Act::Kill(_)
        | Act::Hangup(_)
        | Act::Arm(_)
        | Act::Disarm
        | Act::Order(_)
        | Act::LetGo
        | Act::Freeze(_)
        | Act::Thaw(_) => true,
        Act::Sql(sql) => {
            matches!(sql.text.as_str(), WRITE_LOGS | "UNLOCK TABLES" | "BACKUP STAGE END")
        }
        Act::Run(cmd) => {
            report::program(cmd) == "lvcreate" && cmd.args.iter().any(|arg| arg == "--snapshot")
        }
        _ => false,
    };
    if window { Need::Window } else { Need::Free }
}

/// The path that an act changes.
fn touched(act: &Act) -> Option<&Path> {
    match act {
        Act::WriteFile { path, .. }
        | Act::WriteReadable { path, .. }
        | Act::RemoveFile(path)
        | Act::RemoveDir(path)
        | Act::RemoveTree(path)
        | Act::Empty { directory: path, .. }
        | Act::Publish { from: path, .. } => Some(path),
        _ => None,
    }
}

fn check_owner(world: &mut World, path: &Path, act: &Act, owner: Owner) {
    let node = world.files.get(path).into_iter();
    let others =
        node.chain(world.files.below(path).map(|(_, node)| node)).any(|node| node.owner != owner);
    if others {
        world.breach(Rule::Foreign, act.to_string());
    }
}

/// Checks where a copy is taken from, and gives what was caught there; nothing if what is read
/// there is not what was caught.
pub(super) fn copied(world: &mut World, source: &Path) -> Option<Content> {
    let mounted = world.mounted_at(source).filter(|one| one.owner == Owner::Ours);
    let lv = mounted.and_then(|one| world.volumes.at_node(Path::new(&one.mount.source)));
    let Some((_, content)) = lv.and_then(|lv| lv.snapshot.clone()) else {
        world.breach(Rule::Source, format!("copy from {}", source.display()));
        return None;
    };
    let overflowed = lv.is_some_and(|lv| lv.overflowed);
    // Where nobody writes but the appliers, the coordinates tell whether somebody did.
    if !content.locked && !world.server.quiet {
        world.breach(Rule::Lock, "the origin was suspended while clients could write");
    }
    if !content.logs_written {
        world.breach(Rule::Logs, "the origin was suspended with commits in memory alone");
    }
    if !content.still {
        world.breach(Rule::Lock, "the origin was suspended while an applier ran");
    }
    Some(content).filter(|_| !overflowed)
}

/// Checks what is about to get its published name.
pub(super) fn published(world: &mut World, from: &Path) {
    if let Err(why) = whole(world, from) {
        world.breach(Rule::Complete, why);
    }
    if let Err(why) = coordinates(world, from) {
        world.breach(Rule::Coordinates, why);
    }
}

fn whole(world: &World, from: &Path) -> Result<(), String> {
    let record = record(world, from)?;
    if record["state"] != "published" {
        return Err(format!("the record says {}", record["state"]));
    }
    for name in [store::COORDINATES, "tree/ibdata1", "tree/ib_logfile0"] {
        let text = world.files.text(&from.join(name)).ok_or_else(|| format!("no '{name}'"))?;
        if text == "garbage" {
            return Err(format!("'{name}' was read from an overflowed snapshot"));
        }
    }
    manifest(world, from)?;
    match world.files.below(from).find(|(_, node)| !node.synced) {
        Some((path, _)) => Err(format!("'{}' is not synced", path.display())),
        None => Ok(()),
    }
}

/// The record is sealed, its manifest is the one that is there, and that lists every file with its
/// sum.
fn manifest(world: &World, from: &Path) -> Result<(), String> {
    let text = |name: &str| {
        world.files.text(&from.join(name)).ok_or_else(|| format!("there is no '{name}'"))
    };
    let told = store::read(text(store::RECORD)?)?.manifest.ok_or("it tells of no manifest")?;
    let list = text(manifest::FILE)?;
    if told.blake3 != Digest::of(list.as_bytes()) {
        return Err("the manifest is not that of the record".into());
    }
    let list = Manifest::parse(list).map_err(|why| format!("'{}', {why}", manifest::FILE))?;
    let sums = list.entries.iter().filter_map(|one| Some((from.join(&one.path), one.blake3?)));
    let there = world.files.below(from).filter(|(path, _)| {
        let name = path.strip_prefix(from).ok().and_then(|rest| rest.iter().next()?.to_str());
        name.is_some_and(store::is_tree)
    });
    let there = there.filter_map(|(path, node)| {
        Some((path.clone(), Digest::of(node.text.as_ref()?.as_bytes())))
    });
    let (sums, there): (BTreeMap<_, _>, BTreeMap<_, _>) = (sums.collect(), there.collect());
    if sums == there { Ok(()) } else { Err("the manifest is not that of the tree".into()) }
}

fn record(world: &World, from: &Path) -> Result<serde_json::Value, String> {
    let text = world.files.text(&from.join(store::RECORD)).ok_or("there is no record")?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// Every position that the record tells has to be the one that the tree was caught at.
fn coordinates(world: &World, from: &Path) -> Result<(), String> {
    let told = &record(world, from)?["coordinates"];
    let Some(tree) = world.files.text(&from.join("tree/ibdata1")) else { return Ok(()) };
    let Ok(caught) = serde_json::from_str::<Content>(tree) else { return Ok(()) };
    let own = &told["own"]["position"];
    if !own.is_null() && *own != caught.position {
        return Err(format!("told {own}, caught {}", caught.position));
    }
    for channel in told["channels"].as_array().into_iter().flatten() {
        let found = caught.channels.iter().find(|one| channel["name"] == one.name.as_str());
        if found.is_none_or(|found| channel["position"] != found.executed) {
            return Err(format!("told {channel}, caught {found:?}"));
        }
    }
    statements(world, from, &caught)
}

/// Every position that the statements name has to be an executed one, or the server's own.
fn statements(world: &World, from: &Path, caught: &Content) -> Result<(), String> {
    let text = world.files.text(&from.join(store::COORDINATES)).unwrap_or_default();
    let known = |position: u64| {
        position == caught.position || caught.channels.iter().any(|one| one.executed == position)
    };
    for rest in text.split("_LOG_POS").skip(1) {
        let digits = rest.trim_start_matches([' ', '=']);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        match digits[..end].parse() {
            Ok(position) if !known(position) => {
                return Err(format!("a new replica would start at {position}"));
            }
            _ => {}
        }
    }
    Ok(())
}
