//! The lvm commands of the simulated machine that change something. Options are taken strictly: an
//! unknown one is a plan that has never been tried on the simulated machine.

use super::files::Owner;
use super::rules::Rule;
use super::shell;
use super::volumes::{Content, Lv};
use super::world::World;
use crate::host::{Cmd, Fault};
use crate::snapshot::lvm::Name;

/// A snapshot to take, as the arguments of `lvcreate` say it.
struct Order<'a> {
    vg: &'a str,
    origin: &'a str,
    name: &'a str,
    tag: &'a str,
    size: u64,
}

/// Makes a volume, or takes a snapshot. Both wait for what another command of lvm does.
pub(super) fn make(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    shell::wait_for(world)?;
    match store_order(&cmd.args) {
        Some(order) => store(world, &order),
        None => create(world, cmd),
    }
}

/// Makes a plain volume: the COW store of a snapshot to come.
fn store(world: &mut World, order: &Order<'_>) -> Result<(), Fault> {
    if world.volumes.named(&format!("{}/{}", order.vg, order.name)).is_some() {
        return Err(failed(&format!("Logical Volume \"{}\" already exists", order.name)));
    }
    orphan(world, order);
    Ok(())
}

/// Takes a volume's device away, which is not simulated: whatever needs it brings it back.
pub(super) fn deactivate(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    let words: Vec<&str> = cmd.args.iter().map(String::as_str).collect();
    let &["--yes", "--activate", "n", name] = words.as_slice() else {
        panic!("the simulated lvchange does not understand {words:?}");
    };
    match world.volumes.named(name) {
        Some(_) => Ok(()),
        None => Err(failed(&format!("Failed to find logical volume \"{name}\""))),
    }
}

/// Takes a snapshot: the origin is suspended for a moment, and what it holds then is caught.
fn create(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
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
    take(world, origin, blank(&order));
    Ok(())
}

/// Makes a volume the snapshot of an origin that is suspended; of a thin one without a size, a thin
/// one.
pub(super) fn take(world: &mut World, origin: Lv, own: Lv) {
    let pool = origin.thin.filter(|_| own.size == 0).map(|(pool, _)| pool);
    let thin = pool.map(|pool| (pool.clone(), world.volumes.raise(&pool)));
    let snapshot = Some((origin.lv, Content::of(&world.server)));
    world.volumes.add(Lv { filesystem: origin.filesystem, snapshot, thin, ..own });
}

/// A creation that failed after the COW store was made: a plain volume of the snapshot's name
/// stays behind, with its tag and without an origin.
pub(super) fn create_half(world: &mut World, cmd: &Cmd) {
    let order = store_order(&cmd.args).unwrap_or_else(|| snapshot_order(&cmd.args));
    if world.volumes.named(&format!("{}/{}", order.vg, order.name)).is_none() {
        orphan(world, &order);
    }
}

fn orphan(world: &mut World, order: &Order<'_>) {
    world.volumes.add(blank(order));
}

fn blank(order: &Order<'_>) -> Lv {
    ours(order.vg, order.name, order.tag, order.size)
}

/// A volume of ours with nothing in it.
pub(super) fn ours(vg: &str, lv: &str, tag: &str, size: u64) -> Lv {
    Lv {
        vg: vg.into(),
        lv: lv.into(),
        filesystem: None,
        size,
        tags: vec![tag.into()],
        snapshot: None,
        thin: None,
        used: 0,
        overflowed: false,
        minor: 0,
        owner: Owner::Ours,
    }
}

fn store_order(args: &[String]) -> Option<Order<'_>> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let &[
        "--yes",
        "--wipesignatures",
        "n",
        "--zero",
        "y",
        "--name",
        name,
        "--addtag",
        tag,
        "--size",
        size,
        vg,
    ] = words.as_slice()
    else {
        return None;
    };
    Some(Order { vg, origin: "", name, tag, size: bytes(size) })
}

fn bytes(size: &str) -> u64 {
    let number = size.strip_suffix('b').and_then(|size| size.parse().ok());
    number.unwrap_or_else(|| panic!("'{size}' is no size in bytes"))
}

fn snapshot_order(args: &[String]) -> Order<'_> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (name, tag, size, origin) = match *words.as_slice() {
        ["--snapshot", "--yes", "--name", name, "--addtag", tag, "--size", size, origin] => {
            (name, tag, bytes(size), origin)
        }
        [
            "--snapshot",
            "--setactivationskip",
            "n",
            "--yes",
            "--name",
            name,
            "--addtag",
            tag,
            origin,
        ] => (name, tag, 0, origin),
        _ => panic!("the simulated lvcreate does not understand {words:?}"),
    };
    let (vg, origin) = origin.split_once('/').unwrap_or_else(|| panic!("'{origin}' has no group"));
    Order { vg, origin, name, tag, size }
}

/// An extension that died in its middle: the origin stays suspended.
pub(super) fn extend_half(world: &mut World, cmd: &Cmd) {
    let name = cmd.args.get(1).map_or("", String::as_str);
    let origin = world.volumes.named(name).and_then(|lv| {
        let (origin, _) = lv.snapshot.as_ref()?;
        Some(Name::new(&lv.vg, origin).device())
    });
    world.volumes.stuck = origin;
}

/// Makes a COW store larger, by what the group has free.
pub(super) fn extend(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    shell::wait_for(world)?;
    let words: Vec<&str> = cmd.args.iter().map(String::as_str).collect();
    let &["--yes", name, "--size", size] = words.as_slice() else {
        panic!("the simulated lvextend does not understand {words:?}");
    };
    let (size, free) = (bytes(size), world.volumes.free);
    let found = world.volumes.all.iter_mut().find(|lv| lv.name().to_string() == name);
    let lv = found.ok_or_else(|| failed(&format!("Failed to find logical volume \"{name}\"")))?;
    let more = size.checked_sub(lv.size).filter(|more| (1..=free).contains(more));
    let more = more.ok_or_else(|| failed("Insufficient free space"))?;
    if lv.owner != Owner::Ours {
        let what = format!("lvextend {name}");
        world.breach(Rule::Foreign, what);
        return Ok(());
    }
    lv.size = size;
    world.volumes.free -= more;
    Ok(())
}

/// Throws away a table that is not live, which is not simulated, or removes a device of nobody.
pub(super) fn clear(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    let words: Vec<&str> = cmd.args.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["clear", device] => {
            world.volumes.loaded.take_if(|loaded| loaded == device);
            Ok(())
        }
        ["resume", device] => {
            world.volumes.stuck.take_if(|stuck| stuck == device);
            Ok(())
        }
        ["remove", "--retry", device] => {
            let volumes = &mut world.volumes;
            let uses = |origin: &String| format!("{origin}-real") == device;
            if volumes.loaded.as_ref().is_some_and(uses) {
                return Err(failed("Device or resource busy"));
            }
            let halves = &mut volumes.halves;
            let there = halves.iter().position(|half| half == device);
            let at = there.ok_or_else(|| failed("Device or resource busy"))?;
            halves.remove(at);
            Ok(())
        }
        _ => panic!("the simulated dmsetup does not understand {words:?}"),
    }
}

/// Removes a volume, if it carries the tag where one is asked for; an open one stays.
pub(super) fn remove(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    shell::wait_for(world)?;
    let (name, tag) = removal(&cmd.args);
    let Some(lv) = world.volumes.named(name) else {
        return Err(failed(&format!("Failed to find logical volume \"{name}\"")));
    };
    if tag.is_some_and(|tag| !lv.tags.iter().any(|one| one == tag)) {
        return Ok(());
    }
    let (node, owner, thin) = (lv.name().node(), lv.owner, lv.thin.clone());
    let origin = lv.snapshot.as_ref().map(|(origin, _)| Name::new(&lv.vg, origin).device());
    if owner != Owner::Ours {
        world.breach(Rule::Foreign, format!("lvremove {name}"));
    }
    if world.mounts.iter().any(|one| std::path::Path::new(&one.mount.source) == node) {
        return Err(failed(&format!("Logical volume {name} in use")));
    }
    if origin.is_some() && origin == world.volumes.stuck {
        // A process that had it mounted cannot end, and keeps its mount.
        return Err(failed(&format!("Logical volume {name} contains a filesystem in use")));
    }
    // The origin's table is another one then, and lvm lets it go on with it.
    world.volumes.stuck = None;
    world.volumes.all.retain(|lv| lv.name().to_string() != name);
    if let Some((pool, _)) = thin {
        world.volumes.raise(&pool);
    }
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
