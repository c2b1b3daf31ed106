//! `holdstill config check` and `holdstill config show`: looks alone, printed.

use std::path::Path;

use clap::Subcommand;

use super::{ConfigFile, linux};
use crate::config;
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::linux::credentials_directory;
use crate::ui;

/// What is done with a configuration.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check it, and what it names as far as that needs no server; touch nothing.
    Check(ConfigFile),
    /// Show every key with its value, its unit and where it comes from.
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON: "keys" is a list of section, key, value, unit, origin, line and hidden.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command) -> Result<Code, Stop> {
    match command {
        Command::Check(file) => check(&file.config),
        Command::Show { file, json } => show(&file.config, *json),
    }
}

fn check(file: &Path) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let credentials = credentials_directory();
    let seen = config::look_at(&host, file, credentials.as_deref()).map_err(Stop::Usage)?;
    ui::show(&ui::checked(file, &seen))?;
    Ok(Code::Clean)
}

fn show(file: &Path, json: bool) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let credentials = credentials_directory();
    let all = config::show(&host, file, credentials.as_deref()).map_err(Stop::Usage)?;
    ui::show(&if json { config::as_json(file, &all) } else { config::as_toml(file, &all) })?;
    Ok(Code::Clean)
}
