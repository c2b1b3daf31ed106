//! What a configuration names, looked at as far as that needs no server: the option file or the
//! credential, the authority's certificate, the destination, the state directory.
//!
//! Deliberately absent: whether it fits the server and its volumes, which only a plan can say.

use std::path::{Component, Path, PathBuf};

use super::load::{in_file, ours, private, text, unseen};
use super::{Complaint, Config, SecretIn, check, option_file};
use crate::host::{Ask, Entry, Host, Kind, Reach, Tls};
use crate::shell;
use crate::trust;

/// How a certificate begins in a file of an authority (RFC 7468).
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// Reads a configuration and looks at everything it names; what was looked at, in a few words each,
/// or all complaints at once. `credentials` is the value of `$CREDENTIALS_DIRECTORY`.
pub fn look_at(
    host: &dyn Host,
    path: &Path,
    credentials: Option<&Path>,
) -> Result<Vec<String>, Vec<Complaint>> {
    let text = text(host, path).map_err(|complaint| vec![complaint])?;
    let open = ours(host, path).err();
    let checked = check_text(host, path, &text, credentials);
    match (open, checked) {
        (None, checked) => checked,
        (Some(open), Ok(_)) => Err(vec![open]),
        (Some(open), Err(others)) => Err(std::iter::once(open).chain(others).collect()),
    }
}

/// The same of a text that may not be in its file yet.
pub fn check_text(
    host: &dyn Host,
    path: &Path,
    text: &str,
    credentials: Option<&Path>,
) -> Result<Vec<String>, Vec<Complaint>> {
    let (config, complaints) = check::read(path, text);
    let mut look = Look { host, text, complaints, seen: Vec::new() };
    look.secret(&config, credentials);
    look.authority(&config);
    look.destination(&config);
    look.state_dir(&config);
    if look.complaints.is_empty() {
        return Ok(look.seen);
    }
    look.complaints.sort_by_key(|complaint| complaint.at);
    Err(in_file(path, look.complaints))
}

/// The destination, if it is a directory that only its owner can write to: a backup holds
/// everything that the server knows.
pub fn destination(host: &dyn Host, path: &Path) -> Result<Entry, Complaint> {
    let shown = path.display();
    let entry = destination_directory(host, path)?;
    if trust::can_be_written_by_others(&entry) {
        let mode = entry.mode & 0o7777;
        let what =
            format!("the destination '{shown}' can be written to by others (mode {mode:04o})");
        return Err(Complaint::new(what, format!("Run: chmod go-w {}", shell::path(path))));
    }
    Ok(entry)
}

/// The destination, if it is a directory at all: enough for looking at what is in it.
pub fn destination_directory(host: &dyn Host, path: &Path) -> Result<Entry, Complaint> {
    let shown = path.display();
    let Some(entry) = host.entry(path).map_err(|fault| unseen(path, &fault))? else {
        let hint =
            format!("Mount what belongs there, or run: mkdir --mode 0700 {}", shell::path(path));
        return Err(Complaint::new(format!("the destination '{shown}' is not there"), hint));
    };
    if entry.kind != Kind::Directory {
        let what = format!("the destination '{shown}' is not a directory");
        return Err(Complaint::new(what, "Name a directory under [destination]."));
    }
    Ok(entry)
}

/// What was seen, and what is wrong with it.
struct Look<'a> {
    host: &'a dyn Host,
    text: &'a str,
    complaints: Vec<Complaint>,
    seen: Vec<String>,
}

impl Look<'_> {
    fn secret(&mut self, config: &Config, credentials: Option<&Path>) {
        match (&config.server.secret, credentials) {
            (SecretIn::Config, _) => {
                let private = private(self.host, &config.path, "the configuration");
                self.note("server.password", private.map(|()| "its own mode".into()));
            }
            (SecretIn::OptionFile(path), _) if is_plain(path) => {
                let read = option_file(self.host, path);
                let seen = format!("option file '{}'", path.display());
                self.note("server.option_file", read.map(|_| seen));
            }
            (SecretIn::Nothing | SecretIn::OptionFile(_), _) => {}
            (SecretIn::Credential(name), Some(directory)) => {
                let read = option_file(self.host, &directory.join(name));
                self.note("server.credential", read.map(|_| format!("credential '{name}'")));
            }
            // An operator at a terminal has no credentials of a service: nothing is wrong.
            (SecretIn::Credential(name), None) => self.seen.push(format!(
                "credential '{name}' (only systemd hands it over, so it was not looked at)"
            )),
        }
    }

    fn authority(&mut self, config: &Config) {
        if let Some(Reach::Tcp { tls: Tls::Verified(path), .. }) = &config.server.reach
            && is_plain(path)
        {
            let seen = format!("certificate file '{}'", path.display());
            let found = authority(self.host, path).map(|()| seen);
            self.note("server.tls_ca", found);
        }
    }

    fn destination(&mut self, config: &Config) {
        let path = &config.destination.directory;
        if is_plain(path) {
            let seen = format!("destination '{}'", path.display());
            self.note("destination.directory", destination(self.host, path).map(|_| seen));
        }
    }

    fn state_dir(&mut self, config: &Config) {
        if is_plain(&config.state_dir) {
            self.note("state_dir", state_dir(self.host, &config.state_dir));
        }
    }

    /// Notes what was seen, or complains at the key that names it.
    fn note(&mut self, key: &str, found: Result<String, Complaint>) {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        match found {
            Ok(seen) => self.seen.push(seen),
            Err(complaint) => self.complaints.push(match check::place(self.text, section, name) {
                Some(offset) => complaint.at(self.text, offset),
                None => complaint,
            }),
        }
    }
}

/// Whether a path is one that was not complained about as such.
fn is_plain(path: &Path) -> bool {
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
}

fn authority(host: &dyn Host, path: &Path) -> Result<(), Complaint> {
    let shown = path.display();
    let wrong = |why: &str| {
        let hint = "It is the file that signed the server's certificate, often 'ca.pem' in its \
                    data directory.";
        Complaint::new(format!("cannot use the certificate file '{shown}': {why}"), hint)
    };
    match host.file(path) {
        Ok(Some(text)) if text.contains(CERTIFICATE) => Ok(()),
        Ok(Some(_)) => Err(wrong(&format!("expected '{CERTIFICATE}' in it"))),
        Ok(None) => Err(wrong("there is no such file")),
        Err(fault) => Err(wrong(&fault.to_string())),
    }
}

/// A ledger names commands that are run as root, so nobody else may write where it is kept; nor
/// where its directory is made by the first run.
fn state_dir(host: &dyn Host, path: &Path) -> Result<String, Complaint> {
    let shown = path.display();
    let (entry, at) = nearest(host, path)?;
    if entry.kind != Kind::Directory {
        let what = format!("the state directory '{shown}' is not a directory");
        return Err(Complaint::new(what, "Name a directory with 'state_dir', or leave it out."));
    }
    let others = trust::others(host, &at).map_err(|fault| unseen(path, &fault))?;
    if let Some(others) = others {
        let what = format!("the state directory '{shown}' is not kept from others: {others}");
        return Err(Complaint::new(what, format!("Run: {}", others.command())));
    }
    let later = if at == path { "" } else { " (the first run makes it)" };
    Ok(format!("state directory '{shown}'{later}"))
}

/// What stands at a path, or at the nearest directory above it that is there.
fn nearest(host: &dyn Host, path: &Path) -> Result<(Entry, PathBuf), Complaint> {
    for at in path.ancestors() {
        if let Some(entry) = host.entry(at).map_err(|fault| unseen(path, &fault))? {
            return Ok((entry, at.into()));
        }
    }
    let what = format!("cannot find any directory above '{}'", path.display());
    Err(Complaint::new(what, "Look at it with 'ls -ld /'."))
}
