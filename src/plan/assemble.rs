//! From what was found to the plan: every name, command, statement, limit and claim. Pure.

use std::path::{Path, PathBuf};

use super::server::{ASK_MS_MAX, LOCK};
use super::tools::Programs;
use super::{Note, Plan, Publish, Refusal, Source, Tools, Window, replication, source};
use crate::claim::Claim;
use crate::config::{Config, Freeze};
use crate::copy::rsync;
use crate::database::{Server, dialect};
use crate::host::{Cmd, Guard, Login, Machine, MountOrder, Sql};
use crate::ledger;
use crate::snapshot::lvm::{self, Name};
use crate::snapshot::thick;
use crate::store;
use crate::units::{Bytes, Millis};

/// How much longer than `lock_wait_timeout` we wait for the lock ourselves. That limit counts each
/// wait within the statement by itself, and the server's own error tells more than our silence.
const LOCK_MARGIN_MS: u64 = 2_000;

/// How long releasing the lock may take before its session is killed.
const UNLOCK_MS_MAX: Millis = Millis(5_000);

/// All that was looked up.
pub(super) struct Found {
    pub(super) machine: Machine,
    pub(super) programs: Programs,
    pub(super) versions: Tools,
    pub(super) server: Server,
    pub(super) source: source::Found,
    pub(super) replica: Option<replication::Found>,
    pub(super) cow: Bytes,
    pub(super) destination: super::destination::Found,
    pub(super) notes: Vec<Note>,
}

/// Every name of the run, decided before anything of that name exists.
struct Names {
    run: String,
    snapshot: Name,
    tag: String,
    point: PathBuf,
    publish: Publish,
}

/// Puts the plan together.
pub(super) fn plan(config: &Config, login: &Login, found: Found) -> Result<Plan, Refusal> {
    let names = names(config, &found);
    let copy = copy(config, &found, &names)?;
    let source = source(&found, &names);
    let mount = mount(&found, &names);
    Ok(Plan {
        ledger: ledger::path(&config.state_dir, &names.run),
        claims: claims(config, &found, &names, &source),
        session: dialect::session(config.lock.wait_ms_max, config.lock.hold_ms_max),
        replica: found.replica.map(|replica| replica.replica),
        window: window(config, &found.programs, &found.source, &found.server, found.cow, &names),
        run: names.run,
        machine: found.machine,
        login: login.clone(),
        server: found.server,
        notes: found.notes,
        source,
        mount,
        copy,
        copy_bytes: found.destination.copy_bytes,
        publish: names.publish,
        tools: found.versions,
    })
}

/// lvm takes letters, digits and `+_.-` in names and tags (lvm(8)).
fn names(config: &Config, found: &Found) -> Names {
    let run = run_id(&found.machine);
    let directory = config.destination.directory.clone();
    Names {
        snapshot: Name::new(found.source.volume.name.vg(), &format!("holdstill-{run}")),
        tag: format!("holdstill.{run}"),
        point: config.run_dir.join(&run),
        publish: Publish {
            partial: directory.join(format!(".{run}.partial")),
            published: directory.join(&run),
            directory,
        },
        run,
    }
}

/// `YYYYMMDDTHHMMSSZ-xxxxxx`: in order of time, and unique even within a second.
fn run_id(machine: &Machine) -> String {
    let begun = machine.began();
    format!("{}-{:06x}", begun.strftime("%Y%m%dT%H%M%SZ"), machine.random & 0x00ff_ffff)
}

/// In scope order: artifacts first, quiesce last.
fn claims(config: &Config, found: &Found, names: &Names, source: &Source) -> Vec<Claim> {
    let mut claims = vec![
        Claim::Partial {
            directory: names.publish.partial.clone(),
            run: names.run.clone(),
            mount: found.destination.mount.clone(),
        },
        Claim::Snapshot {
            report: source.report.clone(),
            remove: thick::remove(&found.programs.thick, &names.snapshot, &names.tag),
            vg: source.vg.clone(),
            lv: source.snapshot.clone(),
            tag: names.tag.clone(),
        },
        Claim::Mounted { point: names.point.clone(), device: names.snapshot.node() },
    ];
    claims.extend(found.replica.iter().filter_map(|replica| replica.claim.clone()));
    claims.push(Claim::Guarded);
    claims.push(Claim::Locked { unlock: Sql::lock(LOCK.unlock(), UNLOCK_MS_MAX) });
    claims.extend(frozen(config, source).map(|point| Claim::Frozen { point }));
    claims
}

fn frozen(config: &Config, source: &Source) -> Option<PathBuf> {
    (config.lock.freeze == Freeze::Explicit).then(|| source.mount.clone())
}

fn window(
    config: &Config,
    programs: &Programs,
    source: &source::Found,
    server: &Server,
    cow: Bytes,
    names: &Names,
) -> Window {
    let (wait, hold) = (config.lock.wait_ms_max, config.lock.hold_ms_max);
    let lock_ms_max = Millis(dialect::seconds(wait) * 1000 + LOCK_MARGIN_MS);
    let freeze = (config.lock.freeze == Freeze::Explicit).then(|| source.mount.point.clone());
    let (origin, size) = (&source.volume.name, cow);
    Window {
        guard: Guard { thaw: freeze.iter().cloned().collect() },
        // After the statement's own deadline: a session that is ended in order is better.
        wait_ms_max: Millis(lock_ms_max.0 + LOCK_MARGIN_MS),
        hold_ms_max: hold,
        lock: Sql::lock(LOCK.lock(), lock_ms_max),
        write_logs: Sql::lock(dialect::WRITE_LOGS, lock_ms_max),
        position: server.own_position(),
        freeze,
        snapshot: thick::take(&programs.thick, origin, &names.snapshot, &names.tag, size, hold),
        ask_ms_max: ASK_MS_MAX.min(hold),
    }
}

fn source(found: &Found, names: &Names) -> Source {
    let source = &found.source;
    Source {
        mount: source.mount.point.clone(),
        filesystem: source.mount.kind.clone(),
        vg: source.volume.name.vg().to_owned(),
        lv: source.volume.name.lv().to_owned(),
        snapshot: names.snapshot.lv().to_owned(),
        tag: names.tag.clone(),
        report: lvm::report(found.programs.lvs.clone()),
        datadir: source.datadir.clone(),
    }
}

/// XFS refuses a second filesystem with the same UUID unless told `nouuid`, which ext4 does not
/// know. Both replay their log onto the snapshot's own device, mounted read-only or not.
fn mount(found: &Found, names: &Names) -> MountOrder {
    let kind = found.source.mount.kind.clone();
    let data = if kind == "xfs" { "nouuid".to_owned() } else { String::new() };
    MountOrder { device: names.snapshot.node(), point: names.point.clone(), kind, data }
}

fn copy(config: &Config, found: &Found, names: &Names) -> Result<Cmd, Refusal> {
    let parts: Result<Vec<_>, _> =
        found.source.parts.iter().map(|part| part_name(&part.inside)).collect();
    let mut excludes = vec!["/lost+found".to_owned()];
    for file in &found.source.temporary {
        excludes.push(format!("/{}", pattern(&part_name(file)?)));
    }
    Ok(rsync::command(&rsync::Order {
        rsync: &found.programs.rsync,
        root: &names.point,
        parts: &parts?,
        excludes: &excludes,
        target: &names.publish.partial.join(store::TREE),
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
