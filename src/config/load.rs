//! Reading the configuration through the host.

use std::path::{Path, PathBuf};

use super::{Complaint, Config, SecretIn, check, parse};
use crate::host::{Ask, Entry, Fault, Host, Kind};
use crate::shell;
use crate::trust;

/// Reads the configuration file; all complaints at once.
pub fn load(host: &dyn Host, path: &Path) -> Result<Config, Vec<Complaint>> {
    let text = read(host, path).map_err(|complaint| vec![complaint])?;
    let config = parse(path, &text).map_err(|all| in_file(path, all))?;
    if config.server.secret == SecretIn::Config {
        private(host, path, "the configuration").map_err(|complaint| vec![complaint])?;
    }
    Ok(config)
}

/// Where the ledgers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateDir {
    /// As the configuration says, or as it leaves it.
    Told(PathBuf),
    /// At the usual place, since the configuration could not be asked: it may say otherwise.
    Assumed(PathBuf),
}

/// Where the ledgers are, and what is wrong with the configuration otherwise: what a dead run left
/// has to be settled whatever became of its configuration.
pub fn state_dir(host: &dyn Host, path: &Path) -> (StateDir, Vec<Complaint>) {
    match read(host, path) {
        Ok(text) => {
            let complaints = parse(path, &text).err().unwrap_or_default();
            let told = check::state_dir(&text).map(StateDir::Told);
            let default = StateDir::Assumed(check::STATE_DIR.into());
            match (told, complaints.is_empty()) {
                (Some(told), _) => (told, in_file(path, complaints)),
                (None, true) => (StateDir::Told(check::STATE_DIR.into()), complaints),
                (None, false) => (default, in_file(path, complaints)),
            }
        }
        Err(complaint) => (StateDir::Assumed(check::STATE_DIR.into()), vec![complaint]),
    }
}

/// Where there is a line and a column, the file belongs to them.
pub(super) fn in_file(path: &Path, complaints: Vec<Complaint>) -> Vec<Complaint> {
    let name = |mut one: Complaint| {
        one.file = Some(path.into());
        one
    };
    complaints.into_iter().map(name).collect()
}

fn read(host: &dyn Host, path: &Path) -> Result<String, Complaint> {
    let text = text(host, path)?;
    ours(host, path).map(|()| text)
}

/// The file's text, whoever can change it.
pub(super) fn text(host: &dyn Host, path: &Path) -> Result<String, Complaint> {
    let shown = path.display();
    match host.file(path) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => {
            let found = format!("cannot read '{shown}': there is no such file");
            let hint =
                "Run 'holdstill init' to have one written, or name yours with '--config FILE'.";
            Err(Complaint::new(found, hint))
        }
        Err(fault) => {
            let hint = if host.machine().is_ok_and(|machine| machine.uid == 0) {
                format!("Look at it with 'stat {shown}'.")
            } else {
                "Run it as root.".into()
            };
            Err(Complaint::new(fault.to_string(), hint))
        }
    }
}

/// Whether nobody else can change the configuration, or put another one in its place.
pub(super) fn ours(host: &dyn Host, path: &Path) -> Result<(), Complaint> {
    let shown = path.display();
    let others = trust::others(host, path).map_err(|fault| unseen(path, &fault))?;
    others.map_or(Ok(()), |others| {
        let found = format!("the configuration '{shown}' can be changed by others: {others}");
        Err(Complaint::new(found, format!("Run: {}", others.command())))
    })
}

/// What stands at a path, and who we are.
fn looked_at(host: &dyn Host, path: &Path) -> Result<(Option<Entry>, u32), Complaint> {
    let looked = host.entry(path).and_then(|entry| Ok((entry, host.machine()?.uid)));
    looked.map_err(|fault| unseen(path, &fault))
}

pub(super) fn unseen(path: &Path, fault: &Fault) -> Complaint {
    Complaint::new(fault.to_string(), format!("Look at it: stat {}", shell::path(path)))
}

/// Whether a file that holds a secret is kept from others; `what` names it in the complaint.
pub fn private(host: &dyn Host, path: &Path, what: &str) -> Result<(), Complaint> {
    let shown = path.display();
    let (entry, us) = looked_at(host, path)?;
    let Some(entry) = entry.filter(|entry| entry.kind == Kind::File) else {
        let hint = format!("Make '{shown}' with mode 0600, or name another file.");
        return Err(Complaint::new(
            format!("{what} '{shown}' is not there, or is not a file"),
            hint,
        ));
    };
    if entry.mode & 0o077 != 0 {
        let mode = entry.mode & 0o7777;
        let found =
            format!("{what} '{shown}' holds a secret and is open to others (mode {mode:04o})");
        return Err(Complaint::new(found, format!("Run: chmod 0600 {}", shell::path(path))));
    }
    if entry.uid != 0 && entry.uid != us {
        let found = format!("{what} '{shown}' holds a secret and belongs to user {}", entry.uid);
        return Err(Complaint::new(found, format!("Run: chown root {}", shell::path(path))));
    }
    Ok(())
}
