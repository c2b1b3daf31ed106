//! The file, written whole or not at all, and never over another one.

use std::path::{Path, PathBuf};

use super::quoted;
use crate::error::Stop;
use crate::host::{Act, Ask, Host};
use crate::plan::Refusal;
use crate::trust;

/// What helps where a file cannot be written.
const HINT: &str = "Name another file with '--config FILE', or print it with '--dry-run'.";

/// Whether a configuration can be written: nothing stands there, and nobody else could change it.
pub fn vacant(host: &dyn Host, path: &Path) -> Result<(), Refusal> {
    if path.file_name().is_none() {
        let what = format!("cannot write a configuration to {}", quoted(path));
        return Err(Refusal::new(what, "Name a file with '--config FILE'."));
    }
    if host.entry(path)?.is_some() {
        return Err(taken(path));
    }
    let directory = directory(path);
    let others = directory.map(|directory| trust::others(host, directory)).transpose()?;
    if let Some(others) = others.flatten() {
        let what = format!("a configuration at {} could be changed: {others}", quoted(path));
        return Err(Refusal::new(what, format!("Run: {}", others.command())));
    }
    Ok(())
}

/// Writes a configuration, mode 0600, in a directory that is made with mode 0700 if it is missing.
/// Refused if something stands there by now.
pub fn write(host: &mut dyn Host, path: &Path, text: &str) -> Result<(), Stop> {
    if let Some(directory) = directory(path) {
        host.act(&Act::MakeDir(directory.into())).map_err(Refusal::from)?;
    }
    let beside = beside(path);
    let write = Act::WriteFile { path: beside.clone(), text: text.into() };
    let publish = Act::Publish { from: beside.clone(), to: path.into() };
    if let Err(fault) = host.act(&write).and_then(|_| host.act(&publish)) {
        let _cause_matters_more = host.act(&Act::RemoveFile(beside));
        return Err(match host.entry(path) {
            Ok(Some(_)) => taken(path).into(),
            _ => Refusal::new(fault.to_string(), HINT).into(),
        });
    }
    Ok(())
}

fn taken(path: &Path) -> Refusal {
    let what = format!("{} is there already, and is never overwritten", quoted(path));
    let hint =
        "Look at it with 'holdstill config check', or name another file with '--config FILE'.";
    Refusal::new(what, hint)
}

fn directory(path: &Path) -> Option<&Path> {
    path.parent().filter(|parent| !parent.as_os_str().is_empty())
}

/// Where it is written before it gets its name.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.init"))
}
