//! Whether a place can be worked with, before anything is touched and without a network: its
//! programs and its files, and that nobody else can read or change these.

use std::path::Path;

use super::{Programs, Site};
use crate::config::{self, Complaint, Config, Offsite, Way};
use crate::host::{Ask, Host, Kind};
use crate::plan::{self, Refusal};
use crate::shell;
use crate::trust;

/// The longest path of a socket, less what ssh puts behind it meanwhile (`unix(7)`).
const SOCKET_BYTES_MAX: usize = 90;

/// The programs that a place needs.
pub fn programs(place: &Offsite) -> &'static [&'static str] {
    match place.way {
        Way::Ssh(_) => &["ssh", "rsync"],
        Way::Restic(_) => &["env", "restic"],
    }
}

/// Looks at everything that a place names here.
pub fn prepare(host: &dyn Host, config: &Config, place: &Offsite) -> Result<Site, Refusal> {
    let named = |refusal: Refusal| Refusal {
        what: format!("the place '{}': {}", place.name, refusal.what),
        ..refusal
    };
    let programs = match &place.way {
        Way::Ssh(account) => {
            secret(host, &account.key_file, "the private key").map_err(named)?;
            ours(host, &account.known_hosts, "the list of known hosts").map_err(named)?;
            let socket = config.run_dir.join("ssh").join(&place.name);
            if socket.as_os_str().len() > SOCKET_BYTES_MAX {
                let what = format!("'{}' is too long for a socket", socket.display());
                return Err(named(Refusal::new(what, "Name a shorter 'run_dir'.")));
            }
            let find = |name| plan::program(host, name).map_err(named);
            Programs::Ssh { ssh: find("ssh")?, rsync: find("rsync")?, socket }
        }
        Way::Restic(repository) => {
            // An address may have a password in it.
            secret(host, &repository.repository_file, "the repository's address").map_err(named)?;
            secret(host, &repository.password_file, "the repository's password").map_err(named)?;
            if let Some(file) = &repository.credentials_file {
                secret(host, file, "the store's keys").map_err(named)?;
            }
            let find = |name| plan::program(host, name).map_err(named);
            Programs::Restic { env: find("env")?, restic: find("restic")? }
        }
    };
    let us = host.machine()?.host;
    Ok(Site { place: place.clone(), us, programs, priority: config.copy.priority })
}

fn secret(host: &dyn Host, path: &Path, what: &str) -> Result<(), Refusal> {
    config::private(host, path, what)?;
    ours(host, path, what)
}

/// A file that is there, and that nobody else can change or put another one in place of.
fn ours(host: &dyn Host, path: &Path, what: &str) -> Result<(), Refusal> {
    let shown = path.display();
    if host.entry(path)?.is_none_or(|entry| entry.kind != Kind::File) {
        let hint = format!("Look at it: ls -l {}", shell::path(path));
        return Err(Refusal::new(format!("{what} '{shown}' is not there, or no file"), hint));
    }
    match trust::others(host, path)? {
        None => Ok(()),
        Some(others) => {
            let found = format!("{what} '{shown}' can be changed by others: {others}");
            Err(Complaint::new(found, format!("Run: {}", others.command())).into())
        }
    }
}
