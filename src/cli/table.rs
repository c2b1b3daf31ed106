//! `holdstill restore --table`: one table out of a backup, by a private server in a jail.

use super::{ConfigFile, destination, drill as jail, machine, read, shown, tell};
use crate::drill::{self, ExportOrder, Settled, TableName};
use crate::error::{Code, Stop};
use crate::host::Ask;
use crate::host::linux::service::Service;
use crate::plan::{Refusal, program};
use crate::restore::Asked;
use crate::restore::make::{self, Shelf};
use crate::ui::{self, Manner, Screen, Streams};

/// Takes a table out, or tells why not.
pub(super) fn table(file: &ConfigFile, asked: &Asked, table: &TableName) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Quiet, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &file.config)?;
    if asked.backup.contains('/') {
        let what = format!("cannot take a table out of '{}': it is a path", asked.backup);
        let hint = "Name the backup's run, and with '--config' a configuration of its destination.";
        return Err(Refusal::new(what, hint).into());
    }
    let destination = destination(&host, &config)?;
    let shelf = Shelf { destination, state_dir: &config.state_dir };
    let run = make::run(&host, asked, &shelf)?;
    let to = make::new_directory(&host, &asked.to, &shelf)?;
    let cp = program(&host, "cp")?;
    jail::load_overlay(&mut host)?;
    drill::plan(&host, &config, Some(&run))?;
    let who = format!("a restore of {} of {run}", table.quoted());
    match drill::begin(&mut host, &config.state_dir, &who)? {
        Settled::Nothing => {}
        Settled::Removed(home) => jail::removed(&home),
        Settled::Alive(holder) => return Err(Stop::Busy { holder }),
    }
    let plan = drill::plan(&host, &config, Some(&run))?;
    let order = ExportOrder { table, to: &to, cp: &cp };
    let done = drill::export(&mut host, &plan, &order, &mut |event| {
        if let Some(text) = ui::drill::event(&event) {
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
            ui::tell(&ui::exported(&run, table, &to, &exported));
            Ok(if left.is_some() { Code::PublishedLeft } else { Code::Clean })
        }
        (Err(_), Some(signal), None) => Ok(Code::Interrupted(signal)),
        (Err(fault), _, left) => {
            tell(&[format!("the table {} is not taken out: {fault}", table.quoted())]);
            Ok(if left.is_some() { Code::FailedLeft } else { Code::RolledBack })
        }
    }
}
