//! Stub.
use crate::host::{Host, Login};
use crate::plan::Refusal;
use std::path::{Path, PathBuf};
/// c
#[derive(Debug)]
pub struct Config {
    /// s
    pub state_dir: PathBuf,
    /// d
    pub destination: Destination,
}
/// d
#[derive(Debug)]
pub struct Destination {
    /// d
    pub directory: PathBuf,
}
/// r
pub fn read(_: &dyn Host, _: &Path) -> Result<Config, Vec<Refusal>> {
    Err(vec![])
}
/// l
pub fn login(_: &dyn Host, _: &Config, _: &Path) -> Result<Login, Vec<Refusal>> {
    Err(vec![])
}
