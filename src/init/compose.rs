//! The configuration's text, from what was found. Pure: facts in, text out.
//!
//! Each line has a comment that says why it is there; a key that needs no line stands in a comment
//! that says why not. Everything else is left to its default.

use std::path::Path;

use serde_json::json;

use super::{Account, Facts, Home, Met, Room, Running, USUAL, account, quoted};
use crate::config::{SIZE, Size, literal};
use crate::units::Bytes;

/// How wide a comment gets.
const COLUMNS: usize = 90;

/// How much of what a volume group has free a snapshot takes where the default does not fit, in
/// percent: the rest is for extending it.
const PART_PERCENT: u64 = 80;

/// The configuration.
pub fn compose(facts: &Facts) -> String {
    let mut text = Text::default();
    text.comment(&format!(
        "Written by 'holdstill init' on {}. Whatever is not said here has its default: 'holdstill \
         config show' tells all of it, and the shipped 'full.toml' explains it.",
        facts.host
    ));
    if let Some(name) = &facts.apart {
        text.comment(&format!(
            "'{USUAL}' is of another server. With places of their own neither waits for the other:"
        ));
        text.key("state_dir", &Path::new("/var/lib").join(format!("holdstill-{name}")));
        text.key("run_dir", &Path::new("/run").join(format!("holdstill-{name}")));
    }
    text.section("server");
    server(&mut text, facts);
    text.section("snapshot");
    snapshot(&mut text, &facts.home);
    text.section("destination");
    destination(&mut text, facts);
    text.0
}

fn server(text: &mut Text, facts: &Facts) {
    let home = quoted(&facts.home.datadir);
    text.comment(&match (&facts.server, &facts.met) {
        (Running { process: Some(one), .. }, Ok(Met { server, .. })) => {
            format!("{server}: process {} works in {home} and listens here.", one.pid)
        }
        (Running { process: Some(one), .. }, Err(_)) => {
            format!("{}: process {} works in {home} and listens here.", one.program, one.pid)
        }
        (_, Ok(Met { server, .. })) => format!("{server}, whose data is in {home}, answers here."),
        (_, Err(_)) => "The server listens here.".into(),
    });
    text.key("socket", &facts.socket);
    let file = account::beside(&facts.config);
    match (&facts.account.option_file, &facts.met) {
        (Some(path), Ok(met)) => {
            text.comment(&format!("The user and password of '{}' are in this file.", met.account));
            text.key("option_file", path);
        }
        (Some(path), Err(why)) => {
            text.comment(&format!("User and password. The server did not let us in: {why}."));
            text.key("option_file", path);
        }
        (None, Ok(met)) => {
            text.comment(&format!(
                "{} The server lets '{}' in by the socket, without a password; an account of its own \
                 may do less. Its user and password would be in this file:",
                no_file(&facts.account),
                met.account
            ));
            text.no_key("option_file", &file);
        }
        (None, Err(why)) => {
            text.comment(&format!(
                "{} The server did not let root in by the socket: {why}. The user and password of an \
                 account belong into this file, mode 0600:",
                no_file(&facts.account)
            ));
            text.no_key("option_file", &file);
        }
    }
}

/// Why no option file is named.
fn no_file(account: &Account) -> String {
    match (account.unusable.as_slice(), account.named) {
        ([], true) => "No option file is wanted.".into(),
        ([], false) => "No option file was found.".into(),
        (why, _) => format!("No option file can be used: {}.", why.join("; ")),
    }
}

fn snapshot(text: &mut Text, home: &Home) {
    let (volume, datadir) = (&home.volume, quoted(&home.datadir));
    let on = format!("{datadir} is on the volume '{}' ({}, ", volume.name, volume.size);
    let kind = &home.mount.kind;
    let value = json!(typed(SIZE));
    match (&home.room, fitting(home)) {
        (Room::Pool { name, .. }, _) => {
            text.comment(&format!(
                "{on}{kind}), a thin one: its snapshot shares the pool '{name}', so 'size' is not \
                 used."
            ));
            text.no_line("size", &value.to_string());
        }
        (Room::Group { free, extent }, None) => {
            let wanted = SIZE.of(volume.size, *extent);
            text.comment(&format!(
                "{on}{kind}). Its snapshot takes {wanted} of the {free} that the volume group '{}' \
                 has free, which is the default:",
                volume.name.vg()
            ));
            text.no_line("size", &value.to_string());
        }
        (Room::Group { free, .. }, Some(size)) => {
            text.comment(&format!(
                "{on}{kind}). The volume group '{}' has only {free} free, which is less than the \
                 default, {} of the volume. What the server writes while the copy runs must fit \
                 into this:",
                volume.name.vg(),
                typed(SIZE)
            ));
            text.line("size", &json!(typed(Size::Amount(size))).to_string());
        }
    }
}

/// The size of a snapshot where the default does not fit into what its group has free.
pub(super) fn fitting(home: &Home) -> Option<Bytes> {
    let Room::Group { free, extent } = home.room else { return None };
    if SIZE.of(home.volume.size, extent) <= free {
        return None;
    }
    let part = Bytes(free.0 / 100 * PART_PERCENT);
    Some(Bytes((part.0 / extent.0.max(1)).max(1) * extent.0))
}

/// A size as a configuration says it.
fn typed(size: Size) -> String {
    match size {
        Size::Percent(percent) => format!("{percent}%"),
        Size::Amount(Bytes(bytes)) if bytes.is_multiple_of(1 << 20) => {
            format!("{}MiB", bytes >> 20)
        }
        Size::Amount(Bytes(bytes)) => format!("{bytes}B"),
    }
}

fn destination(text: &mut Text, facts: &Facts) {
    let place = &facts.destination;
    text.comment(&format!(
        "Backups go here: {}, {} free, and no server works on it. There are {} to copy.",
        place.kind, place.free, facts.home.data
    ));
    if !facts.others.is_empty() {
        let others: Vec<String> = facts.others.iter().map(ToString::to_string).collect();
        text.comment(&format!("They could also go to {}.", others.join(", ")));
    }
    text.key("directory", &place.directory);
}

/// A file that grows.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, name: &str) {
        self.0.extend(["\n[", name, "]\n"]);
    }

    fn line(&mut self, key: &str, value: &str) {
        self.0.extend([key, " = ", value, "\n"]);
    }

    fn no_line(&mut self, key: &str, value: &str) {
        self.0.push('#');
        self.line(key, value);
    }

    fn key(&mut self, key: &str, path: &Path) {
        self.line(key, &literal(&json!(path.to_string_lossy())));
    }

    fn no_key(&mut self, key: &str, path: &Path) {
        self.0.push('#');
        self.key(key, path);
    }

    /// A comment on as many lines as it takes; whatever is in it stays in it.
    fn comment(&mut self, words: &str) {
        let mut line = String::from("#");
        for word in words.replace(char::is_control, "?").split(' ') {
            if line.chars().count() + word.chars().count() >= COLUMNS {
                self.0 += &line;
                self.0.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line += word;
        }
        self.0 += &line;
        self.0.push('\n');
    }
}
