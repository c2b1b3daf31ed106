//! `holdstill audit` and `holdstill list`: looks alone, printed.

use std::path::Path;

use super::{linux, login, read};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::{ledger, plan, store, ui};

/// The plan and what was found, printed; every act is refused by the decorator.
pub(super) fn audit(file: &Path) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, file)?;
    let login = login(&host, &config)?;
    let dead = ledger::find(&host, &config.state_dir)?;
    let plan = plan::make::plan(&host, &config, &login)?;
    ui::tell(&ui::audit(&plan, &dead));
    Ok(Code::Clean)
}

/// The backups of the destination, oldest first.
pub(super) fn list(file: &Path) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, file)?;
    ui::tell(&ui::list(&store::list(&host, &config.destination.directory)?));
    Ok(Code::Clean)
}
