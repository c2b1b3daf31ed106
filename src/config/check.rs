//! From the file as typed to what is meant: defaults, limits, and everything that may not be.

use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use toml::de::DeTable;

use super::raw::{self, Raw};
use super::{
    Complaint, Config, Destination, Freeze, Lock, Replica, SecretIn, Server, Size, Snapshot,
};
use crate::host::{Reach, Tls};
use crate::units::{Bytes, Millis};

pub(super) const STATE_DIR: &str = "/var/lib/holdstill";
const RUN_DIR: &str = "/run/holdstill";
const PORT: u16 = 3306;
const CONNECT_MS_MAX: Millis = Millis(10_000);
const WAIT_MS_MAX: Millis = Millis(10_000);
const HOLD_MS_MAX: Millis = Millis(30_000);
const TRIES_MAX: u32 = 3;
const PAUSE_MS: Millis = Millis(2_000);
const STOP_MS_MAX: Millis = Millis(60_000);
const LONG_STATEMENT_S_MIN: u64 = 5;
const LONG_WAIT_MS_MAX: Millis = Millis(60_000);
const KILL_SELECT_S_MIN: u64 = 60;
/// The size of a COW store, if nothing else is said.
pub const SIZE: Size = Size::Percent(20);
const COW_EXTEND_MAX: Size = Size::Percent(100);
const COW_PERCENT_EXTEND: u32 = 70;
const COW_PERCENT_STOP: u32 = 95;
const POOL_PERCENT_MAX: u32 = 80;
const POOL_PERCENT_STOP: u32 = 90;

/// The most tries that make sense.
const TRIES_MOST: u32 = 20;

/// No limit may be longer than a week: a larger number is a slip of the unit.
const MS_MAX: Millis = Millis(7 * 86_400_000);

/// Reads a configuration's text; `path` is where it came from. All complaints at once.
pub fn parse(path: &Path, text: &str) -> Result<Config, Vec<Complaint>> {
    let (config, complaints) = read(path, text);
    if complaints.is_empty() { Ok(config) } else { Err(complaints) }
}

/// The same, where what is right is of use beside what is wrong.
pub(super) fn read(path: &Path, text: &str) -> (Config, Vec<Complaint>) {
    let mut complaints = Vec::new();
    let raw = raw::read(text, &mut complaints);
    let typed_well = complaints.is_empty();
    let mut check = Check { text, complaints, typed_well };
    let config = check.config(path, raw);
    check.complaints.sort_by_key(|complaint| complaint.at);
    (config, check.complaints)
}

/// Where the ledgers are, whatever else a text says; nothing if it does not say so, or not well.
pub(super) fn state_dir(text: &str) -> Option<PathBuf> {
    let raw = raw::read(text, &mut Vec::new());
    let mut check = Check { text, complaints: Vec::new(), typed_well: true };
    let found = check.path("state_dir", &raw.top.state_dir?);
    check.complaints.is_empty().then_some(found)
}

/// What is typed, on its way to what is meant.
pub(super) struct Check<'a> {
    text: &'a str,
    complaints: Vec<Complaint>,
    typed_well: bool,
}

impl Check<'_> {
    fn config(&mut self, path: &Path, raw: Raw) -> Config {
        let state_dir = self.path_or("state_dir", raw.top.state_dir, STATE_DIR);
        Config {
            path: path.into(),
            offsite: self.offsite(raw.offsite, &state_dir),
            state_dir,
            run_dir: self.path_or("run_dir", raw.top.run_dir, RUN_DIR),
            server: self.server(raw.server),
            lock: self.lock(&raw.lock),
            replica: self.replica(&raw.replica),
            snapshot: self.snapshot(&raw.snapshot),
            copy: self.copy(&raw.copy),
            destination: self.destination(raw.destination.directory),
            retention: self.rules("retention", &raw.retention),
            drill: self.drill(raw.drill),
            hooks: self.hooks(raw.hooks),
            monitoring: self.monitoring(&raw.monitoring),
        }
    }

    fn lock(&mut self, raw: &raw::Lock) -> Lock {
        Lock {
            wait_ms_max: self.limit("lock.wait_ms_max", raw.wait_ms_max, WAIT_MS_MAX),
            hold_ms_max: self.limit("lock.hold_ms_max", raw.hold_ms_max, HOLD_MS_MAX),
            freeze: raw.freeze.unwrap_or(Freeze::Auto),
            kind: raw.kind.unwrap_or_default(),
            when: raw.when.unwrap_or_default(),
            tries_max: self.tries(raw.tries_max),
            pause_ms: self.limit("lock.pause_ms", raw.pause_ms, PAUSE_MS),
            long_statements: raw.long_statements.unwrap_or_default(),
            long_statement_s_min: self.seconds(
                "lock.long_statement_s_min",
                raw.long_statement_s_min,
                LONG_STATEMENT_S_MIN,
            ),
            long_wait_ms_max: self.limit(
                "lock.long_wait_ms_max",
                raw.long_wait_ms_max,
                LONG_WAIT_MS_MAX,
            ),
            kill_select_s_min: self.seconds(
                "lock.kill_select_s_min",
                raw.kill_select_s_min,
                KILL_SELECT_S_MIN,
            ),
        }
    }

    fn replica(&mut self, raw: &raw::Replica) -> Replica {
        Replica {
            stop_ms_max: self.limit("replica.stop_ms_max", raw.stop_ms_max, STOP_MS_MAX),
            keep_replication_stopped: raw.keep_replication_stopped.unwrap_or_default(),
        }
    }

    fn server(&mut self, raw: raw::Server) -> Server {
        Server {
            reach: self.reach(&raw),
            secret: self.secret(&raw),
            user: raw.user,
            connect_ms_max: self.limit("server.connect_ms_max", raw.connect_ms_max, CONNECT_MS_MAX),
        }
    }

    fn reach(&mut self, raw: &raw::Server) -> Option<Reach> {
        match (&raw.socket, &raw.host) {
            (Some(_), Some(_)) => {
                let hint = "Keep the socket if the server is on this machine.";
                self.complain("server.host", "'socket' and 'host' exclude each other", hint);
                None
            }
            (Some(socket), None) => {
                self.only_with_host(raw);
                Some(Reach::Socket(self.path("server.socket", socket)))
            }
            (None, Some(host)) => Some(self.tcp(host, raw)),
            (None, None) => {
                self.only_with_host(raw);
                None
            }
        }
    }

    /// TCP is encrypted unless the operator says otherwise in so many words: over plain TCP the
    /// client would encrypt the password to whatever key its peer sends.
    fn tcp(&mut self, host: &str, raw: &raw::Server) -> Reach {
        let ca = raw.tls_ca.as_ref().map(|path| self.path("server.tls_ca", path));
        let tls = match (raw.tls, ca) {
            (Some(raw::Tls::Verified) | None, Some(ca)) => {
                self.named(host);
                Tls::Verified(ca)
            }
            (Some(raw::Tls::Verified), None) => {
                let hint = "Name the authority's certificate file with 'tls_ca'.";
                self.complain("server.tls", "'tls = \"verified\"' needs 'tls_ca'", hint);
                Tls::Encrypted
            }
            (Some(raw::Tls::Required) | None, None) => Tls::Encrypted,
            (Some(raw::Tls::Off), None) => Tls::Off,
            (Some(_), Some(_)) => {
                let hint = "Write 'tls = \"verified\"', or leave 'tls_ca' out.";
                self.complain("server.tls_ca", "'tls_ca' would not be used", hint);
                Tls::Encrypted
            }
        };
        Reach::Tcp { host: host.to_owned(), port: raw.port.unwrap_or(PORT), tls }
    }

    /// rustls checks a name against the certificate, not an address.
    fn named(&mut self, host: &str) {
        if host.parse::<IpAddr>().is_ok() {
            let what = format!("cannot verify the certificate of an address, '{host}'");
            let hint = "Write the host name that the server's certificate is made out to.";
            self.complain("server.host", what, hint);
        }
    }

    fn only_with_host(&mut self, raw: &raw::Server) {
        let given = [
            ("port", raw.port.is_some()),
            ("tls", raw.tls.is_some()),
            ("tls_ca", raw.tls_ca.is_some()),
        ];
        for (key, _) in given.into_iter().filter(|(_, given)| *given) {
            let hint = "Name the server's host, or leave the key out.";
            self.complain(
                &format!("server.{key}"),
                format!("'{key}' needs 'host' in [server]"),
                hint,
            );
        }
    }

    fn secret(&mut self, raw: &raw::Server) -> SecretIn {
        let given = [raw.option_file.is_some(), raw.password.is_some(), raw.credential.is_some()];
        if given.iter().filter(|one| **one).count() > 1 {
            let what = "'option_file', 'password' and 'credential' exclude each other";
            self.complain("server.password", what, "Keep one of them.");
        }
        if let Some(path) = &raw.option_file {
            return SecretIn::OptionFile(self.path("server.option_file", path));
        }
        if let Some(name) = &raw.credential {
            return SecretIn::Credential(self.credential(name));
        }
        if raw.password.is_some() { SecretIn::Config } else { SecretIn::Nothing }
    }

    fn credential(&mut self, name: &str) -> String {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            let what = format!("expected the name of a credential, found '{name}'");
            let hint = "It is the part before the colon in LoadCredential=NAME:PATH.";
            self.complain("server.credential", what, hint);
        }
        name.to_owned()
    }

    fn destination(&mut self, directory: Option<String>) -> Destination {
        if let Some(directory) = directory {
            return Destination { directory: self.path("destination.directory", &directory) };
        }
        if self.typed_well {
            let hint = "Write, for example: [destination] directory = \"/backup\".";
            self.complaints.push(Complaint::new("no 'directory' in [destination]", hint));
        }
        Destination { directory: PathBuf::new() }
    }

    fn path_or(&mut self, key: &str, text: Option<String>, default: &str) -> PathBuf {
        text.map_or_else(|| default.into(), |text| self.path(key, &text))
    }

    pub(super) fn path(&mut self, key: &str, text: &str) -> PathBuf {
        let path = Path::new(text);
        let back = path.components().any(|part| part == Component::ParentDir);
        if !path.is_absolute() || back || text.contains(['\0', '\n']) {
            let what = format!("expected an absolute path without '..', found '{text}'");
            self.complain(key, what, "Write the whole path, from '/'.");
        }
        path.components().collect()
    }

    pub(super) fn limit(&mut self, key: &str, given: Option<Millis>, default: Millis) -> Millis {
        let limit = given.unwrap_or(default);
        if limit.0 == 0 || limit > MS_MAX {
            let what = format!("expected 1 to {} milliseconds, found {}", MS_MAX.0, limit.0);
            self.complain(key, what, "Every limit is a number of milliseconds above zero.");
        }
        limit
    }

    /// An age from which on something is done. The server counts it in whole seconds, and every
    /// statement is 0 seconds old at first.
    pub(super) fn seconds(&mut self, key: &str, given: Option<u64>, default: u64) -> u64 {
        let (age, most) = (given.unwrap_or(default), MS_MAX.0 / 1000);
        if !(1..=most).contains(&age) {
            let what = format!("expected 1 to {most} seconds, found {age}");
            self.complain(key, what, "It is a number of seconds above zero.");
        }
        age
    }

    /// More tries than a few only stall clients again and again.
    fn tries(&mut self, given: Option<u32>) -> u32 {
        let tries = given.unwrap_or(TRIES_MAX);
        if !(1..=TRIES_MOST).contains(&tries) {
            let what = format!("expected 1 to {TRIES_MOST} tries, found {tries}");
            self.complain("lock.tries_max", what, "Each try may stall clients: keep them few.");
        }
        tries
    }

    fn snapshot(&mut self, raw: &raw::Snapshot) -> Snapshot {
        // A pool that may be as full at the beginning as at the end would leave no room for a copy.
        let (pool_percent_max, pool_percent_stop) = self.percents(
            [("pool_percent_max", POOL_PERCENT_MAX), ("pool_percent_stop", POOL_PERCENT_STOP)],
            [raw.pool_percent_max, raw.pool_percent_stop],
        );
        let (cow_percent_extend, cow_percent_stop) = self.percents(
            [("cow_percent_extend", COW_PERCENT_EXTEND), ("cow_percent_stop", COW_PERCENT_STOP)],
            [raw.cow_percent_extend, raw.cow_percent_stop],
        );
        Snapshot {
            size: self.size("snapshot.size", raw.size.unwrap_or(SIZE)),
            cow_extend_max: self
                .size("snapshot.cow_extend_max", raw.cow_extend_max.unwrap_or(COW_EXTEND_MAX)),
            cow_percent_extend,
            cow_percent_stop,
            pool_percent_max,
            pool_percent_stop,
        }
    }

    /// Two percentages, the second of which has to be more than the first; each by its name and
    /// default.
    fn percents(&mut self, keys: [(&str, u32); 2], given: [Option<u32>; 2]) -> (u32, u32) {
        let names = keys.map(|(name, _)| format!("snapshot.{name}"));
        let less = self.percent(&names[0], given[0], keys[0].1);
        let more = self.percent(&names[1], given[1], keys[1].1);
        if more <= less {
            let what = format!("expected more than '{}' ({less}), found {more}", keys[0].0);
            let key = if given[1].is_some() { &names[1] } else { &names[0] };
            self.complain(key, what, "Between the two is the room for what is written meanwhile.");
        }
        (less, more)
    }

    fn percent(&mut self, key: &str, given: Option<u32>, default: u32) -> u32 {
        let percent = given.unwrap_or(default);
        if !(1..=99).contains(&percent) {
            let what = format!("expected 1 to 99 percent, found {percent}");
            let hint = "What is full is lost, and a full pool stops the server: leave room.";
            self.complain(key, what, hint);
        }
        percent
    }

    fn size(&mut self, key: &str, size: Size) -> Size {
        if matches!(size, Size::Percent(0 | 101..) | Size::Amount(Bytes(0))) {
            let what = "expected 1 to 100 percent, or an amount above zero";
            let hint = "A COW store never needs more than the size of its origin.";
            self.complain(key, what, hint);
        }
        size
    }

    /// Complains about a key that was typed well but cannot be meant.
    pub(super) fn complain(&mut self, key: &str, what: impl Into<String>, hint: &str) {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let what = what.into();
        let said =
            if what.contains(&format!("'{name}'")) { what } else { format!("{key}: {what}") };
        let complaint = Complaint::new(said, hint);
        self.complaints.push(match place(self.text, section, name) {
            Some(offset) => complaint.at(self.text, offset),
            None => complaint,
        });
    }
}

/// Where a key stands in the text.
pub(super) fn place(text: &str, section: &str, name: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let table = match section {
        "" => table.get_ref(),
        _ if section.starts_with(raw::OFFSITE) => {
            // `offsite[1]` is the first place; a key that is not there is told by its heading.
            let number = section.trim_end_matches(']').split_once('[')?.1;
            let all = table.get_ref().get(raw::OFFSITE)?.get_ref().as_array()?;
            all.get(number.parse::<usize>().ok()?.checked_sub(1)?)?.get_ref().as_table()?
        }
        _ => table.get_ref().get(section)?.get_ref().as_table()?,
    };
    table.keys().find(|key| key.get_ref() == name).map(|key| key.span().start)
}
