//! `holdstill restore`: a backup becomes a data directory again.

use std::path::{Path, PathBuf};

use super::table::{Acting, Telling, Wanted};
use super::{ConfigFile, destination, keep, linux, machine, read, shown, table, tell};
use crate::config::{self, Config};
use crate::database::attach::Account;
use crate::drill::{PrivateServers, TableName};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::linux::service::Service;
use crate::host::{Act, Ask, Host, Secret};
use crate::locks;
use crate::memory::{self, Finding, How, PROBLEMS_MAX};
use crate::plan::Refusal;
use crate::restore::make::{self, Shelf};
use crate::restore::{self, Apply, Asked, Damage, Identity, Outcome, Plan};
use crate::ui::{self, Manner, Screen, Streams};
use crate::units::Millis;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch that is typed")]
pub(super) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// Which: a run's id or a beginning of one, 'newest', or the path of a backup.
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// What becomes the data directory: an empty directory, or one that is not there yet.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Where another directory of the backup goes, such as 'tree.2=/srv/undo'. Repeatable.
    #[arg(long, value_name = "NAME=DIR", value_parser = tree)]
    tree: Vec<(PathBuf, PathBuf)>,
    /// Leave out a directory of the backup, such as 'tree.2'. Repeatable.
    #[arg(long, value_name = "NAME")]
    without: Vec<PathBuf>,
    /// Give all files to this user, by name or number; as in the backup if left out.
    #[arg(long, value_name = "USER[:GROUP]")]
    owner: Option<String>,
    /// Take one table of InnoDB out, as 'database.table': a private server recovers a throw-away
    /// copy, and its files come into DIR, with what another server is to be told to import them.
    #[arg(long, value_name = "TABLE", value_parser = TableName::parse, conflicts_with_all =
        ["tree", "without", "owner", "keep_uuid", "write_statements", "prepare", "apply",
        "source_login"])]
    table: Option<TableName>,
    /// Restore auto.cnf, too: the server that was backed up is gone and this one takes its place.
    #[arg(long)]
    keep_uuid: bool,
    /// Restore a damaged or unproven backup, and tell what is damaged.
    #[arg(long)]
    damaged: bool,
    /// Write the statements that make it a replica to a new file, instead of printing them.
    #[arg(long, value_name = "FILE")]
    write_statements: Option<PathBuf>,
    /// Have a private server do the recovery and shut it down, so that the next one starts at once.
    #[arg(long)]
    prepare: bool,
    /// Have that server told whose replica it is, too; replication is not started. Implies
    /// '--prepare'.
    #[arg(long, conflicts_with = "write_statements")]
    apply: bool,
    /// The account on the source, and its host if the backup is of the source: an option file of
    /// root's alone with 'user', 'password', 'host' and 'port' below [client].
    #[arg(long, value_name = "FILE", requires = "apply")]
    source_login: Option<PathBuf>,
    /// Show what would be restored and where to, and touch nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object instead of a text.
    #[arg(long)]
    json: bool,
}

fn tree(text: &str) -> Result<(PathBuf, PathBuf), String> {
    match text.split_once('=') {
        Some((name, to)) if !name.is_empty() && !to.is_empty() => Ok((name.into(), to.into())),
        _ => {
            Err("expected a directory of the backup and one to restore it to: tree.2=/srv/undo"
                .into())
        }
    }
}

impl Options {
    fn asked(&self) -> Asked {
        let plain = |path: &PathBuf| path.components().collect::<PathBuf>();
        Asked {
            backup: self.backup.clone(),
            to: plain(&self.to),
            trees: self.tree.iter().map(|(from, to)| (plain(from), plain(to))).collect(),
            without: self.without.iter().map(plain).collect(),
            owner: self.owner.clone(),
            identity: self.identity(),
            damage: if self.damaged { Damage::Taken } else { Damage::Refused },
            statements: self.write_statements.clone(),
        }
    }

    fn identity(&self) -> Identity {
        if self.keep_uuid { Identity::Kept } else { Identity::New }
    }
}

/// The plan; then, unless it is only asked, the restore.
pub(super) fn restore(options: &Options) -> Result<Code, Stop> {
    if let Some(name) = &options.table {
        return table::table(&Wanted {
            file: &options.file,
            asked: &options.asked(),
            table: name,
            telling: if options.json { Telling::Json } else { Telling::Text },
            act: if options.dry_run { Acting::OnlyTell } else { Acting::Do },
        });
    }
    if options.dry_run {
        let host = DryRun(linux()?);
        let plan = plan(&host, options, configured(&host, options)?.as_ref())?;
        ui::show(&if options.json {
            ui::restore_json(&plan, options.identity(), None)
        } else {
            ui::restore_plan(&plan, options.identity()) + "nothing was touched\n"
        })?;
        return Ok(Code::Clean);
    }
    if options.json {
        return whole(&mut machine()?, options);
    }
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    whole(&mut shown(&screen, machine()?), options)
}

fn whole(host: &mut dyn Host, options: &Options) -> Result<Code, Stop> {
    let config = configured(host, options)?;
    // First by looking alone: what is refused is refused before anything is touched.
    plan(host, options, config.as_ref())?;
    if let Some(config) = &config {
        let who = format!("a restore of backup '{}'", options.backup);
        keep(host, &config.state_dir, locks::RESTORE, &who);
    }
    let plan = plan(host, options, config.as_ref())?;
    if !options.json {
        ui::tell(&ui::restore_plan(&plan, options.identity()));
    }
    let mut lines = ui::RestoreTold::default();
    let outcome = restore::restore(host, &plan, &mut |event| {
        if let Some(line) = lines.line(event).filter(|_| !options.json) {
            ui::tell(&line);
        }
    });
    let written = write_statements(host, &plan, &outcome);
    if let Some(config) = &config {
        tell(&remember(host, config, &plan, &outcome));
    }
    if options.json {
        ui::tell(&ui::restore_json(&plan, options.identity(), Some(&outcome)));
    } else {
        ui::tell(&ui::restored(&plan, options.identity(), &outcome));
    }
    ui::complain(&ui::restore_trouble(&plan, &outcome));
    tell(&written);
    Ok(if written.is_empty() { code(&outcome) } else { Code::Unexpected })
}

/// The configuration. Who names a path needs none: on a new host there may be nothing but the disk
/// with the backups.
fn configured(host: &dyn Host, options: &Options) -> Result<Option<Config>, Stop> {
    let file = &options.file.config;
    if options.backup.contains('/') && matches!(host.entry(file), Ok(None)) {
        return Ok(None);
    }
    read(host, file).map(Some)
}

fn plan(host: &dyn Host, options: &Options, config: Option<&Config>) -> Result<Plan, Stop> {
    let mut shelf = None;
    if let Some(config) = config {
        if !options.backup.contains('/') {
            destination(host, config)?;
        }
        let (destination, state_dir) = (&config.destination.directory, &config.state_dir);
        shelf = Some(Shelf { destination, state_dir });
    }
    let mut plan = make::plan(host, &options.asked(), shelf.as_ref())?;
    if options.prepare || options.apply {
        let servers = config.map_or_else(PrivateServers::default, |config| config.drill.clone());
        let apply = apply(host, options)?;
        plan.preparation = Some(restore::preparation(host, &plan, &servers, &apply)?);
    }
    Ok(plan)
}

/// What makes it a replica, with the account of the operator's if there is one.
fn apply(host: &dyn Host, options: &Options) -> Result<Apply, Stop> {
    let file = match (&options.source_login, options.apply) {
        (_, false) => return Ok(Apply::Nothing),
        (None, true) => return Ok(Apply::AsItWas),
        (Some(file), true) => file,
    };
    let told = config::option_file(host, file).map_err(|complaint| Stop::Usage(vec![complaint]))?;
    if told.password.is_none() {
        let what = format!("'{}' has no password for the source", file.display());
        let hint = "Write 'user=' and 'password=' below [client] into it.";
        return Err(Refusal::new(what, hint).into());
    }
    let account = Account { host: told.host, port: told.port, user: told.user };
    Ok(Apply::As(account, Secret::OptionFile(file.clone())))
}

/// The statements that attach it, once it is whole. What went wrong.
fn write_statements(host: &mut dyn Host, plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let Some(path) = plan.statements.as_ref().filter(|_| outcome.unfinished.is_none()) else {
        return Vec::new();
    };
    let text = restore::statements(&plan.record);
    let written = host.act(&Act::WriteFile { path: path.clone(), text });
    written
        .err()
        .map(|fault| format!("the statements are not written: {fault}"))
        .into_iter()
        .collect()
}

/// What was found wrong with the backup itself is remembered, as of any look at a part of it.
fn remember(host: &mut dyn Host, config: &Config, plan: &Plan, outcome: &Outcome) -> Vec<String> {
    let problems: Vec<String> = restore::of_backup(&outcome.problems);
    if problems.is_empty() {
        return Vec::new();
    }
    let finding = Finding {
        at: host.machine().map(|machine| machine.began()).unwrap_or_default(),
        took_ms: Millis(outcome.figures.took.0),
        files: Some(plan.totals().0),
        bytes: Some(outcome.figures.read),
        ready_ms: None,
        problems_found: problems.len() as u64,
        problems: problems.into_iter().take(PROBLEMS_MAX).collect(),
    };
    let (state_dir, run) = (Path::new(&config.state_dir), &plan.run);
    let noted = memory::remember(host, state_dir, run, How::Sample, finding);
    noted.err().map(|fault| format!("the damage is not noted: {fault}")).into_iter().collect()
}

/// What was begun stays, so that the same command goes on.
fn code(outcome: &Outcome) -> Code {
    match &outcome.unfinished {
        None if outcome.problems.is_empty() => Code::Clean,
        None => Code::Damaged,
        Some(unfinished) if !unfinished.left.is_empty() => Code::FailedLeft,
        Some(unfinished) => match unfinished.signal.map(u8::try_from) {
            Some(Ok(signal)) => Code::Interrupted(signal),
            _ => Code::RolledBack,
        },
    }
}
