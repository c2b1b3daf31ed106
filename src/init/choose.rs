//! Which server and which place, where the machine has several or none: a choice that is certain,
//! or a refusal that names them all. Pure.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Place, Running, quoted};
use crate::plan::Refusal;
use crate::shell;

/// From this number on users are people (login.defs(5), `UID_MIN`). A server of one of them may be
/// anybody's program, and gets no password unless the operator names its socket.
pub(super) const PEOPLE_UID_MIN: u32 = 1000;

/// The server, and its socket.
pub(super) fn server(
    servers: Vec<Running>,
    wanted: Option<&Path>,
    usual: &[PathBuf],
) -> Result<(Running, PathBuf), Refusal> {
    if let Some(socket) = wanted {
        let is_it = |one: &Running| one.socket.as_deref() == Some(socket);
        let unseen = || Running { process: None, socket: Some(socket.into()) };
        return Ok((servers.into_iter().find(is_it).unwrap_or_else(unseen), socket.into()));
    }
    match servers.as_slice() {
        [] => Err(none(usual)),
        [one] => socket(one, usual).map(|socket| (one.clone(), socket)),
        all => Err(several(all)),
    }
}

fn none(usual: &[PathBuf]) -> Refusal {
    let seen = usual.first().map_or_else(String::new, |socket| {
        format!("; {} is there, but who listens at it cannot be seen", quoted(socket))
    });
    let what = format!("cannot find a running server: no process is 'mariadbd' or 'mysqld'{seen}");
    let hint = "Start the server and run 'holdstill init' again, or name its socket with '--socket \
                FILE'.";
    Refusal::new(what, hint)
}

/// The socket of the only server.
fn socket(one: &Running, usual: &[PathBuf]) -> Result<PathBuf, Refusal> {
    let person = one.process.as_ref().filter(|process| process.uid >= PEOPLE_UID_MIN);
    match (&one.socket, person, usual) {
        (_, Some(process), _) => {
            let what = format!(
                "the only server that runs is {one}, of user {}, who may be anybody",
                process.uid
            );
            Err(Refusal::new(what, "If it is yours, name its socket with '--socket FILE'."))
        }
        (Some(socket), None, _) | (None, None, [socket]) => Ok(socket.clone()),
        (None, None, _) => {
            let hint = "Ask the server: SHOW VARIABLES LIKE 'socket'. Then name it with '--socket \
                        FILE'.";
            Err(Refusal::new(format!("cannot find the socket of {one}"), hint))
        }
    }
}

fn several(all: &[Running]) -> Refusal {
    let named: Vec<String> = all.iter().map(ToString::to_string).collect();
    let what = format!("{} servers are running: {}", all.len(), named.join("; "));
    let first = all.iter().find_map(|one| one.socket.as_deref());
    let example = first.map_or("FILE".into(), shell::path);
    let hint = format!(
        "Each server has a configuration of its own ('--config FILE'). Name the one that this is for, \
         such as: --socket {example}"
    );
    Refusal::new(what, hint)
}

/// The place for backups that is taken without a question: the only one, or the only one that is
/// called so.
pub(super) fn place(places: &[Place]) -> Option<&Place> {
    let called_so: Vec<&Place> = places.iter().filter(|place| is_called_so(place)).collect();
    match (places, called_so.as_slice()) {
        ([one], _) => Some(one),
        (_, [one]) => Some(one),
        _ => None,
    }
}

/// Whether a place is named after backups.
pub(super) fn is_called_so(place: &Place) -> bool {
    place.directory.to_string_lossy().to_ascii_lowercase().contains("backup")
}

/// No place for backups, or several.
pub(super) fn no_place(places: &[Place], passed_over: &[String]) -> Refusal {
    let hint = "Name a directory on another filesystem with '--destination DIR'.";
    if places.is_empty() {
        let why = passed_over.join("; ");
        let why = if why.is_empty() { "there is no other filesystem".into() } else { why };
        return Refusal::new(format!("cannot find a place for the backups: {why}"), hint);
    }
    let named: Vec<String> = places.iter().map(ToString::to_string).collect();
    Refusal::new(format!("the backups could go to several places: {}", named.join("; ")), hint)
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some(process) => write!(f, "process {}, {}", process.pid, process.program)?,
            None => f.write_str("a server whose process was not seen")?,
        }
        if let Some(directory) = self.process.as_ref().and_then(|one| one.works_in.as_deref()) {
            write!(f, " in {}", quoted(directory))?;
        }
        match &self.socket {
            Some(socket) => write!(f, " at {}", quoted(socket)),
            None => f.write_str(" at no socket that can be seen"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {} free)", quoted(&self.directory), self.kind, self.free)
    }
}
