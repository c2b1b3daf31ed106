//! `holdstill restore --table`: one table out of a backup, by a private server in a jail.

use std::path::PathBuf;

use super::{ConfigFile, destination, drill as jail, linux, machine, read, shown, tell};
use crate::config::Config;
use crate::drill::{self, Drill, ExportOrder, Exported, Seen, Settled, TableName};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::linux::service::Service;
use crate::host::{Ask, Host};
use crate::plan::{Refusal, program};
use crate::restore::Asked;
use crate::restore::make::{self, Shelf};
use crate::ui::{self, Manner, Screen, Streams};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) file: &'a ConfigFile,
    pub(super) asked: &'a Asked,
    pub(super) table: &'a TableName,
    pub(super) telling: Telling,
    pub(super) act: Acting,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Text,
    Json,
}

/// Whether it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acting {
    Do,
    OnlyTell,
}

/// Takes a table out, or tells why not.
pub(super) fn table(wanted: &Wanted<'_>) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Quiet, Streams::standard(), Service::default());
    if wanted.act == Acting::OnlyTell {
        let host = DryRun(linux()?);
        let (_, plan) = planned(&host, wanted)?;
        return told(wanted, &plan, None).map(|()| Code::Clean);
    }
    let mut host = shown(&screen, machine()?);
    jail::load_overlay(&mut host)?;
    let (config, plan) = planned(&host, wanted)?;
    let (run, table) = (&plan.drill.backup, wanted.table);
    let who = format!("a restore of {} of {run}", table.quoted());
    match drill::begin(&mut host, &config.state_dir, &who)? {
        Settled::Nothing => {}
        Settled::Removed(home) => jail::removed(&home),
        Settled::Alive(holder) => return Err(Stop::Busy { holder }),
    }
    // What a dead drill had left is gone by now.
    let (_, plan) = planned(&host, wanted)?;
    let order = ExportOrder { table, to: &plan.to, cp: &plan.cp };
    let done = drill::export(&mut host, &plan.drill, &order, &mut |event| {
        if let Some(text) = ui::drill::event(&event).filter(|_| wanted.telling == Telling::Text) {
            ui::tell(&text);
        }
    });
    let signal = host.signal()?.and_then(|signal| u8::try_from(signal).ok());
    drop(host);
    if let Some(fault) = &done.left {
        tell(&[format!("left: {fault}"), "'holdstill recover' removes it".into()]);
    }
    match (done.result, signal, done.left) {
        (Ok(exported), _, left) => {
            told(wanted, &plan, Some(&exported))?;
            Ok(if left.is_some() { Code::PublishedLeft } else { Code::Clean })
        }
        (Err(_), Some(signal), None) => Ok(Code::Interrupted(signal)),
        (Err(fault), _, left) => {
            tell(&[format!("the table {} is not taken out: {fault}", table.quoted())]);
            Ok(if left.is_some() { Code::FailedLeft } else { Code::RolledBack })
        }
    }
}

/// What will be done.
struct Plan {
    drill: Drill,
    to: PathBuf,
    cp: PathBuf,
    seen: Option<Seen>,
}

/// Looks alone: what stands against it is told before anything is touched.
fn planned(host: &dyn Host, wanted: &Wanted<'_>) -> Result<(Config, Plan), Stop> {
    let Wanted { file, asked, table, .. } = *wanted;
    let config = read(host, &file.config)?;
    if asked.backup.contains('/') {
        let what = format!("cannot take a table out of '{}': it is a path", asked.backup);
        let hint = "Name the backup's run, and with '--config' a configuration of its destination.";
        return Err(Refusal::new(what, hint).into());
    }
    let destination = destination(host, &config)?;
    let shelf = Shelf { destination, state_dir: &config.state_dir };
    let run = make::run(host, asked, &shelf)?;
    let to = make::new_directory(host, &asked.to, &shelf)?;
    let cp = program(host, "cp")?;
    let drill = drill::plan(host, &config, Some(&run))?;
    let seen = drill::look_for_table(host, &drill, table, &to)?;
    Ok((config, Plan { drill, to, cp, seen }))
}

fn told(wanted: &Wanted<'_>, plan: &Plan, exported: Option<&Exported>) -> Result<(), Stop> {
    let (run, table, to) = (&plan.drill.backup, wanted.table, &plan.to);
    let text = match (wanted.telling, exported) {
        (Telling::Json, _) => ui::table_json(run, table, to, plan.seen.as_ref(), exported),
        (Telling::Text, Some(exported)) => ui::exported(run, table, to, exported),
        (Telling::Text, None) => ui::table_plan(&plan.drill, table, to, plan.seen.as_ref()),
    };
    match exported {
        Some(_) => ui::tell(&text),
        None => ui::show(&text)?,
    }
    Ok(())
}
