//! What was found, and what is left to do, for the operator. Pure: facts in, text out.

use std::path::Path;

use super::{Facts, Met, Room, USUAL, account, compose, quoted};
use crate::database::Server;
use crate::database::dialect::LockKind;
use crate::database::grants::{self, Granted};
use crate::plan::{Aspect, Note};
use crate::shell;

/// The account that is suggested.
const ACCOUNT: &str = "holdstill@localhost";

/// Since when which privileges are needed, where a server does not tell its version.
const VERSIONS: [(&str, &str); 3] = [
    ("10.5.8-MariaDB", "MariaDB 10.5.8 and later"),
    ("10.4.0-MariaDB", "MariaDB before 10.5.2"),
    ("8.0.0", "MySQL"),
];

/// What was found, and what could not be.
pub fn notes(facts: &Facts) -> Vec<Note> {
    let mut notes = vec![server(facts), account(facts)];
    notes.extend(facts.account.unusable.iter().map(|why| Note::warning(Aspect::Account, why)));
    notes.extend([volume(facts), Note::pass(Aspect::Destination, facts.destination.to_string())]);
    let others = facts.others.iter().map(|place| format!("or {place}"));
    notes.extend(others.map(|place| Note::pass(Aspect::Destination, place)));
    notes
}

fn server(facts: &Facts) -> Note {
    match &facts.met {
        Ok(Met { server, replica, .. }) => {
            let role = match replica {
                Some(true) => "a replica",
                Some(false) => "not a replica",
                None => "it does not tell this account whether it is a replica",
            };
            Note::pass(Aspect::Server, format!("{}: {server}, {role}", facts.server))
        }
        Err(why) => Note::warning(Aspect::Server, format!("{}: {why}", facts.server)),
    }
}

fn account(facts: &Facts) -> Note {
    let file = facts.account.option_file.as_deref().map(quoted);
    match (&facts.met, file) {
        (Ok(met), Some(file)) => {
            Note::pass(Aspect::Account, format!("'{}' by {file}", met.account))
        }
        (Ok(met), None) => {
            Note::pass(Aspect::Account, format!("'{}', let in without a password", met.account))
        }
        (Err(_), Some(file)) => Note::warning(Aspect::Account, format!("not let in by {file}")),
        (Err(_), None) => Note::warning(Aspect::Account, "no option file, and root is not let in"),
    }
}

fn volume(facts: &Facts) -> Note {
    let home = &facts.home;
    let found =
        format!("{} is on '{}', {}", quoted(&home.datadir), home.volume.name, home.volume.size);
    match (&home.room, compose::fitting(home)) {
        (Room::Pool { name, percent: Some((data, metadata)) }, _) => Note::pass(
            Aspect::Source,
            format!(
                "{found}, thin: {data} % of the data and {metadata} % of the metadata of '{name}' \
                     are in use"
            ),
        ),
        (Room::Pool { name, percent: None }, _) => Note::warning(
            Aspect::Source,
            format!("{found}, thin: lvm does not tell how full '{name}' is"),
        ),
        (Room::Group { free, .. }, None) => {
            Note::pass(Aspect::Source, format!("{found}, with {free} free in its group"))
        }
        (Room::Group { free, .. }, Some(size)) => Note::warning(
            Aspect::Source,
            format!("{found}, with only {free} free in its group: the snapshot gets {size}"),
        ),
    }
}

/// The commands that come next.
pub fn next(facts: &Facts) -> String {
    let option = if facts.config == Path::new(USUAL) {
        String::new()
    } else {
        format!(" --config {}", shell::path(&facts.config))
    };
    let mut text = String::from("next:\n");
    text += &grants(facts);
    for command in ["config check", "audit", "backup"] {
        text.extend(["  holdstill ", command, &option, "\n"]);
    }
    text
}

fn grants(facts: &Facts) -> String {
    match (&facts.met, &facts.account.option_file) {
        (Ok(met), Some(_)) if met.missing.is_empty() => String::new(),
        (Ok(met), Some(_)) => {
            let grant = grants::statement(&met.missing, &met.account);
            format!("  on the server, as root: what the account lacks\n    {grant};\n")
        }
        (Ok(met), None) => {
            let grant = grants::statement(&met.needs, ACCOUNT);
            let grant = format!("    {grant};\n");
            format!("  an account that may do less than root, if you like:\n{}", new(&grant, facts))
        }
        (Err(_), Some(_)) => {
            let all = grants_by_version();
            format!(
                "  on the server, as root: see that the account is there and may do this\n{all}"
            )
        }
        (Err(_), None) => {
            let all = grants_by_version();
            format!("  an account, which the server needs to let us in:\n{}", new(&all, facts))
        }
    }
}

/// How an account is made and told to holdstill; the grants are whole lines.
fn new(grants: &str, facts: &Facts) -> String {
    let (file, config) = (account::beside(&facts.config), &facts.config);
    format!(
        "    CREATE USER 'holdstill'@'localhost' IDENTIFIED BY '…';\n{grants}  \
         then its user and password, as [client], in {}, mode 0600,\n  and without the '#' before \
         'option_file' in {}\n",
        quoted(&file),
        quoted(config)
    )
}

/// What an account needs, by the versions in which that differs: the server did not tell its own.
fn grants_by_version() -> String {
    let one = |(version, told): &(&str, &str)| -> Option<String> {
        let server = Server::parse(version, "").ok()?;
        let mut needs = grants::base(&server, LockKind::FlushTables);
        needs.push(grants::replica(&server));
        let grant = grants::statement(&Granted::default().missing(&needs), ACCOUNT);
        Some(format!("    {grant}; -- {told}\n"))
    };
    VERSIONS.iter().filter_map(one).collect()
}
