//! What can be seen of the simulated machine.

use std::path::Path;

use super::files::Files;
use super::long;
use super::reading;
use super::report;
use super::shell;
use super::world::World;
use crate::host::{Answer, Entry, Fault, Look, PoolFill, Rows, Session, Space, Synchrony};
use crate::units::{Bytes, Millis};

/// Looks. The world is borrowed mutably, since greeting the server opens a session, and what is
/// listened to goes on.
pub(super) fn look(world: &mut World, what: &Look) -> Result<Answer, Fault> {
    Ok(match what {
        Look::Machine => Answer::Machine(world.machine.clone()),
        Look::Now => Answer::Nanos(world.clock),
        Look::Signal => Answer::Signal(world.signal),
        Look::Program(name) => {
            let mut programs = world.programs.iter();
            Answer::Path(programs.find(|path| path.ends_with(name)).cloned())
        }
        Look::Mounts => Answer::Mounts(world.mounts.iter().map(|one| one.mount.clone()).collect()),
        Look::Path(path) => Answer::Entry(entry(world, path)),
        Look::Links(_) => Answer::Links(Vec::new()),
        // One process at a time runs here: whoever looks is alone.
        Look::RunLock(_) => Answer::Text(None),
        Look::List(path) => Answer::Names(world.files.names(path)),
        Look::File(path) | Look::LongFile(path) => {
            Answer::Text(world.files.text(path).map(Into::into))
        }
        Look::Tree(path) => Answer::Tree(reading::tree(world, path)?),
        Look::Read(order) => {
            reading::begin(world, order);
            Answer::Done
        }
        Look::Readings(ms) => Answer::Readings(reading::hear(world, *ms)?),
        Look::Space(_) => Answer::Space(Space { total: Bytes(1 << 40), free: Bytes(1 << 39) }),
        Look::Usage(path) => Answer::Bytes(usage(&world.files, path)),
        Look::Run(cmd) => Answer::Text(Some(report::output(world, cmd))),
        Look::Greet(_) => Answer::Connection(world.server.greet(Session::Control)),
        Look::Point(point) => Answer::Standing(shell::standing(world, point)?),
        Look::Device(name) => Answer::Device(world.volumes.device(name)),
        Look::Pool(pool) => Answer::PoolFill(fill(world, pool)?),
        Look::Cow(name) => Answer::CowFill(world.volumes.cow(name)?),
        Look::Synchrony => Answer::Synchrony(Synchrony::Within(Millis(1))),
        Look::Pause(ms) => {
            world.clock += ms.0 * 1_000_000;
            shell::go_on(world);
            Answer::Done
        }
        Look::Hear(ms) => Answer::Said(long::hear(world, *ms)?),
        Look::Watch(watch) => Answer::Sight(shell::watch(world, watch)?),
        Look::Query { session, text, .. } => Answer::Rows(query(world, *session, text)?),
    })
}

/// How full a pool is.
fn fill(world: &World, pool: &str) -> Result<PoolFill, Fault> {
    let data_percent = world.volumes.pool(pool)?.percent;
    Ok(PoolFill { data_percent, metadata_percent: 10 })
}

fn query(world: &World, session: Session, text: &str) -> Result<Rows, Fault> {
    if let Some(rows) = world.server.query(session, text)? {
        return Ok(rows);
    }
    match world.answers.iter().find(|(begin, _)| text.starts_with(begin.as_str())) {
        Some((_, rows)) => Ok(rows.clone()),
        None => panic!("the simulated server has no answer to '{text}'"),
    }
}

fn entry(world: &World, path: &Path) -> Option<Entry> {
    let kind = world.files.kind(path)?;
    let program = world.programs.iter().any(|known| known == path);
    let mode = if program { 0o755 } else { world.files.mode(path) };
    let mounts = world.mounts.iter().filter(|one| path.starts_with(&one.mount.point));
    let mount = mounts.max_by_key(|one| one.mount.point.components().count());
    let device = mount.map_or("0:1", |one| &one.mount.device).to_owned();
    Some(Entry { real: path.into(), kind, device, uid: 0, mode })
}

fn usage(files: &Files, path: &Path) -> Bytes {
    let texts = files.below(path).filter_map(|(_, node)| node.text.as_ref());
    Bytes(texts.map(|text| text.len() as u64).sum())
}
