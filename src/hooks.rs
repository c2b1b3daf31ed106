//! Programs of the operator's around a run: looked at before anything is touched, and run while the
//! server goes on, never while writes are stopped.
//!
//! The facts go into a file, whose path is the last argument: children have a clean environment.
//! Deliberately absent: what a hook's failure means; `aftermath` and the command line know that.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::{Complaint, Config, Hook};
use crate::history::{Attempt, Entry};
use crate::host::{Act, Ask, Cmd, Fault, Host, Kind, Overrun};
use crate::shell;
use crate::trust;

/// The version of the facts' format.
pub const VERSION: u32 = 1;

/// The file of the facts, in the run directory: one that a crash left is replaced by the next.
const FACTS: &str = "hook.json";

/// The permission bits of which one lets a program be run.
const EXECUTABLE: u32 = 0o111;

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before anything is touched.
    Before,
    /// After a published backup.
    After,
    /// After a run that published nothing, and after a refusal.
    OnFailure,
}

/// What a hook may know; no secret is among it.
#[derive(Debug, Serialize)]
struct Facts<'a> {
    version: u32,
    hook: Moment,
    run: &'a str,
    host: &'a str,
    started: String,
    destination: &'a Path,
    /// How the run went, as in the history; nothing before it.
    outcome: Option<&'a Entry>,
}

impl Moment {
    /// The key of the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::OnFailure => "on_failure",
        }
    }

    fn of(self, config: &Config) -> Option<&Hook> {
        match self {
            Self::Before => config.hooks.before.as_ref(),
            Self::After => config.hooks.after.as_ref(),
            Self::OnFailure => config.hooks.on_failure.as_ref(),
        }
    }
}

/// Whether every hook is a program that only we can change; all complaints at once.
pub fn check(host: &dyn Host, config: &Config) -> Result<(), Vec<Complaint>> {
    let wrong = |moment: Moment| usable(host, moment, &moment.of(config)?.program).err();
    let moments = [Moment::Before, Moment::After, Moment::OnFailure];
    let all: Vec<Complaint> = moments.into_iter().filter_map(wrong).collect();
    if all.is_empty() { Ok(()) } else { Err(all) }
}

fn usable(host: &dyn Host, moment: Moment, program: &Path) -> Result<(), Complaint> {
    let (key, shown) = (moment.key(), program.display());
    let what = |why: &str| format!("the hook '{key}', '{shown}', {why}");
    let unseen = |fault: Fault| {
        Complaint::new(
            what(&format!("cannot be seen: {fault}")),
            format!("Look at it: stat {}", shell::path(program)),
        )
    };
    let named = || format!("Name another program with '{key}' under [hooks].");
    match host.entry(program).map_err(unseen)? {
        None => return Err(Complaint::new(what("is not there"), named())),
        Some(entry) if entry.kind != Kind::File => {
            return Err(Complaint::new(what("is not a file"), named()));
        }
        Some(entry) if entry.mode & EXECUTABLE == 0 => {
            let hint = format!("Run: chmod u+x {}", shell::path(program));
            return Err(Complaint::new(what("cannot be executed"), hint));
        }
        Some(_) => {}
    }
    match trust::others(host, program).map_err(unseen)? {
        None => Ok(()),
        Some(others) => {
            let hint = format!("Run: {}", others.command());
            Err(Complaint::new(what(&format!("can be changed by others: {others}")), hint))
        }
    }
}

/// Runs a hook, if there is one, and removes its facts whatever becomes of it.
pub fn run(
    host: &mut dyn Host,
    config: &Config,
    moment: Moment,
    attempt: &Attempt,
    outcome: Option<&Entry>,
) -> Result<(), Fault> {
    let Some(hook) = moment.of(config) else { return Ok(()) };
    // Hours may have passed since it was looked at.
    usable(host, moment, &hook.program).map_err(|one| Fault::refused(one.to_string()))?;
    let path = config.run_dir.join(FACTS);
    let facts = Facts {
        version: VERSION,
        hook: moment,
        run: attempt.run(),
        host: attempt.host(),
        started: attempt.started().to_string(),
        destination: &config.destination.directory,
        outcome,
    };
    let text = serde_json::to_string_pretty(&facts).map_err(|e| Fault::refused(e.to_string()))?;
    host.act(&Act::MakeDir(config.run_dir.clone()))?;
    let written = host.act(&Act::WriteFile { path: path.clone(), text: text + "\n" });
    let ran = written.and_then(|_| host.act(&Act::Hook(command(config, hook, &path))));
    let removed = host.act(&Act::RemoveFile(path));
    ran.and(removed).map(drop)
}

fn command(config: &Config, hook: &Hook, facts: &Path) -> Cmd {
    let cmd = Cmd {
        program: PathBuf::from(&hook.program),
        args: hook.args.clone(),
        ms_max: config.hooks.ms_max,
        overrun: Overrun::End,
    };
    cmd.arg(facts.display().to_string())
}
