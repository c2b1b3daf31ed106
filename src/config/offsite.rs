//! From what is typed to what is meant, of the places that backups are pushed to: each is a table
//! under `[[offsite]]`.
//!
//! Deliberately absent: whether its files, its host and its repository are there; a push looks at
//! the files before anything else, and only it speaks to the other side.

use std::path::{Path, PathBuf};

use super::check::Check;
use super::{Complaint, raw};
use crate::copy::restic::Repository;
use crate::copy::ssh::Account;
use crate::retention::Rules;
use crate::units::{Bytes, Millis};

/// The keys of a place.
pub const OFFSITE_KEYS: [&str; 22] = [
    "name",
    "kind",
    "push",
    "seconds_max",
    "bandwidth_max",
    "repository_file",
    "password_file",
    "credentials_file",
    "cache_directory",
    "options",
    "host",
    "port",
    "user",
    "directory",
    "key_file",
    "known_hosts",
    "keep_last",
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_yearly",
    "keep_within",
];

/// Those of a restic repository alone, and those of a host alone.
const OF_RESTIC: [&str; 5] =
    ["repository_file", "password_file", "credentials_file", "cache_directory", "options"];
const OF_SSH: [&str; 6] = ["host", "port", "user", "directory", "key_file", "known_hosts"];

/// A day and a half: longer than a night's backup should be under way.
const SECONDS_MAX: u64 = 129_600;
const PORT: u16 = 22;
const NAME_CHARS_MAX: usize = 32;

/// A place that backups are pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsite {
    /// What it is called here.
    pub name: String,
    /// When backups go there.
    pub push: Push,
    /// How long a command may take that reads or writes all of a backup.
    pub ms_max: Millis,
    /// How much is sent or fetched each second; no limit if absent.
    pub bandwidth_max: Option<Bytes>,
    /// Which backups are kept there; all of them if absent.
    pub retention: Option<Rules>,
    /// The way there.
    pub way: Way,
}

/// When backups go to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// When 'holdstill push' says so.
    ByHand,
    /// At the end of each backup, too.
    AfterBackup,
}

/// The way to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A directory of another host, by rsync over ssh.
    Ssh(Account),
    /// A repository of restic's.
    Restic(Repository),
}

impl Check<'_> {
    /// Every place; `state_dir` has the cache where no other directory is named.
    pub(super) fn offsite(
        &mut self,
        all: Vec<Option<raw::Offsite>>,
        state_dir: &Path,
    ) -> Vec<Offsite> {
        let mut places: Vec<Offsite> = Vec::new();
        for (at, raw) in all.into_iter().enumerate() {
            let Some(raw) = raw else { continue };
            let section = format!("offsite[{}]", at + 1);
            let key = |name: &str| format!("{section}.{name}");
            let name = self.place_name(&key("name"), raw.name.as_deref());
            if places.iter().any(|other| other.name == name) {
                let hint = "Each place needs a name of its own.";
                self.complain(&key("name"), format!("there are two places '{name}'"), hint);
            }
            let Some(way) = self.way(&section, &raw, state_dir) else { continue };
            let seconds = self.seconds(&key("seconds_max"), raw.seconds_max, SECONDS_MAX);
            self.bandwidth(&key("bandwidth_max"), raw.bandwidth_max);
            let push = if raw.push == Some(true) { Push::AfterBackup } else { Push::ByHand };
            places.push(Offsite {
                name,
                push,
                ms_max: Millis(seconds.saturating_mul(1000)),
                bandwidth_max: raw.bandwidth_max,
                retention: self.rules(&section, &raw.keep()),
                way,
            });
        }
        places
    }

    fn place_name(&mut self, key: &str, name: Option<&str>) -> String {
        let name = name.unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        if !begins || name.len() > NAME_CHARS_MAX || !name.chars().all(fits) {
            let what = format!(
                "expected a 'name' of 1 to {NAME_CHARS_MAX} small letters, digits, '-' and '_', \
                 found '{name}'"
            );
            self.complain(key, what, "Write, for example: name = \"vault\".");
        }
        name.to_owned()
    }

    fn way(&mut self, section: &str, raw: &raw::Offsite, state_dir: &Path) -> Option<Way> {
        let strange: &[&str] = match raw.kind {
            Some(raw::OffsiteKind::Restic) => &OF_SSH,
            Some(raw::OffsiteKind::Ssh) => &OF_RESTIC,
            None => {
                let hint = "Write: kind = \"restic\", or kind = \"ssh\".";
                self.complain(&format!("{section}.kind"), "expected a value, found none", hint);
                return None;
            }
        };
        let given = raw.given();
        for name in strange.iter().filter(|name| given.contains(name)) {
            let what = format!("'{name}' is of the other kind of place");
            self.complain(&format!("{section}.{name}"), what, "Leave it out.");
        }
        match raw.kind {
            Some(raw::OffsiteKind::Ssh) => Some(Way::Ssh(self.account(section, raw))),
            _ => Some(Way::Restic(self.repository(section, raw, state_dir))),
        }
    }

    fn repository(&mut self, section: &str, raw: &raw::Offsite, state_dir: &Path) -> Repository {
        let optional = |check: &mut Self, name: &str, text: &Option<String>| {
            text.as_ref().map(|text| check.path(&format!("{section}.{name}"), text))
        };
        let options = raw.options.clone().unwrap_or_default();
        let fits = |one: &String| one.contains('=') && !one.contains(char::is_control);
        if let Some(wrong) = options.iter().find(|one| !fits(one)) {
            let what = format!("expected options like 's3.region=eu-1', found '{wrong}'");
            self.complain(&format!("{section}.options"), what, "'restic options' names them.");
        }
        Repository {
            repository_file: self.needed(section, "repository_file", raw.repository_file.as_ref()),
            password_file: self.needed(section, "password_file", raw.password_file.as_ref()),
            credentials_file: optional(self, "credentials_file", &raw.credentials_file),
            cache: optional(self, "cache_directory", &raw.cache_directory)
                .unwrap_or_else(|| state_dir.join("cache")),
            options,
        }
    }

    fn account(&mut self, section: &str, raw: &raw::Offsite) -> Account {
        let port = raw.port.unwrap_or(PORT);
        if port == 0 {
            let key = format!("{section}.port");
            self.complain(&key, "expected 1 to 65535, found 0", "That of ssh is 22.");
        }
        Account {
            host: self.word(section, "host", raw.host.as_ref()),
            port,
            user: self.word(section, "user", raw.user.as_ref()),
            directory: self.needed(section, "directory", raw.directory.as_ref()),
            key_file: self.unquoted(section, "key_file", raw.key_file.as_ref()),
            known_hosts: self.unquoted(section, "known_hosts", raw.known_hosts.as_ref()),
        }
    }

    /// A path that has to be there.
    fn needed(&mut self, section: &str, name: &str, text: Option<&String>) -> PathBuf {
        let key = format!("{section}.{name}");
        if let Some(text) = text {
            return self.path(&key, text);
        }
        let hint = "The shipped 'full.toml' tells what belongs to each kind of place.";
        self.complain(&key, "expected a value, found none", hint);
        PathBuf::new()
    }

    /// The same of a path that ssh is told: it takes quotes apart, and expands some signs.
    fn unquoted(&mut self, section: &str, name: &str, text: Option<&String>) -> PathBuf {
        let path = self.needed(section, name, text);
        let odd = |c: char| c.is_control() || "'\"\\$~%".contains(c);
        if let Some(text) = text.filter(|text| text.contains(odd)) {
            let what = format!("expected a path without quotes and signs of ssh's, found '{text}'");
            self.complain(&format!("{section}.{name}"), what, "Give the file another name.");
        }
        path
    }

    /// A name that is typed as part of a command's word: never an option, nor anything else.
    fn word(&mut self, section: &str, name: &str, text: Option<&String>) -> String {
        let key = format!("{section}.{name}");
        let Some(text) = text else {
            let hint = "The shipped 'full.toml' tells what belongs to each kind of place.";
            self.complain(&key, "expected a value, found none", hint);
            return String::new();
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "_:".contains(c));
        if !begins || !text.chars().all(fits) || (name == "user" && text.contains(':')) {
            let what =
                format!("expected '{name}', a name of letters, digits and '.-_', found '{text}'");
            let hint = "Write, for example: host = \"vault.example.org\", user = \"holdstill\".";
            self.complain(&key, what, hint);
        }
        text.to_owned()
    }
}

/// That it has to be an array of tables.
pub(super) fn not_an_array(text: &str, offset: usize) -> Complaint {
    let hint = "Write it with two brackets on each side, once for each place: [[offsite]].";
    Complaint::new("'offsite' is a list of places", hint).at(text, offset)
}
