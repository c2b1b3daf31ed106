//! `holdstill recover`: what dead runs left, whatever became of their configuration.

use std::path::Path;

use super::{Ledgers, drill, linux, lock, shown};
use crate::aftermath;
use crate::config::{self, StateDir};
use crate::error::{Code, Stop};
use crate::host::linux::service::Service;
use crate::host::{Ask, Host};
use crate::recover;
use crate::ui::{self, Manner, Screen, Streams};

/// Who has settled a run, as the history tells it.
const BY: &str = "'holdstill recover'";

/// Settles every dead run; 6 if something is left. A ledger says by itself what is to be done, so
/// a configuration that cannot be read does not stop it; but then it is never a success, since the
/// ledgers may be elsewhere.
pub(super) fn recover(from: &Ledgers) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, linux()?);
    let (state_dir, complaints) = match &from.state_dir {
        Some(told) => (StateDir::Told(told.clone()), Vec::new()),
        None => config::state_dir(&host, &from.file.config),
    };
    let (StateDir::Told(path) | StateDir::Assumed(path)) = &state_dir;
    if !complaints.is_empty() {
        ui::complain(&Stop::Usage(complaints).message());
        ui::complain(&format!("settling what is in '{}' all the same\n", path.display()));
    }
    // Whoever names the directory wants no configuration read.
    let file = from.state_dir.is_none().then_some(from.file.config.as_path());
    let code = settle(&mut host, path, file)?;
    drop(host);
    match (state_dir, code) {
        (StateDir::Assumed(_), Code::Clean) => Ok(Code::Usage),
        (_, code) => Ok(code),
    }
}

fn settle(host: &mut dyn Host, state_dir: &Path, file: Option<&Path>) -> Result<Code, Stop> {
    if host.entry(state_dir)?.is_none() {
        ui::tell("nothing to recover\n");
        return Ok(Code::Clean);
    }
    lock(host, state_dir, recover::RECOVERY)?;
    let all = recover::recover(host, state_dir)?;
    ui::tell(&ui::recovered(&all));
    // Only where it can be read and is the one that these runs had.
    let config = file.and_then(|file| config::load(host, file).ok());
    let config = config.filter(|config| config.state_dir == state_dir);
    for one in aftermath::of_recovery(host, state_dir, config.as_ref(), &all, BY) {
        ui::complain(&format!("holdstill: {one}\n"));
    }
    drill::settle(host, state_dir);
    let clean = all.iter().all(|one| one.end.is_clean());
    Ok(if clean { Code::Clean } else { Code::FailedLeft })
}
