//! `holdstill list`, `holdstill show` and `holdstill report`: what is known of the backups. Nothing
//! is touched but the file that a report is written into.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::{ConfigFile, at, destination, linux, read};
use crate::catalog::{self, Catalog};
use crate::check;
use crate::config::{Complaint, Config};
use crate::error::{Code, Stop};
use crate::history::{self, Entry};
use crate::host::dry::DryRun;
use crate::host::{Act, Ask, Host, Kind};
use crate::report::{self, Report};
use crate::shell;
use crate::store::Missing;
use crate::ui;

#[derive(Debug, clap::Args)]
pub(super) struct List {
    #[command(flatten)]
    file: ConfigFile,
    /// Print a JSON array instead of a table.
    #[arg(long)]
    json: bool,
    /// What is at this place under [[offsite]] instead.
    #[arg(long, value_name = "NAME")]
    at: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    file: ConfigFile,
    /// Print one JSON object instead of a text.
    #[arg(long)]
    json: bool,
    /// The backup, by its name or a beginning that only it has; the newest if left out.
    run: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReportOptions {
    #[command(flatten)]
    file: ConfigFile,
    /// Write the page into this file, for its owner alone, instead of to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The backups of the destination, oldest first, if there is such a destination.
pub(super) fn list(options: &List) -> Result<Code, Stop> {
    if let Some(place) = &options.at {
        return at::list(&options.file, place, options.json);
    }
    let (_, catalog) = look(&DryRun(linux()?), &options.file)?;
    ui::show(&if options.json {
        ui::catalog::list_json(&catalog)
    } else {
        ui::catalog::list(&catalog, columns())
    })?;
    Ok(Code::Clean)
}

/// All that is known of one backup.
pub(super) fn show(options: &Show) -> Result<Code, Stop> {
    let (_, catalog) = look(&DryRun(linux()?), &options.file)?;
    let wanted = options.run.as_deref();
    let missing = |why: Missing| usage(why.what(&catalog.directory), why.hint());
    let one = catalog.find(wanted).map_err(missing)?;
    ui::show(&if options.json {
        ui::catalog::show_json(&catalog, one)
    } else {
        ui::catalog::show(&catalog, one, columns())
    })?;
    Ok(Code::Clean)
}

/// One page for a browser.
pub(super) fn report(options: &ReportOptions) -> Result<Code, Stop> {
    let mut host = linux()?;
    if options.output.is_none() && std::io::stdout().is_terminal() {
        let hint = "Run 'holdstill report --output FILE', or let standard output be a file.";
        return Err(usage("a page of HTML is not for a terminal", hint));
    }
    let (config, catalog) = look(&host, &options.file)?;
    let place = options.output.as_deref().map(|path| place(&host, &config, path)).transpose()?;
    let seen = check::look(&host, &config)?;
    let findings = check::judge(&seen, &config.monitoring.limits);
    let all = history::find(&host, &config.state_dir)?;
    let (runs, unreadable) = told(history::of_destination(all, &config.destination.directory));
    let page = report::html(&Report {
        catalog: &catalog,
        findings: &findings,
        runs: &runs,
        unreadable: &unreadable,
    });
    match place {
        None => ui::show(&page)?,
        // It names accounts, hosts and tables: whoever else is to read it is given it.
        Some(path) => drop(host.act(&Act::WriteFile { path, text: page })?),
    }
    Ok(Code::Clean)
}

fn columns() -> Option<usize> {
    ui::Sheet::of_stdout().map(|sheet| sheet.columns)
}

fn look(host: &dyn Host, file: &ConfigFile) -> Result<(Config, Catalog), Stop> {
    let config = read(host, &file.config)?;
    destination(host, &config)?;
    let catalog = catalog::look(host, &config)?;
    Ok((config, catalog))
}

fn told(all: Vec<Result<Entry, String>>) -> (Vec<Entry>, Vec<String>) {
    let (mut runs, mut unreadable) = (Vec::new(), Vec::new());
    for one in all {
        match one {
            Ok(run) => runs.push(run),
            Err(why) => unreadable.push(why),
        }
    }
    (runs, unreadable)
}

fn usage(what: impl Into<String>, hint: impl Into<String>) -> Stop {
    Stop::Usage(vec![Complaint::new(what, hint)])
}

/// Where a report goes, without links in its directory: a directory that is there, nothing of ours,
/// and no file but an earlier report.
fn place(host: &dyn Host, config: &Config, path: &Path) -> Result<PathBuf, Stop> {
    let shown = path.display();
    let (Ok(whole), Some(name)) = (std::path::absolute(path), path.file_name()) else {
        return Err(usage(format!("'{shown}' names no file"), "Name a file behind '--output'."));
    };
    let parent = whole.parent().unwrap_or(Path::new("/"));
    let Some(above) = host.entry(parent)?.filter(|entry| entry.kind == Kind::Directory) else {
        let hint = format!("Run: mkdir --parents {}", shell::path(parent));
        return Err(usage(format!("the directory of '{shown}' is not there"), hint));
    };
    let real = above.real.join(name);
    for (what, ours) in [("backups", &config.destination.directory), ("state", &config.state_dir)] {
        let ours = host.entry(ours)?.map_or_else(|| ours.clone(), |entry| entry.real);
        if real.starts_with(&ours) {
            let what = format!("'{shown}' is among the {what} in '{}'", ours.display());
            return Err(usage(
                what,
                "Name a file elsewhere: what is there is not to be written to.",
            ));
        }
    }
    let is_free = match host.entry(&real)? {
        None => true,
        Some(entry) if entry.kind == Kind::File => {
            // One that is no text is no report either.
            let text = host.file(&real).ok().flatten().unwrap_or_default();
            text.is_empty() || text.starts_with(report::BEGIN)
        }
        Some(_) => false,
    };
    if !is_free {
        let hint = "Name another file, or remove it first.";
        return Err(usage(format!("'{shown}' is there, and is no report"), hint));
    }
    Ok(real)
}
