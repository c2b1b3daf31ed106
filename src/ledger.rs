//! The ledger: the claims of one run on disk. Written once, synced, before the first act; dropped
//! once, at the end; never edited. So there is no moment at which it lags behind the machine.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::host::{Act, Ask, Fault, Host, UNFINISHED};
use crate::trust;

/// The version this program writes; others are kept and reported, never guessed at.
pub const VERSION: u32 = 1;

/// What a ledger's name has behind it where it is noted that the run let the server go.
const RESUMED: &str = ".resumed";

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

impl Ledger {
    /// Where the run's backup was to go.
    pub fn destination(&self) -> Option<&Path> {
        self.claims.iter().find_map(|claim| match claim {
            Claim::Partial { directory, .. } => directory.parent(),
            _ => None,
        })
    }
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

/// Where it is noted that a run let the server go, beside its ledger, which is never edited.
pub fn resumed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(RESUMED);
    name.into()
}

/// Notes that the server goes on as it did before the run. From then on the appliers are their
/// owner's: one that is found stopped hours later was stopped by somebody else.
pub fn note_resumed(host: &mut dyn Host, path: &Path) -> Result<(), Fault> {
    host.act(&Act::WriteFile { path: resumed(path), text: String::new() }).map(drop)
}

/// Drops the ledger, and then the note beside it. Idempotent.
pub fn drop_it(host: &mut dyn Host, path: &Path) -> Result<(), Fault> {
    host.act(&Act::RemoveFile(path.into()))?;
    host.act(&Act::RemoveFile(resumed(path))).map(drop)
}

/// A ledger found on disk.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What it says, or why it cannot be read.
    pub ledger: Result<Ledger, String>,
}

/// Every ledger of the state directory, oldest run first. A ledger names commands that are run as
/// root, so none is read from where others could have put it.
pub fn find(host: &dyn Host, state_dir: &Path) -> Result<Vec<Found>, Fault> {
    let directory = directory(state_dir);
    let mut found = Vec::new();
    let others = trust::others(host, &directory)?;
    for name in host
        .list(&directory)?
        .iter()
        .filter(|name| Path::new(name).extension().is_some_and(|end| end == "json"))
    {
        let path = directory.join(name);
        let others = match &others {
            None => trust::here(host, &path)?,
            known => known.clone(),
        };
        let ledger = match others {
            Some(others) => {
                Err(format!("{others}: look at the ledger, then run: {}", others.command()))
            }
            None => host
                .file(&path)
                .map_err(|fault| fault.to_string())
                .and_then(|text| parse(&text.unwrap_or_default())),
        };
        found.push(Found { path, ledger });
    }
    Ok(found)
}

/// Removes what belongs to no whole ledger: of a run that died while it wrote its ledger, and had
/// done nothing else yet, or while it dropped it, and had nothing left.
pub fn remove_strays(host: &mut dyn Host, state_dir: &Path) -> Result<(), Fault> {
    let directory = directory(state_dir);
    if trust::others(host, &directory)?.is_some() {
        return Ok(());
    }
    let names = host.list(&directory)?;
    let is_there = |whole: &str| names.iter().any(|name| name == whole);
    for name in &names {
        let whole = name.strip_suffix(UNFINISHED).unwrap_or(name);
        let ledger = whole.strip_suffix(RESUMED).unwrap_or(whole);
        if ledger != name && !is_there(ledger) {
            // Removing a file takes along what an interrupted write left of it.
            host.act(&Act::RemoveFile(directory.join(whole)))?;
        }
    }
    Ok(())
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
