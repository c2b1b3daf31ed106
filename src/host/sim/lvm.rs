//! The lvm commands of the simulated machine that change something. Options are taken strictly: an
//! unknown one is a plan that has never been tried on the simulated machine.

use super::files::Owner;
use super::rules::Rule;
use super::volumes::{Content, Lv};
use super::world::World;
use crate::host::{Cmd, Fault};

/// A snapshot to take, as the arguments of `lvcreate` say it.
struct Order<'a> {
    vg: &'a str,
    origin: &'a str,
    name: &'a str,
    tag: &'a str,
    size: u64,
}

/// Takes a snapshot: the origin is suspended for a moment, and what it holds then is caught.
pub(super) fn create(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    let order = snapshot_order(&cmd.args);
    let name = format!("{}/{}", order.vg, order.name);
    if world.volumes.named(&name).is_some() {
        return Err(failed(&format!("Logical Volume \"{}\" already exists", order.name)));
    }
    let Some(origin) = world.volumes.named(&format!("{}/{}", order.vg, order.origin)).cloned()
    else {
        return Err(failed("Failed to find logical volume"));
    };
    if !world.frozen.is_empty() && world.machine.freezes_nest != Some(true) {
        orphan(world, &order);
        return Err(failed("device-mapper: suspend ioctl failed: Device or resource busy"));
    }
    let caught = Content::of(&world.server);
    let snapshot = Some((order.origin.to_owned(), caught));
    let filesystem = origin.filesystem;
    world.volumes.add(Lv { filesystem, snapshot, ..blank(&order) });
    Ok(())
}

/// A creation that failed after the COW store was made: a plain volume of the snapshot's name
/// stays behind, with its tag and without an origin.
pub(super) fn create_half(world: &mut World, cmd: &Cmd) {
    let order = snapshot_order(&cmd.args);
    if world.volumes.named(&format!("{}/{}", order.vg, order.name)).is_none() {
        orphan(world, &order);
    }
}

fn orphan(world: &mut World, order: &Order<'_>) {
    world.volumes.add(blank(order));
}

fn blank(order: &Order<'_>) -> Lv {
    Lv {
        vg: order.vg.into(),
        lv: order.name.into(),
        filesystem: None,
        size: order.size,
        tags: vec![order.tag.into()],
        snapshot: None,
        overflowed: false,
        minor: 0,
        owner: Owner::Ours,
    }
}

fn snapshot_order(args: &[String]) -> Order<'_> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let &["--snapshot", "--yes", "--name", name, "--addtag", tag, "--size", size, origin] =
        words.as_slice()
    else {
        panic!("the simulated lvcreate does not understand {words:?}");
    };
    let size = size.strip_suffix('b').and_then(|size| size.parse().ok());
    let (vg, origin) = origin.split_once('/').unwrap_or_else(|| panic!("'{origin}' has no group"));
    Order { vg, origin, name, tag, size: size.unwrap_or_else(|| panic!("no size in {words:?}")) }
}

/// Removes a volume, if it carries the tag where one is asked for; an open one stays.
pub(super) fn remove(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    let (name, tag) = removal(&cmd.args);
    let Some(lv) = world.volumes.named(name) else {
        return Err(failed(&format!("Failed to find logical volume \"{name}\"")));
    };
    if tag.is_some_and(|tag| !lv.tags.iter().any(|one| one == tag)) {
        return Ok(());
    }
    let (node, owner) = (lv.name().node(), lv.owner);
    if owner != Owner::Ours {
        world.breach(Rule::Foreign, format!("lvremove {name}"));
    }
    if world.mounts.iter().any(|one| std::path::Path::new(&one.mount.source) == node) {
        return Err(failed(&format!("Logical volume {name} in use")));
    }
    world.volumes.all.retain(|lv| lv.name().to_string() != name);
    Ok(())
}

fn removal(args: &[String]) -> (&str, Option<&str>) {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--yes", name] => (name, None),
        ["--yes", "--select", select, name] => {
            let tag = select.strip_prefix("lv_tags={").and_then(|rest| rest.strip_suffix('}'));
            (name, Some(tag.unwrap_or_else(|| panic!("lvremove does not understand '{select}'"))))
        }
        _ => panic!("the simulated lvremove does not understand {words:?}"),
    }
}

/// Every lvm command ends with status 5 if it failed.
fn failed(why: &str) -> Fault {
    Fault::unsure(format!("ended with status 5: {why}"))
}
