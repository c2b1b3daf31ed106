//! `coordinates.sql`: the statements that attach a server restored from a backup.
//!
//! From the backup of a replica they make one more replica of the same source; from any other
//! server, a replica of that server. They are complete: run through the client, nothing is left to
//! fill in for the former. Deliberately absent: passwords. Those of a replica are kept in its data
//! directory, and survive `RESET REPLICA` without `ALL`.

use std::fmt::Write;

mod applied;

use super::coordinates::{Channel, Coordinates, Own};
use super::dialect::{mariadb_channel, mysql_channel, quoted};
use super::{Flavour, Server};
use crate::wrong::{self, Wrong};

pub use applied::{Account, Applied, Missing, Source, Statement, applied};

/// Which backup the statements belong to.
#[derive(Clone, Copy, Debug)]
pub struct Heading<'a> {
    /// The run that made it.
    pub run: &'a str,
    /// The host it was made on.
    pub host: &'a str,
    /// When the run began.
    pub started: &'a str,
}

/// The statements that attach a new replica to the source of this backup.
pub fn statements(of: &Heading<'_>, server: &Server, coordinates: &Coordinates) -> String {
    let mut text = header(of, server, coordinates);
    for line in lines(server, coordinates, placeholders) {
        let _ = writeln!(text, "{line};");
    }
    text
}

/// The statements themselves; `source_of` says who the server that was backed up is, if that
/// becomes the source.
fn lines(
    server: &Server,
    coordinates: &Coordinates,
    source_of: impl Fn(&str) -> String,
) -> Vec<String> {
    match (coordinates.channels.is_empty(), server.flavour) {
        (false, Flavour::MariaDb) => mariadb_replica(coordinates),
        (false, Flavour::MySql) => mysql_replica(server, coordinates),
        (true, _) if coordinates.own.file.is_none() => Vec::new(),
        (true, Flavour::MariaDb) => mariadb_source(coordinates, source_of),
        (true, Flavour::MySql) => mysql_source(server, coordinates, source_of),
    }
}

/// What must be done before, as comments.
fn header(of: &Heading<'_>, server: &Server, coordinates: &Coordinates) -> String {
    let mut text = String::new();
    let mut say = |line: &str| {
        let _ = writeln!(text, "-- {}", line.replace(char::is_control, " "));
    };
    say(&format!("Attaches a server restored from backup {} as a new replica.", of.run));
    say(&format!("Taken on '{}' at {} from {server}.", of.host, of.started));
    say("First start the restored server");
    say("  - with a server_id that no other server here has,");
    match server.flavour {
        Flavour::MySql => {
            say("  - without the file auto.cnf, so that it gets a server_uuid of its own,");
            say("  - with skip_replica_start (before 8.0.26: skip_slave_start).");
        }
        Flavour::MariaDb => say("  - with skip_slave_start."),
    }
    if !coordinates.channels.is_empty() {
        say("Account and password are those of the replica that was backed up, kept in its files.");
    } else if coordinates.own.file.is_some() {
        say("Write the address of the backed-up server in place of SOURCE_HOST, and an account");
        say("with REPLICATION SLAVE in place of REPLICATION_USER and REPLICATION_PASSWORD.");
    } else {
        say("The server wrote no binary log, so no replica can be attached to it.");
    }
    say(&own_place(&coordinates.own));
    text
}

fn own_place(own: &Own) -> String {
    match (&own.file, own.position) {
        (Some(file), Some(position)) => {
            format!("The server's own binary log stood at '{file}', position {position}.")
        }
        _ => "The server's own binary log was off.".into(),
    }
}

/// Where a channel goes on: behind what its applier has executed.
fn place(channel: &Channel) -> (&str, u64) {
    if wrong::design(Wrong::ReceiverPosition) {
        return (&channel.received.file, channel.received.position);
    }
    (&channel.file, channel.position)
}

/// MariaDB's position of a replica: what was applied, never what was merely received. Only where a
/// channel goes by it: the restored table holds it anyway, and in strict mode setting it is error
/// 1947 if the replica's own binary log went further in the same domain (tried on 10.11).
fn mariadb_position(coordinates: &Coordinates) -> Option<String> {
    let (own, channels) = (&coordinates.own, &coordinates.channels);
    if channels.iter().all(|channel| channel.gtid.is_empty()) {
        return None;
    }
    if wrong::design(Wrong::ReceiverPosition) {
        return Some(received(channels).collect::<Vec<_>>().join(","))
            .filter(|set| !set.is_empty());
    }
    // A channel that used `current_pos` had `gtid_slave_pos` and the server's own writes behind it.
    let current = channels.iter().any(|channel| channel.gtid == "Current_Pos");
    if current { own.gtid_current_pos.clone() } else { own.gtid_slave_pos.clone() }
}

/// MySQL's set of a replica: what was executed, never what was merely received.
fn mysql_executed(coordinates: &Coordinates) -> Option<String> {
    let executed = coordinates.own.gtid_executed.as_deref()?;
    if wrong::design(Wrong::ReceiverPosition) {
        let all: Vec<_> = [executed].into_iter().chain(received(&coordinates.channels)).collect();
        return Some(all.join(","));
    }
    Some(executed.to_owned())
}

fn received(channels: &[Channel]) -> impl Iterator<Item = &str> {
    channels.iter().map(|channel| channel.received.gtid.as_str()).filter(|set| !set.is_empty())
}

fn mariadb_replica(coordinates: &Coordinates) -> Vec<String> {
    let channels = &coordinates.channels;
    let mut lines = vec!["STOP ALL SLAVES".to_owned()];
    lines.extend(channels.iter().map(|c| format!("RESET SLAVE{}", mariadb_channel(&c.name))));
    lines.extend(
        mariadb_position(coordinates)
            .map(|set| format!("SET GLOBAL gtid_slave_pos = {}", quoted(&set))),
    );
    lines.extend(channels.iter().map(mariadb_change));
    lines.extend(channels.iter().map(|c| format!("START SLAVE{}", mariadb_channel(&c.name))));
    lines
}

fn mariadb_change(channel: &Channel) -> String {
    let (file, position) = place(channel);
    let at = if channel.gtid.is_empty() {
        log_place("MASTER", file, position) + ", MASTER_USE_GTID = no"
    } else {
        ", MASTER_USE_GTID = slave_pos".to_owned()
    };
    let to = source("MASTER", channel);
    format!("CHANGE MASTER{} TO {to}{at}", mariadb_channel(&channel.name))
}

/// The address and account of a channel's source.
fn source(word: &str, channel: &Channel) -> String {
    let (host, user) = (quoted(&channel.host), quoted(&channel.user));
    format!("{word}_HOST = {host}, {word}_PORT = {}, {word}_USER = {user}", channel.port)
}

/// A place in the source's log; a channel that never fetched anything has none.
fn log_place(word: &str, file: &str, position: u64) -> String {
    if file.is_empty() {
        return String::new();
    }
    format!(", {word}_LOG_FILE = {}, {word}_LOG_POS = {position}", quoted(file))
}

fn mariadb_source(coordinates: &Coordinates, source_of: impl Fn(&str) -> String) -> Vec<String> {
    let own = &coordinates.own;
    let file = own.file.as_deref().unwrap_or_default();
    let at = log_place("MASTER", file, own.position.unwrap_or_default());
    vec![
        format!("CHANGE MASTER TO {}{at}, MASTER_USE_GTID = no", source_of("MASTER")),
        "START SLAVE".to_owned(),
    ]
}

fn placeholders(word: &str) -> String {
    format!(
        "{word}_HOST = 'SOURCE_HOST', {word}_PORT = 3306, {word}_USER = 'REPLICATION_USER', \
         {word}_PASSWORD = 'REPLICATION_PASSWORD'"
    )
}

fn mysql_replica(server: &Server, coordinates: &Coordinates) -> Vec<String> {
    let channels = &coordinates.channels;
    let replica = server.replica_word();
    let mut lines = vec![format!("STOP {replica}")];
    lines.extend(channels.iter().map(|c| format!("RESET {replica}{}", mysql_channel(&c.name))));
    lines.extend(purged(server, mysql_executed(coordinates)));
    lines.extend(channels.iter().map(|channel| mysql_change(server, channel)));
    lines.extend(channels.iter().map(|c| format!("START {replica}{}", mysql_channel(&c.name))));
    lines
}

/// Makes the restored server say that it has exactly these transactions, whatever binary logs the
/// backup brought with it. `gtid_purged` can only be set freely once `gtid_executed` is empty.
fn purged(server: &Server, executed: Option<String>) -> Vec<String> {
    let Some(executed) = executed else { return Vec::new() };
    // Renamed in 8.2, the old name dropped in 8.4.
    let reset = if server.since(8, 2, 0) { "RESET BINARY LOGS AND GTIDS" } else { "RESET MASTER" };
    vec![reset.to_owned(), format!("SET GLOBAL gtid_purged = {}", quoted(&executed))]
}

fn mysql_change(server: &Server, channel: &Channel) -> String {
    let word = source_word(server);
    let (file, position) = place(channel);
    let at = if channel.gtid.is_empty() {
        log_place(word, file, position) + &format!(", {word}_AUTO_POSITION = 0")
    } else {
        format!(", {word}_AUTO_POSITION = 1")
    };
    format!(
        "CHANGE {} TO {}{at}{}",
        change_word(server),
        source(word, channel),
        mysql_channel(&channel.name)
    )
}

fn source_word(server: &Server) -> &'static str {
    if server.speaks_of_replicas() { "SOURCE" } else { "MASTER" }
}

fn change_word(server: &Server) -> &'static str {
    if server.speaks_of_replicas() { "REPLICATION SOURCE" } else { "MASTER" }
}

fn mysql_source(
    server: &Server,
    coordinates: &Coordinates,
    source_of: impl Fn(&str) -> String,
) -> Vec<String> {
    let (own, word) = (&coordinates.own, source_word(server));
    let file = own.file.as_deref().unwrap_or_default();
    let at = match &own.gtid_executed {
        Some(_) => format!(", {word}_AUTO_POSITION = 1"),
        None => log_place(word, file, own.position.unwrap_or_default()),
    };
    let mut lines = purged(server, own.gtid_executed.clone());
    // caching_sha2_password wants either TLS or the source's key.
    let key =
        if server.speaks_of_replicas() { "GET_SOURCE_PUBLIC_KEY" } else { "GET_MASTER_PUBLIC_KEY" };
    lines.push(format!("CHANGE {} TO {}, {key} = 1{at}", change_word(server), source_of(word)));
    lines.push(format!("START {}", server.replica_word()));
    lines
}

#[cfg(test)]
mod tests;
