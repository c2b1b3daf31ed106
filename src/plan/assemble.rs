//! From what was found to the plan: every name, command, statement, limit and claim. Pure.

use std::path::{Path, PathBuf};

use super::server::ASK_MS_MAX;
use super::source::OnVolume;
use super::space::Room;
use super::take::{Way, numbers};
use super::tools::Programs;
use super::{
    Asking, Links, Patience, Plan, Publish, Refusal, Source, Store, Tools, When, Window,
    replication, source, unchanged,
};
use crate::claim::Claim;
use crate::config::Config;
use crate::copy::rsync::{self, Choice};
use crate::database::Server;
use crate::database::dialect::{self, LockKind};
use crate::database::opening::Opening;
use crate::host::{Brim, Cmd, Guard, Login, Machine, MountOrder, Sql};
use crate::ledger;
use crate::snapshot::lvm::{self, Name};
use crate::snapshot::{Kind, command, thick, thin};
use crate::store;
use crate::units::Millis;

/// How much longer than `lock_wait_timeout` we wait for the lock ourselves. That limit counts each
/// wait within the statement by itself, and the server's own error tells more than our silence.
const LOCK_MARGIN_MS: u64 = 2_000;

/// How long releasing the lock may take before its session is killed.
const UNLOCK_MS_MAX: Millis = Millis(5_000);

/// How long a command of lvm that was ordered may take to its end, after its point has passed.
const ORDER_MS_MAX: Millis = Millis(30_000);

/// All that was looked up.
pub(super) struct Found {
    pub(super) machine: Machine,
    pub(super) programs: Programs,
    pub(super) versions: Tools,
    pub(super) server: Server,
    pub(super) opening: Opening,
    pub(super) kind: LockKind,
    pub(super) source: source::Found,
    pub(super) patience: Patience,
    pub(super) replica: Option<replication::Found>,
    pub(super) rooms: Vec<Room>,
    pub(super) freeze: Vec<PathBuf>,
    pub(super) way: Way,
    pub(super) when: When,
    pub(super) destination: super::destination::Found,
    pub(super) unchanged: Option<unchanged::Found>,
}

/// Every name of the run, decided before anything of that name exists.
struct Names {
    run: String,
    tag: String,
    publish: Publish,
    /// Of each volume: its snapshot, and where that is mounted.
    volumes: Vec<(Name, PathBuf)>,
}

/// Puts the plan together.
pub(super) fn plan(
    config: &Config,
    login: &Login,
    asking: Asking<'_>,
    found: Found,
) -> Result<Plan, Refusal> {
    let names = names(config, asking.run(&found.machine), &found);
    let sources = sources(config, &found, &names)?;
    Ok(Plan {
        ledger: ledger::path(&config.state_dir, &names.run),
        claims: claims(&found, &names, &sources),
        session: session(config, &found),
        window: window(config, &found),
        brims: brims(config, &found.rooms),
        shell: found.way.shell(&found.programs),
        report: lvm::report(found.programs.lvs),
        patience: found.patience,
        replica: found.replica.map(|replica| replica.replica),
        run: names.run,
        machine: found.machine,
        login: login.clone(),
        server: found.server,
        opening: found.opening,
        sources,
        tag: names.tag,
        datadir: found.source.datadir,
        copy_priority: config.copy.priority,
        copy_bytes: found.destination.copy_bytes,
        linking: found.unchanged.map(|found| found.linking),
        publish: names.publish,
        tools: found.versions,
    })
}

/// lvm takes letters, digits and `+_.-` in names and tags (lvm(8)).
fn names(config: &Config, run: String, found: &Found) -> Names {
    let directory = config.destination.directory.clone();
    let volume = |(at, one): (usize, &OnVolume)| {
        let end = if at == 0 { String::new() } else { format!(".{}", at + 1) };
        let snapshot = Name::new(one.volume.name.vg(), &format!("holdstill-{run}{end}"));
        (snapshot, config.run_dir.join(format!("{run}{end}")))
    };
    Names {
        tag: format!("holdstill.{run}"),
        volumes: found.source.volumes.iter().enumerate().map(volume).collect(),
        publish: Publish {
            partial: directory.join(store::Form::Partial.name(&run)),
            published: directory.join(&run),
            mount: (found.destination.mount.clone(), found.destination.device.clone()),
            directory,
        },
        run,
    }
}

/// In scope order: artifacts first, quiesce last.
fn claims(found: &Found, names: &Names, sources: &[Source]) -> Vec<Claim> {
    let mut claims = vec![Claim::Partial {
        directory: names.publish.partial.clone(),
        run: names.run.clone(),
        mount: found.destination.mount.clone(),
    }];
    let snapshot = |(name, _): &(Name, PathBuf)| Claim::Snapshot {
        report: lvm::report(found.programs.lvs.clone()),
        remove: command::remove(&found.programs.volumes, name, &names.tag),
        vg: name.vg().to_owned(),
        lv: name.lv().to_owned(),
        tag: names.tag.clone(),
    };
    claims.extend(halves(found, names));
    claims.extend(names.volumes.iter().map(snapshot));
    claims.extend(extensions(found, names));
    if matches!(found.way, Way::Ordered(_)) {
        claims.push(Claim::Shell { ms_max: ORDER_MS_MAX });
    }
    let mounted = |source: &Source| Claim::Mounted {
        point: source.view.point.clone(),
        device: source.view.device.clone(),
    };
    claims.extend(sources.iter().map(mounted));
    claims.push(Claim::Copying);
    claims.extend(found.replica.iter().filter_map(|replica| replica.claim.clone()));
    claims.push(Claim::Guarded);
    let unlock = found.kind.unlock().map(|unlock| Sql::lock(unlock, UNLOCK_MS_MAX));
    claims.extend(unlock.map(|unlock| Claim::Locked { unlock }));
    claims.extend(found.freeze.iter().map(|point| Claim::Frozen { point: point.clone() }));
    claims
}

/// What a dead lvm may leave of a thick snapshot. It is undone after the snapshot itself.
fn halves(found: &Found, names: &Names) -> Vec<Claim> {
    let programs = &found.programs;
    let half = |(origin, snapshot): (&Name, &Name)| Claim::Half {
        report: lvm::report(programs.lvs.clone()),
        vg: origin.vg().to_owned(),
        origin: origin.lv().to_owned(),
        snapshot: snapshot.lv().to_owned(),
        half: Box::new(thick::half(&programs.volumes, origin, snapshot)),
    };
    thick_ones(found, names).map(half).collect()
}

/// What a dead lvm may leave suspended. It is undone before the snapshot is removed.
fn extensions(found: &Found, names: &Names) -> Vec<Claim> {
    let programs = &found.programs;
    let extension = |(origin, snapshot): (&Name, &Name)| Claim::Extended {
        report: lvm::report(programs.lvs.clone()),
        vg: origin.vg().to_owned(),
        origin: origin.lv().to_owned(),
        snapshot: snapshot.lv().to_owned(),
        resume: thick::resume(&programs.volumes, [origin, snapshot]).into(),
    };
    thick_ones(found, names).map(extension).collect()
}

/// The origin and the snapshot of each volume whose snapshot is a thick one.
fn thick_ones<'a>(
    found: &'a Found,
    names: &'a Names,
) -> impl Iterator<Item = (&'a Name, &'a Name)> {
    let volumes = found.source.volumes.iter().zip(&names.volumes).zip(&found.rooms);
    volumes
        .filter(|(_, room)| matches!(room, Room::Store { .. }))
        .map(|((one, (snapshot, _)), _)| (&one.volume.name, snapshot))
}

/// What the lock session is told before it asks for the lock.
fn session(config: &Config, found: &Found) -> Vec<Sql> {
    let (wait, hold) = (config.lock.wait_ms_max, config.lock.hold_ms_max);
    let prepare = found.kind.prepare().map(|text| Sql::lock(text, lock_ms_max(config)));
    dialect::session(wait, hold).into_iter().chain(prepare).collect()
}

/// How long we wait for the lock ourselves.
fn lock_ms_max(config: &Config) -> Millis {
    Millis(dialect::seconds(config.lock.wait_ms_max) * 1000 + LOCK_MARGIN_MS)
}

fn window(config: &Config, found: &Found) -> Window {
    let hold = config.lock.hold_ms_max;
    let lock_ms_max = lock_ms_max(config);
    let lock = found.kind.lock().map(|text| Sql::lock(text, lock_ms_max));
    let write_logs = dialect::WRITE_LOGS;
    Window {
        guard: Guard { thaw: found.freeze.clone() },
        // After the statement's own deadline: a session that is ended in order is better.
        wait_ms_max: Millis(lock_ms_max.0 + LOCK_MARGIN_MS),
        hold_ms_max: hold,
        kind: found.kind,
        tries_max: config.lock.tries_max,
        pause: config.lock.pause_ms,
        write_logs: match lock {
            Some(_) => Sql::lock(write_logs, lock_ms_max),
            None => Sql::control(write_logs, lock_ms_max),
        },
        lock,
        when: found.when,
        position: found.server.own_position(),
        freeze: found.freeze.clone(),
        ask_ms_max: ASK_MS_MAX.min(hold),
    }
}

fn sources(config: &Config, found: &Found, names: &Names) -> Result<Vec<Source>, Refusal> {
    let volumes = found.source.volumes.iter().zip(&names.volumes).zip(&found.rooms).enumerate();
    volumes
        .map(|(at, ((one, (snapshot, point)), room))| {
            let (origin, tree) = (&one.volume.name, store::tree(at));
            let limits = (room, config.lock.hold_ms_max);
            Ok(Source {
                mount: one.mount.point.clone(),
                filesystem: one.mount.kind.clone(),
                vg: origin.vg().to_owned(),
                lv: origin.lv().to_owned(),
                snapshot: snapshot.lv().to_owned(),
                kind: match room {
                    Room::Store { .. } => Kind::Thick,
                    Room::Pool(_) => Kind::Thin,
                },
                take: found.way.take(&found.programs.volumes, origin, snapshot, &names.tag, limits),
                view: view(one, snapshot, point),
                links: links(config, found, one, point, (names, &tree))?,
                copy: copy(config, found, one, point, &names.publish.partial.join(&tree))?,
                store: store(config, found, room, [origin, snapshot]),
                tree,
            })
        })
        .collect()
}

/// The COW store of a snapshot that has one, and how far it may grow.
fn store(
    config: &Config,
    found: &Found,
    room: &Room,
    [origin, snapshot]: [&Name; 2],
) -> Option<Store> {
    let Room::Store { size, size_max, .. } = room else { return None };
    Some(Store {
        device: snapshot.device(),
        percent_extend: config.snapshot.cow_percent_extend.into(),
        percent_stop: config.snapshot.cow_percent_stop.into(),
        step: *size,
        size_max: *size_max,
        group: lvm::report_group(found.programs.vgs.clone(), snapshot.vg()),
        extend: thick::extend(&found.programs.volumes, snapshot),
        resume: thick::resume(&found.programs.volumes, [origin, snapshot]),
    })
}

/// The limit of each pool, once.
fn brims(config: &Config, rooms: &[Room]) -> Vec<Brim> {
    let mut brims: Vec<Brim> = Vec::new();
    for room in rooms {
        let Room::Pool(pool) = room else { continue };
        let pool = thin::pool_device(pool);
        let percent_max = u64::from(config.snapshot.pool_percent_stop);
        if !brims.iter().any(|known| known.pool == pool) {
            brims.push(Brim { pool, percent_max });
        }
    }
    brims
}

/// XFS refuses a second filesystem with the same UUID unless told `nouuid`, which ext4 does not
/// know. Both replay their log onto the snapshot's own device, mounted read-only or not.
fn view(one: &OnVolume, snapshot: &Name, point: &Path) -> MountOrder {
    let kind = one.mount.kind.clone();
    let data = if kind == "xfs" { "nouuid".to_owned() } else { String::new() };
    MountOrder { device: snapshot.node(), point: point.into(), kind, data }
}

fn copy(
    config: &Config,
    found: &Found,
    one: &OnVolume,
    root: &Path,
    target: &Path,
) -> Result<Cmd, Refusal> {
    let linked = found.unchanged.as_ref().is_some_and(|found| found.linking.base.is_some());
    let choice = if linked { Choice::Rest } else { Choice::All };
    command(config, found, one, (root, target), choice)
}

/// What is linked of one source, before the rest of it is copied.
fn links(
    config: &Config,
    found: &Found,
    one: &OnVolume,
    root: &Path,
    (names, tree): (&Names, &str),
) -> Result<Option<Links>, Refusal> {
    let Some(unchanged) = &found.unchanged else { return Ok(None) };
    let Some((base, paths)) = unchanged.of(tree) else { return Ok(None) };
    let partial = &names.publish.partial;
    let list = partial.join(store::LIST);
    let (earlier, target) = (base.path.join(tree), partial.join(tree));
    let choice = Choice::Unchanged { names: &list, earlier: &earlier };
    let cmd = command(config, found, one, (root, &target), choice)?;
    Ok(Some(Links { names: paths.map(String::from).collect(), list, cmd }))
}

fn command(
    config: &Config,
    found: &Found,
    one: &OnVolume,
    (root, target): (&Path, &Path),
    choice: Choice<'_>,
) -> Result<Cmd, Refusal> {
    let parts: Result<Vec<_>, _> = one.parts.iter().map(|part| part_name(&part.inside)).collect();
    let mut excludes = vec!["/lost+found".to_owned()];
    for file in &one.temporary {
        excludes.push(format!("/{}", pattern(&part_name(file)?)));
    }
    Ok(rsync::command(&rsync::Order {
        rsync: &found.programs.rsync,
        root,
        parts: &parts?,
        excludes: &excludes,
        target,
        choice,
        handed: rsync::Handed::by(&numbers(&found.versions.rsync)),
        bandwidth_max: config.copy.bandwidth_max,
        ms_max: config.copy.ms_max,
    }))
}

fn part_name(inside: &Path) -> Result<String, Refusal> {
    if inside.as_os_str().is_empty() {
        return Ok(".".into());
    }
    inside.to_str().map(String::from).ok_or_else(|| {
        let what = format!("cannot copy '{}': its name is not UTF-8", inside.display());
        Refusal::new(what, "Rename it.")
    })
}

/// A name as a pattern of rsync: a backslash escapes only where there is a wildcard (rsync(1),
/// PATTERN MATCHING RULES).
fn pattern(name: &str) -> String {
    if !name.contains(['*', '?', '[']) {
        return name.to_owned();
    }
    name.chars().fold(String::new(), |mut pattern, letter| {
        if "*?[\\".contains(letter) {
            pattern.push('\\');
        }
        pattern.push(letter);
        pattern
    })
}
