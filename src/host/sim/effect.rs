//! What each act does to the simulated machine.

use std::path::Path;

use super::files::Owner;
use super::rules::{self, Rule};
use super::statements::{LOCK_WAIT_NS, LOCK_WAIT_TIMEOUT};
use super::world::{DeadMan, Mounted, World};
use super::{long, lvm, report, shell};
use crate::host::{
    Act, Answer, Cmd, Fault, Guard, Keyed, Kind, Mount, MountOrder, Session, Sql, Thaw,
};
use crate::units::Millis;

/// Does it.
pub(super) fn act(world: &mut World, act: &Act) -> Result<Answer, Fault> {
    match act {
        Act::Connect(_) if world.server.number(Session::Lock).is_some() => {
            Err(Fault::refused("the lock session is open already"))
        }
        Act::Connect(_) => return Ok(Answer::Connection(world.server.connect(Session::Lock))),
        Act::Visit(login) => {
            Err(Fault::refused(format!("cannot connect to '{login}': no such socket")))
        }
        Act::Thaw(point) => return Ok(Answer::Thaw(thaw(world, point))),
        Act::Isolate => {
            world.isolated = true;
            Ok(())
        }
        Act::MakeDir(path) => world.files.make_dirs(path),
        Act::NewDir(path) => world.files.make_dir(path),
        Act::TakeRunLock { path, text }
        | Act::WriteFile { path, text }
        | Act::WriteReadable { path, text } => world.files.write(path, text.clone(), true),
        Act::RemoveFile(path) => world.files.remove_file(path),
        Act::RemoveDir(path) => remove_dir(world, path),
        Act::RemoveTree(path) => remove_tree(world, path),
        Act::Empty { directory, but } => empty(world, directory, but),
        Act::Own { path, mode, .. } => world.files.own(path, *mode),
        Act::Sql(sql) => sql_executed(world, sql),
        Act::SqlKeyed(keyed) => sql_executed(world, &without_password(keyed)),
        Act::Kill(session) => world.server.kill(*session),
        Act::Hangup(session) => {
            world.server.close(*session);
            Ok(())
        }
        Act::Guard(order) => guard(world, order),
        Act::Arm(ms) => arm(world, *ms),
        Act::Disarm => {
            world.dead_man = None;
            Ok(())
        }
        Act::Start { cmd, .. } => long::start(world, cmd),
        Act::Hook(cmd) => {
            world.hooked.push(cmd.to_string());
            Ok(())
        }

        Act::End => {
            world.long = None;
            Ok(())
        }
        Act::OpenShell(_) => shell::open(world),
        Act::HoldShell => shell::hold(world),
        Act::LetGo => shell::let_go(world),
        Act::Order(command) => shell::order(world, command),
        Act::CloseShell(ms) => return shell::close(world, *ms),
        Act::Freeze(point) => freeze(world, point),
        Act::Run(cmd) => run(world, cmd),
        Act::Mount(order) => mount(world, order),
        Act::Unmount(point) => unmount(world, point),
        Act::SyncFs(path) => {
            world.files.sync(path);
            Ok(())
        }
        Act::Publish { from, to } => publish(world, from, to),
        Act::Withdraw { from, to } => world.files.rename(from, to, Owner::Ours),
    }
    .map(|()| Answer::Done)
}

/// A lock that is not granted costs its whole wait.
fn sql_executed(world: &mut World, sql: &Sql) -> Result<(), Fault> {
    let done = world.server.execute(sql);
    if done.as_ref().is_err_and(|fault| fault.cause().sql == Some(LOCK_WAIT_TIMEOUT)) {
        world.clock += LOCK_WAIT_NS;
    }
    done
}

/// There are no passwords in this world.
fn without_password(keyed: &Keyed) -> Sql {
    let Keyed { session, ms_max, .. } = *keyed;
    Sql { session, text: keyed.to_string(), ms_max }
}

/// Does the part of it that an interruption in the middle would leave; nothing if it has no middle.
pub(super) fn half(world: &mut World, act: &Act) {
    match act {
        Act::WriteFile { path, text } | Act::WriteReadable { path, text } => {
            world.files.write_half(path, text);
        }
        Act::RemoveTree(path) => world.files.remove_half(path),
        Act::Empty { directory, .. } => world.files.empty_half(directory),
        Act::Sql(sql) => world.server.lock_half(sql),
        Act::Run(cmd) if report::program(cmd) == "lvcreate" => lvm::create_half(world, cmd),
        Act::Run(cmd) if report::program(cmd) == "lvextend" => lvm::extend_half(world, cmd),
        _ => {}
    }
}

fn run(world: &mut World, cmd: &Cmd) -> Result<(), Fault> {
    match report::program(cmd) {
        "lvcreate" => lvm::make(world, cmd),
        "lvchange" => lvm::deactivate(world, cmd),
        "lvremove" => lvm::remove(world, cmd),
        "dmsetup" => lvm::clear(world, cmd),
        "lvextend" => lvm::extend(world, cmd),
        other => panic!("the simulated machine does not know the program '{other}'"),
    }
}

fn remove_dir(world: &mut World, path: &Path) -> Result<(), Fault> {
    if world.mounted_at(path).is_some() {
        return Err(Fault::refused(format!("'{}' is busy", path.display())));
    }
    world.files.remove_dir(path)
}

fn remove_tree(world: &mut World, path: &Path) -> Result<(), Fault> {
    if world.mounts.iter().any(|one| one.mount.point.starts_with(path)) {
        return Err(Fault::refused(format!("something is mounted below '{}'", path.display())));
    }
    world.files.remove_tree(path);
    Ok(())
}

/// One who is asked to stop stops in the middle.
fn empty(world: &mut World, directory: &Path, but: &str) -> Result<(), Fault> {
    if world.mounts.iter().any(|one| one.mount.point.starts_with(directory)) {
        return Err(Fault::refused(format!(
            "something is mounted below '{}'",
            directory.display()
        )));
    }
    if let Some(signal) = world.signal {
        world.files.empty_half(directory);
        return Err(Fault::unsure(format!("interrupted by signal {signal}")));
    }
    world.files.empty(directory, but);
    Ok(())
}

fn guard(world: &mut World, order: &Guard) -> Result<(), Fault> {
    if world.dead_man.is_some() {
        return Err(Fault::refused("a dead-man is watching already"));
    }
    world.dead_man = Some(DeadMan { thaw: order.thaw.clone(), until: None });
    Ok(())
}

fn arm(world: &mut World, ms_max: Millis) -> Result<(), Fault> {
    let now = world.clock;
    match &mut world.dead_man {
        Some(dead_man) => {
            dead_man.until = Some(now + ms_max.0 * 1_000_000);
            Ok(())
        }
        None => Err(Fault::refused("there is no dead-man to arm")),
    }
}

fn freeze(world: &mut World, point: &Path) -> Result<(), Fault> {
    if world.mounted_at(point).is_none() || !world.frozen.insert(point.into()) {
        return Err(Fault::refused(format!("cannot freeze '{}'", point.display())));
    }
    Ok(())
}

fn thaw(world: &mut World, point: &Path) -> Thaw {
    if world.frozen.remove(point) { Thaw::Thawed } else { Thaw::WasLive }
}

fn mount(world: &mut World, order: &MountOrder) -> Result<(), Fault> {
    let wrong = |why: &str| Err(Fault::refused(format!("cannot mount: {why}")));
    let Some(lv) = world.volumes.at_node(&order.device).cloned() else {
        return wrong("no such device");
    };
    if lv.owner == Owner::Foreign {
        world.breach(Rule::Foreign, format!("{order}"));
    }
    if lv.filesystem.as_ref() != Some(&order.kind) || lv.overflowed {
        return wrong("bad superblock");
    }
    if (order.kind == "xfs") != order.data.split(',').any(|option| option == "nouuid") {
        return wrong("'nouuid' is what a snapshot of xfs needs and what others refuse");
    }
    if world.files.kind(&order.point) != Some(Kind::Directory) {
        return wrong("no such directory");
    }
    let mount = Mount {
        point: order.point.clone(),
        root: "/".into(),
        kind: order.kind.clone(),
        source: order.device.display().to_string(),
        device: lv.device(),
        read_only: true,
    };
    world.mounts.push(Mounted { mount, owner: Owner::Ours, private: world.isolated });
    Ok(())
}

fn unmount(world: &mut World, point: &Path) -> Result<(), Fault> {
    let Some(at) = world.mounts.iter().rposition(|one| one.mount.point == point) else {
        return Err(Fault::refused(format!("'{}' is not mounted", point.display())));
    };
    if long::reads(world, point) {
        return Err(Fault::refused(format!("'{}' is busy", point.display())));
    }
    let gone = world.mounts.remove(at);
    if gone.owner == Owner::Foreign {
        world.breach(Rule::Foreign, format!("umount {}", point.display()));
    }
    Ok(())
}

fn publish(world: &mut World, from: &Path, to: &Path) -> Result<(), Fault> {
    rules::published(world, from);
    world.files.rename(from, to, Owner::Published)
}
