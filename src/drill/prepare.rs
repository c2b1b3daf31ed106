//! A restored directory is prepared: a private server does the recovery on it and is shut down, so
//! that the next one starts at once; before its end it may be told whose replica it is.
//!
//! It sees the directories at their new paths, and at their old ones, too, so that nothing of
//! production's is there instead. Deliberately absent: the start of replication, and any undoing:
//! recovery changes files, so whoever asked for it throws away what was not prepared to its end.

use std::path::{Path, PathBuf};

use super::options::{self, Logs};
use super::past::{Past, Volume};
use super::plan::{MARGIN, command, needed};
use super::visit::{ASK_MS_MAX, Came, Private, TELL_NS, Visit};
use super::{cover, find};
use crate::database::attach::{Applied, Source, Statement};
use crate::database::coordinates::{self, Coordinates};
use crate::database::opening::Opening;
use crate::database::{Server, replica};
use crate::host::jail::{Cover, Jail, Layer};
use crate::host::{Act, Ask, Fault, Host, Keyed, Priority, Rows, Secret, Session, Sql};
use crate::plan::Refusal;
use crate::units::{Bytes, Millis};

/// How private servers are run, as the section [drill] says it.
pub use crate::config::Drill as PrivateServers;

/// The directory in the data directory that stands for `/tmp`, while it is prepared.
const SCRATCH: &str = ".holdstill-tmp";

/// What is told last, so that it counts: what the server writes stays.
const LASTING: [&str; 3] = [
    "--loose-innodb-flush-log-at-trx-commit=1",
    "--loose-sync-binlog=1",
    // 1 leaves nothing to recovery; 0 would also do the work that can wait, which takes hours.
    "--loose-innodb-fast-shutdown=1",
];

/// What relay logs are called where nobody ever said it.
const RELAY_LOG: &str = "relay-bin";

/// What is to be prepared.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// How private servers are run.
    pub servers: &'a PrivateServers,
    /// The server that was backed up.
    pub server: &'a Server,
    /// What its files need to be opened.
    pub opening: &'a Opening,
    /// The directories, the data directory first.
    pub places: &'a [Moved],
    /// Whether something that was at this path of the server's is restored.
    pub has: &'a dyn Fn(&Path) -> bool,
    /// Whose the data directory will be: the server runs as this user and group.
    pub owner: (u32, u32),
    /// What is left where the data directory goes, when everything is restored.
    pub spare: Bytes,
    /// What makes it a replica, and where the password is, if it is to be one.
    pub apply: Option<(&'a Applied, &'a Secret)>,
}

/// A directory that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where it was on the host that was backed up.
    pub was: PathBuf,
    /// Where it is or will be.
    pub to: PathBuf,
}

/// A preparation, decided.
#[derive(Clone, Debug)]
pub struct Preparation {
    /// The private server's program.
    pub program: PathBuf,
    /// Its version.
    pub version: String,
    /// What is applied, if it is to be a replica.
    pub apply: Option<Applied>,
    /// What the names of relay logs begin with, if it is to be a replica: a server that calls them
    /// otherwise does not find them.
    pub relay_log: Option<PathBuf>,
    secret: Secret,
    server: Private,
    scratch: PathBuf,
}

/// What a preparation tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What the server says while it recovers; told every few seconds.
    Says(String),
    /// It answers, after so long.
    Ready(Millis),
    /// It is told whose replica it is.
    Applying,
    /// It is shut down.
    Ending,
}

/// How long it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// From the server's start to its first answer: its recovery.
    pub ready_ms: Millis,
}

/// Decides it, or tells what stands against it.
pub fn plan(host: &dyn Host, wanted: &Wanted<'_>) -> Result<Preparation, Refusal> {
    fit(host, wanted)?;
    let past = past(wanted);
    let old = Past { sources: volumes(wanted.places, |one| &one.was), ..past.clone() };
    let program = find::program(host, wanted.servers, &old)?;
    let little = Bytes(MARGIN.0 + options::redo_bytes(&past).0);
    if wanted.spare < little {
        let to = past.datadir().display().to_string();
        let what = format!(
            "too little space at '{to}' to prepare it: {little} are needed beside the files, {} \
             are free",
            wanted.spare
        );
        return Err(Refusal::new(what, "Make room there, or leave '--prepare' away."));
    }
    let relay_log = wanted.apply.map(|_| relay_log(&past, wanted)).transpose()?;
    let (servers, scratch) = (wanted.servers, past.datadir().join(SCRATCH));
    let layer = |one: &Moved| Layer::Kept { merged: one.to.clone() };
    let jail = Jail {
        layers: wanted.places.iter().map(layer).collect(),
        covers: covers(host, wanted, &needed(&past, &program.path))?,
        scratch: scratch.clone(),
        datadir: past.datadir(),
        program: program.path.clone(),
        args: args(&past, wanted, relay_log.as_deref()),
    };
    Ok(Preparation {
        program: program.path,
        version: program.version,
        apply: wanted.apply.map(|(applied, _)| applied.clone()),
        secret: wanted.apply.map_or(Secret::None, |(_, secret)| secret.clone()),
        relay_log,
        server: Private {
            task: "the preparation",
            jail: command(host, &jail, servers.ms_max)?,
            priority: Priority::default(),
            ms_max: servers.ms_max,
            quiet_ms_max: servers.quiet_ms_max,
            room: past.datadir(),
        },
        scratch,
    })
}

/// A jail is built by root, and no server runs as root.
fn fit(host: &dyn Host, wanted: &Wanted<'_>) -> Result<(), Refusal> {
    let uid = host.machine()?.uid;
    if uid != 0 {
        let what = format!("cannot build a jail as user {uid}: expected root");
        return Err(Refusal::new(what, "Run it as root, or leave '--prepare' away."));
    }
    if wanted.owner.0 == 0 {
        let what = "cannot prepare the data directory: it would belong to root, and no server \
                    runs as root";
        return Err(Refusal::new(what, "Add '--owner mysql:mysql'."));
    }
    Ok(())
}

/// The backup as if it had been made of the directories where they are now.
fn past(wanted: &Wanted<'_>) -> Past {
    let moved = |(name, value): (&String, &String)| (name.clone(), moved(wanted.places, value));
    let variables = wanted.opening.variables.iter().map(moved).collect();
    Past {
        run: String::new(),
        state: "published".into(),
        server: wanted.server.clone(),
        datadir: PathBuf::new(),
        sources: volumes(wanted.places, |one| &one.to),
        coordinates: Coordinates::default(),
        opening: Opening { variables, libraries: wanted.opening.libraries.clone() },
    }
}

fn volumes(places: &[Moved], path: impl Fn(&Moved) -> &PathBuf) -> Vec<Volume> {
    let volume = |one| Volume { mount: path(one).clone(), tree: String::new() };
    places.iter().map(volume).collect()
}

/// A variable's value with every path in it as it is now. Several stand between semicolons, and
/// the name of a file of InnoDB's has its size behind it.
fn moved(places: &[Moved], value: &str) -> String {
    let one = |text: &str| match now(places, Path::new(text)) {
        Some(path) => path.display().to_string(),
        None => text.to_owned(),
    };
    value.split(';').map(one).collect::<Vec<_>>().join(";")
}

/// Where a path of the old host's is now, if it was restored.
fn now(places: &[Moved], path: &Path) -> Option<PathBuf> {
    let all = places.iter().filter_map(|one| Some((one, path.strip_prefix(&one.was).ok()?)));
    let (place, below) = all.max_by_key(|(one, _)| one.was.components().count())?;
    Some(super::past::join(&place.to, below))
}

/// The new paths, each by itself; and of the old ones those that cover nothing else that is needed,
/// so that a name that is kept in a file leads to what was restored and never to production's.
fn covers(host: &dyn Host, wanted: &Wanted<'_>, needed: &[PathBuf]) -> Result<Vec<Cover>, Refusal> {
    let places = wanted.places;
    let cover = |layer, at: &Path| Cover { layer, inside: PathBuf::new(), at: at.into() };
    let mut all: Vec<Cover> =
        places.iter().enumerate().map(|(at, one)| cover(at, &one.to)).collect();
    for (layer, Moved { was, .. }) in places.iter().enumerate() {
        let meets = |one: &Cover| one.at.starts_with(was) || was.starts_with(&one.at);
        let is_there = was.is_absolute() && host.entry(was)?.is_some();
        if is_there && !all.iter().any(meets) && !cover::is_needed(was, needed) {
            all.push(cover(layer, was));
        }
    }
    all.sort_by_key(|cover| cover.at.components().count());
    Ok(all)
}

/// What the names of relay logs begin with.
fn relay_log(past: &Past, wanted: &Wanted<'_>) -> Result<PathBuf, Refusal> {
    let Some(told) = wanted.opening.get("relay_log_basename").map(Path::new) else {
        return Ok(past.datadir().join(RELAY_LOG));
    };
    if !told.is_absolute() {
        return Ok(past.datadir().join(told));
    }
    now(wanted.places, told).ok_or_else(|| {
        let told = told.display();
        let what = format!("the relay logs were at '{told}', which is not restored");
        let hint = "Leave '--apply' away, and give the server the statements once it has started: \
                    '--write-statements FILE' keeps them.";
        Refusal::new(what, hint)
    })
}

fn args(past: &Past, wanted: &Wanted<'_>, relay_log: Option<&Path>) -> Vec<String> {
    let is_there = |index: &str, base: &str| {
        let told = wanted.opening.get(index).map(PathBuf::from);
        let derived = wanted.opening.get(base).map(|base| PathBuf::from(format!("{base}.index")));
        let old = wanted.places.first().map(|one| one.was.clone()).unwrap_or_default();
        told.or(derived).is_some_and(|path| (wanted.has)(&old.join(path)))
    };
    let binary = wanted.opening.is_on("log_bin") && is_there("log_bin_index", "log_bin_basename");
    let relay = is_there("relay_log_index", "relay_log_basename");
    let basedir = wanted.opening.get("basedir").map(Path::new);
    let mut all = options::all(past, basedir, wanted.servers.memory, Logs { binary, relay });
    all.extend(LASTING.map(String::from));
    all.extend(relay_log.filter(|_| !relay).map(|base| format!("--relay-log={}", base.display())));
    all
}

/// Carries it through. The directories belong to the server's user by now; whatever happens, no
/// server is left in them.
pub fn prepare(
    host: &mut dyn Host,
    preparation: &Preparation,
    tell: &mut dyn FnMut(Step),
) -> Result<Prepared, Fault> {
    let mut visit = Visit::new(host, &preparation.server);
    let played = preparation.play(&mut visit, tell);
    let Visit { host, .. } = visit;
    let _nobody_listens = host.act(&Act::Hangup(Session::Drill));
    match (played, host.act(&Act::End)) {
        (Ok(prepared), Ok(_)) => {
            host.act(&Act::RemoveTree(preparation.scratch.clone()))?;
            Ok(prepared)
        }
        (Ok(_), Err(fault)) | (Err(fault), Ok(_)) => Err(fault),
        (Err(fault), Err(more)) => Err(fault.during(&format!("the jail does not end ({more})"))),
    }
}

impl Preparation {
    fn play(&self, visit: &mut Visit<'_>, tell: &mut dyn FnMut(Step)) -> Result<Prepared, Fault> {
        visit.host.act(&Act::NewDir(self.scratch.clone()))?;
        visit.start()?;
        let ready_ms = recovered(visit, tell)?;
        tell(Step::Ready(ready_ms));
        let server = visit.meet()?;
        if let Some(applied) = &self.apply {
            tell(Step::Applying);
            self.attach(visit, &server, applied)?;
        }
        tell(Step::Ending);
        visit.shut_down()?;
        Ok(Prepared { ready_ms })
    }

    /// Tells the server whose replica it is, and asks whether that is what it is now.
    fn attach(
        &self,
        visit: &mut Visit<'_>,
        server: &Server,
        applied: &Applied,
    ) -> Result<(), Fault> {
        for statement in &applied.statements {
            let (session, ms_max) = (Session::Drill, visit.left()?.min(ASK_MS_MAX));
            let act = match statement.clone() {
                Statement::Plain(text) => Act::Sql(Sql { session, text, ms_max }),
                Statement::Keyed(before, after) => {
                    let secret = self.secret.clone();
                    Act::SqlKeyed(Keyed { session, before, after, secret, ms_max })
                }
            };
            let done = visit.host.act(&act);
            done.map_err(|fault| fault.during(&format!("the server refuses '{act}'")))?;
            visit.host.heed_signal()?;
        }
        let status = visit.ask(server.replica_status(), ASK_MS_MAX)?;
        is_replica(server, &status, &applied.sources).map_err(Fault::refused)
    }
}

/// Waits for the recovery, and hands on what the server says of it.
fn recovered(visit: &mut Visit<'_>, tell: &mut dyn FnMut(Step)) -> Result<Millis, Fault> {
    let mut lines: Vec<String> = Vec::new();
    let mut told = visit.host.now()?;
    loop {
        let came = visit.try_once(&mut |line| lines.push(line.to_owned()))?;
        let now = visit.host.now()?;
        if now.saturating_sub(told) >= TELL_NS
            && let Some(line) = lines.pop()
        {
            told = now;
            lines.clear();
            tell(Step::Says(super::log::shown(&line)));
        }
        match came {
            Some(Came::After(ready)) => return Ok(ready),
            Some(Came::Never(why)) => return Err(Fault::refused(why)),
            None => {}
        }
    }
}

/// Whether the server has these sources, and none of them has begun.
fn is_replica(server: &Server, status: &Rows, sources: &[Source]) -> Result<(), String> {
    let found = coordinates::channels(server, status)?;
    for one in sources {
        let here = found.iter().find(|channel| channel.name == one.channel);
        let same = here.is_some_and(|channel| {
            (&channel.host, channel.port, &channel.user) == (&one.host, one.port, &one.user)
        });
        if !same {
            let (channel, host, port, user) = (&one.channel, &one.host, one.port, &one.user);
            let found = here.map_or("none".into(), |c| format!("{}@{}:{}", c.user, c.host, c.port));
            return Err(format!(
                "expected the source {user}@{host}:{port} for the channel '{channel}', found {found}"
            ));
        }
    }
    let moves = |row: &usize| replica::runs(status, *row);
    match (0..status.rows.len()).find(moves) {
        Some(row) => Err(format!("the channel '{}' has begun", replica::name(status, row))),
        None => Ok(()),
    }
}
