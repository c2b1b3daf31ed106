//! Reading the configuration through the host.

use std::path::Path;

use super::{Complaint, Config, SecretIn, parse};
use crate::host::{Ask, Host, Kind};

/// Reads the configuration file; all complaints at once.
pub fn load(host: &dyn Host, path: &Path) -> Result<Config, Vec<Complaint>> {
    let text = read(host, path).map_err(|complaint| vec![complaint])?;
    let config = parse(path, &text).map_err(|all| in_file(path, all))?;
    if config.server.secret == SecretIn::Config {
        private(host, path, "the configuration").map_err(|complaint| vec![complaint])?;
    }
    Ok(config)
}

/// Where there is a line and a column, the file belongs to them.
fn in_file(path: &Path, complaints: Vec<Complaint>) -> Vec<Complaint> {
    let name = |mut one: Complaint| {
        one.file = Some(path.into());
        one
    };
    complaints.into_iter().map(name).collect()
}

fn read(host: &dyn Host, path: &Path) -> Result<String, Complaint> {
    let shown = path.display();
    let hint = "Begin with the shipped 'minimal.toml', and name it with '--config FILE'.";
    let unread = |why: String| Complaint::new(format!("cannot read '{shown}': {why}"), hint);
    match host.file(path) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(unread("there is no such file".into())),
        Err(fault) => Err(unread(fault.to_string())),
    }
}

/// Whether a file that holds a password is kept from others; `what` names it in the complaint.
pub(super) fn private(host: &dyn Host, path: &Path, what: &str) -> Result<(), Complaint> {
    let shown = path.display();
    let looked = host.entry(path).and_then(|entry| Ok((entry, host.machine()?.uid)));
    let (entry, us) = looked.map_err(|fault| {
        Complaint::new(fault.to_string(), format!("Look at it with 'stat {shown}'."))
    })?;
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
            format!("{what} '{shown}' holds a password and is open to others (mode {mode:04o})");
        return Err(Complaint::new(found, format!("Run 'chmod 0600 {shown}'.")));
    }
    if entry.uid != 0 && entry.uid != us {
        let found = format!("{what} '{shown}' holds a password and belongs to user {}", entry.uid);
        return Err(Complaint::new(found, format!("Run 'chown root {shown}'.")));
    }
    Ok(())
}
