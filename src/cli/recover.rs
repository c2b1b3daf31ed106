//! `holdstill recover`: what dead runs left, whatever became of their configuration.

use std::path::Path;

use super::{Ledgers, linux, lock, shown};
use crate::config::{self, StateDir};
use crate::error::{Code, Stop};
use crate::host::linux::service::Service;
use crate::host::{Ask, Host};
use crate::recover;
use crate::textfile;
use crate::ui::{self, Manner, Screen, Streams};

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
    let code = settle(&mut host, path, &from.file.config)?;
    drop(host);
    match (state_dir, code) {
        (StateDir::Assumed(_), Code::Clean) => Ok(Code::Usage),
        (_, code) => Ok(code),
    }
}

fn settle(host: &mut dyn Host, state_dir: &Path, file: &Path) -> Result<Code, Stop> {
    if host.entry(state_dir)?.is_none() {
        ui::tell("nothing to recover\n");
        return Ok(Code::Clean);
    }
    lock(host, state_dir, "a recovery")?;
    let all = recover::recover(host, state_dir)?;
    ui::tell(&ui::recovered(&all));
    if !all.iter().all(|one| one.end.is_clean()) {
        return Ok(Code::FailedLeft);
    }
    tell_prometheus(host, state_dir, file);
    Ok(Code::Clean)
}

/// Nothing is left any more, which monitoring should know, where a configuration says how.
fn tell_prometheus(host: &mut dyn Host, state_dir: &Path, file: &Path) {
    let config = config::load(host, file).ok().filter(|config| config.state_dir == state_dir);
    if let Some(path) = config.and_then(|config| config.monitoring.textfile)
        && let Err(fault) = textfile::refresh(host, state_dir, &path)
    {
        ui::complain(&format!("holdstill: cannot tell Prometheus: {fault}\n"));
    }
}
