//! The ledger: the claims of one run on disk. Written once, synced, before the first act; dropped
//! once, at the end; never edited. So there is no moment at which it lags behind the machine.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::host::{Act, Ask, Fault, Host};

/// The version this program writes; others are kept and reported, never guessed at.
pub const VERSION: u32 = 1;

/// The claims of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The format's version.
    pub version: u32,
    /// The run.
    pub run: String,
    /// The host it ran on.
    pub host: String,
    /// That host's boot.
    pub boot: String,
    /// The process.
    pub pid: u32,
    /// What it may have left behind, in scope order.
    pub claims: Vec<Claim>,
}

/// The directory of the ledgers below the state directory.
pub fn directory(state_dir: &Path) -> PathBuf {
    state_dir.join("ledger")
}

/// The ledger of a run.
pub fn path(state_dir: &Path, run: &str) -> PathBuf {
    directory(state_dir).join(format!("{run}.json"))
}

/// Writes the ledger; its directory exists.
pub fn save(host: &mut dyn Host, path: &Path, ledger: &Ledger) -> Result<(), Fault> {
    let text = serde_json::to_string_pretty(ledger).map_err(|e| Fault::refused(e.to_string()))?;
    host.act(&Act::WriteFile { path: path.into(), text: text + "\n" }).map(drop)
}

/// Drops the ledger. Idempotent.
pub fn drop_it(host: &mut dyn Host, path: &Path) -> Result<(), Fault> {
    host.act(&Act::RemoveFile(path.into())).map(drop)
}

/// A ledger found on disk.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says, or why it cannot be read.
    pub ledger: Result<Ledger, String>,
}

/// Every ledger of the state directory, oldest run first.
pub fn find(host: &dyn Host, state_dir: &Path) -> Result<Vec<Found>, Fault> {
    let directory = directory(state_dir);
    let mut found = Vec::new();
    for name in host
        .list(&directory)?
        .iter()
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "json"))
    {
        let path = directory.join(name);
        let ledger = match host.file(&path) {
            Ok(text) => parse(&text.unwrap_or_default()),
            Err(fault) => Err(fault.to_string()),
        };
        found.push(Found { path, ledger });
    }
    Ok(found)
}

/// The ledgers that were never finished writing: their runs did nothing.
pub fn unfinished(host: &dyn Host, state_dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let directory = directory(state_dir);
    let names = host.list(&directory)?;
    let cut = names.iter().filter_map(|name| name.strip_suffix(".new"));
    Ok(cut.filter(|name| !names.iter().any(|one| one == name)).map(|n| directory.join(n)).collect())
}

/// Reads a ledger's text.
pub fn parse(text: &str) -> Result<Ledger, String> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let Version { version } =
        serde_json::from_str(text).map_err(|e| format!("it is not a ledger: {e}"))?;
    if version != VERSION {
        return Err(format!("expected ledger version {VERSION}, found version {version}"));
    }
    serde_json::from_str(text).map_err(|e| format!("it is damaged: {e}"))
}
