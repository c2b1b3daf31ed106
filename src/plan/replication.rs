//! What a replica needs before it may stand still, and which appliers to stop and start again.

use super::make::{pass, warn};
use super::server::{Met, allowed, ask};
use super::{Aspect, Note, Refusal, Replica, Resume};
use crate::claim::{Claim, Restart};
use crate::config::{Config, KeepStopped};
use crate::database::coordinates::{self, Channel};
use crate::database::{Flavour, grants, settings};
use crate::host::{Host, Login, Sql};

/// The replica's part of the plan.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) replica: Replica,
    /// The duty to start again what was stopped; nothing if nothing ran.
    pub(super) claim: Option<Claim>,
}

/// Looks at every channel; nothing if the server is not a replica.
pub(super) fn look(
    host: &dyn Host,
    config: &Config,
    login: &Login,
    met: &Met,
    notes: &mut Vec<Note>,
) -> Result<Option<Found>, Refusal> {
    let status = met.server.replica_status();
    let rows = ask(host, status)?;
    let channels = coordinates::channels(&met.server, &rows)
        .map_err(|why| Refusal::new(why, format!("Ask the server by hand: {status}.")))?;
    if channels.is_empty() {
        pass(notes, Aspect::Replication, "not a replica: its clients wait while the lock is held");
        return Ok(None);
    }
    for channel in &channels {
        sound(channel, met)?;
    }
    let lags: Vec<_> = (0..channels.len()).map(|row| coordinates::lag(&rows, row)).collect();
    tell(config, &channels, &lags, notes);
    let running: Vec<_> = channels.iter().filter(|channel| channel.applying).collect();
    if !running.is_empty() {
        allowed(&met.granted, &[grants::replica(&met.server)], &met.account, notes)?;
    }
    no_temporary_tables(host)?;
    Ok(Some(found(config, login, met, &running)))
}

fn found(config: &Config, login: &Login, met: &Met, running: &[&Channel]) -> Found {
    let ms_max = config.replica.stop_ms_max;
    let stop = |channel: &&Channel| Sql::control(met.server.stop_applier(&channel.name), ms_max);
    let restart = |channel: &&Channel| Restart {
        channel: channel.name.clone(),
        start: met.server.start_applier(&channel.name),
    };
    let status = met.server.replica_status().to_owned();
    let claim = Claim::Replication {
        login: login.clone(),
        status: status.clone(),
        start: running.iter().map(restart).collect(),
        ms_max,
    };
    Found {
        replica: Replica {
            status,
            stop: running.iter().map(stop).collect(),
            resume: match config.replica.keep_replication_stopped {
                KeepStopped::Window => Resume::AfterWindow,
                KeepStopped::Copy => Resume::AfterCopy,
            },
        },
        claim: Some(claim).filter(|_| !running.is_empty()),
    }
}

fn tell(config: &Config, channels: &[Channel], lags: &[Option<u64>], notes: &mut Vec<Note>) {
    let again = match config.replica.keep_replication_stopped {
        KeepStopped::Window => "again",
        KeepStopped::Copy => "again when the copy has ended",
    };
    for (channel, lag) in channels.iter().zip(lags) {
        let from = format!("{} from {}:{}", shown(channel), channel.host, channel.port);
        if channel.applying {
            pass(
                notes,
                Aspect::Replication,
                format!("{from}{}: its applier runs, stops, and runs {again}", behind(*lag)),
            );
        } else {
            let why = if channel.errno == 0 {
                String::new()
            } else {
                format!(" by error {}", channel.errno)
            };
            let found = format!("{from}: its applier is stopped{why} and stays stopped");
            warn(notes, Aspect::Replication, found);
            promoted(channel, notes);
        }
    }
}

/// How far behind its source a channel is: the backup is as old.
fn behind(lag: Option<u64>) -> String {
    lag.map_or_else(|| ", its lag not known".into(), |seconds| format!(", {seconds} s behind"))
}

/// A server that was made a source may still carry the channel it once had.
fn promoted(channel: &Channel, notes: &mut Vec<Note>) {
    if channel.receiving == "No" {
        let found = "its receiver is stopped as well: if this server is a source now, \
                     coordinates.sql still leads to the old one (RESET REPLICA ALL forgets it)";
        warn(notes, Aspect::Replication, found);
    }
}

fn shown(channel: &Channel) -> String {
    if channel.name.is_empty() {
        "the channel".into()
    } else {
        format!("channel '{}'", channel.name)
    }
}

/// Whether a channel's place is known exactly once its applier is stopped.
fn sound(channel: &Channel, met: &Met) -> Result<(), Refusal> {
    if channel.name.starts_with("group_replication_") {
        let what = "cannot back up a member of a replication group yet";
        return Err(Refusal::new(what, "Back up an asynchronous replica of the group instead."));
    }
    restartable(channel, met)?;
    // MariaDB's parallel appliers commit in the source's order unless GTIDs with several domains
    // allow otherwise, and then the GTID position holds every domain's place: so both the file and
    // position, and the GTID position, are exact (MariaDB, Parallel Replication, "in-order").
    if met.server.flavour == Flavour::MariaDb || !channel.gtid.is_empty() {
        return Ok(());
    }
    exact_by_file(channel, met)
}

/// Whether the applier can be stopped and started again without losing anything.
fn restartable(channel: &Channel, met: &Met) -> Result<(), Refusal> {
    if !channel.applying {
        return Ok(());
    }
    // A start by us would forget the end that was set for it.
    if !matches!(channel.until.as_str(), "" | "None") {
        let what = format!("{} runs until a set place ({})", shown(channel), channel.until);
        return Err(Refusal::new(what, "Try again when its applier has stopped there."));
    }
    // With both threads stopped START SLAVE throws the relay logs away where GTID is in use, to
    // fetch them again (MariaDB, start_slave_threads): they may be gone from the source by now.
    let mariadb_by_gtid = met.server.flavour == Flavour::MariaDb && !channel.gtid.is_empty();
    if mariadb_by_gtid && channel.receiving == "No" {
        let what = format!("the receiver of {} is stopped while its applier runs", shown(channel));
        let hint = "Run 'START SLAVE IO_THREAD', or let the applier finish and stop it as well.";
        return Err(Refusal::new(what, hint));
    }
    Ok(())
}

/// MySQL's parallel applier without GTID. In commit order a clean STOP REPLICA leaves no gap and
/// brings the position up to date; after an error, a kill or a crash the position may lag behind
/// what was applied, and without commit order there may be gaps besides (MySQL manual,
/// "Replication and Transaction Inconsistencies").
fn exact_by_file(channel: &Channel, met: &Met) -> Result<(), Refusal> {
    let workers = met.settings.number(&["replica_parallel_workers", "slave_parallel_workers"]);
    if workers.unwrap_or(0) < 2 {
        return Ok(());
    }
    let ordered = ["replica_preserve_commit_order", "slave_preserve_commit_order"]
        .iter()
        .any(|name| met.settings.is_on(name));
    if !ordered {
        let what = format!(
            "{} applies in parallel without GTID and out of order: its position may have gaps",
            shown(channel)
        );
        let hint = "Set replica_preserve_commit_order=ON, or SOURCE_AUTO_POSITION=1.";
        return Err(Refusal::new(what, hint));
    }
    if channel.applying {
        return Ok(());
    }
    let what = format!(
        "{} applies in parallel without GTID and is stopped: its position may lag behind",
        shown(channel)
    );
    let hint = "Start it with START REPLICA so that it can be stopped cleanly, or set \
                SOURCE_AUTO_POSITION=1.";
    Err(Refusal::new(what, hint))
}

/// A temporary table of the applier is in no file that a restored server would read.
fn no_temporary_tables(host: &dyn Host) -> Result<(), Refusal> {
    let open = settings::open_temporary_tables(&ask(host, settings::OPEN_TEMPORARY_TABLES)?);
    let Err(what) = open else { return Ok(()) };
    let hint = "Try again later, or set binlog_format=ROW on the source, which needs none.";
    Err(Refusal::new(what, hint))
}
