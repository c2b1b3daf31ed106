//! What `list`, `verify` and `prune` do `--at` a place elsewhere.

use super::offsite::{Progress, complain, failed, interrupted, note, only, pick, take, usage};
use super::{ConfigFile, destination, linux, machine, read, shown};
use crate::config::{Config, Way};
use crate::error::{Code, Stop};
use crate::host::dry::DryRun;
use crate::host::linux::service::Service;
use crate::host::{Ask, Fault, Host};
use crate::memory::{self, Standing};
use crate::offsite::{self, Depth, Work};
use crate::store;
use crate::ui::offsite as told;
use crate::ui::{self, Manner, Screen, Streams};
use crate::verify::Share;

/// What stands at a place.
pub(super) fn list(file: &ConfigFile, place: &str, json: bool) -> Result<Code, Stop> {
    let host = DryRun(linux()?);
    let config = read(&host, &file.config)?;
    let site = only(&host, &config, Some(place), "--at")?;
    match site.list(&host) {
        Ok(all) => {
            let now = host.machine()?.unix_seconds;
            let text =
                if json { told::list_json(place, &all) } else { told::list(place, &all, now) };
            ui::show(&text)?;
            Ok(Code::Clean)
        }
        Err(trouble) => failed(&host, &format!("cannot look at '{place}'"), &trouble),
    }
}

/// Holds a backup at a place against the one here, or a repository against its own sums.
pub(super) fn verify(
    file: &ConfigFile,
    place: &str,
    run: Option<&str>,
    share: Option<Share>,
) -> Result<Code, Stop> {
    let mut host = machine()?;
    let config = read(&host, &file.config)?;
    let site = only(&host, &config, Some(place), "--at")?;
    let depth = match share {
        None | Some(Share::All) => Depth::All,
        Some(Share::Percent(percent)) => Depth::Percent(percent),
        Some(Share::Files(_)) => {
            let hint = "Write a part of it, as in '--sample 10%'.";
            return Err(usage("a place elsewhere is not read by a number of files", hint));
        }
    };
    if depth != Depth::All && matches!(site.place.way, Way::Ssh(_)) {
        let hint = "Leave '--sample' away: both sides sum every file.";
        return Err(usage("a backup at another host is compared whole", hint));
    }
    let all = match site.list(&host) {
        Ok(all) => all,
        Err(trouble) => return failed(&host, &format!("cannot look at '{place}'"), &trouble),
    };
    let far = pick(&all, place, run)?;
    take(&mut host, &config, &format!("a verification of backup {} at '{place}'", far.run))?;
    let local = config.destination.directory.join(&far.run);
    let local = offsite::here(&host, &config, &far.run)?.then_some(local.as_path());
    let mut bar = Progress::new();
    let mut event = |event| bar.event(event);
    let mut work = Work { host: &mut host, tell: &mut event };
    let ended = site.verify(&mut work, &far, local, depth);
    bar.end();
    site.close(&mut host);
    match ended {
        Ok(wrong) => {
            ui::show(&told::verified(place, &far.run, &wrong))?;
            if wrong.is_empty() || local.is_none() || sound_here(&mut host, &config, &far.run)? {
                note(&mut host, &config, place, &far.run, &wrong, depth);
            }
            Ok(if wrong.is_empty() { Code::Clean } else { Code::Damaged })
        }
        Err(trouble) => failed(&host, &format!("cannot verify '{}'", far.run), &trouble),
    }
}

/// Of two that differ, the one here may be the wrong one: it is read, and what is found is noted of
/// it alone. What the one there is like is not known then.
fn sound_here(host: &mut impl Host, config: &Config, run: &str) -> Result<bool, Fault> {
    ui::tell("the one here is read, to know which of the two is right\n");
    let is_sound = super::verify::is_sound(host, config, run)?;
    if !is_sound {
        ui::complain(&format!(
            "holdstill: '{run}' is damaged here, and may be sound there\n\
             hint: Do not remove that one. When the one here is moved away, 'holdstill fetch \
             {run}' brings it back and reads all of it.\n"
        ));
    }
    Ok(is_sound)
}

/// Removes what no rule of the place keeps.
pub(super) fn prune(file: &ConfigFile, place: &str, dry: bool) -> Result<Code, Stop> {
    let screen = Screen::new(Manner::Lines, Streams::standard(), Service::default());
    let mut host = shown(&screen, machine()?);
    let config = read(&host, &file.config)?;
    let site = only(&host, &config, Some(place), "--at")?;
    let Some(rules) = &site.place.retention else {
        ui::tell(&format!("nothing is ever removed: the place '{place}' has no rule\n"));
        return Ok(Code::Clean);
    };
    // No backups in what is not mounted must not pass for none that a push could go on with.
    destination(&host, &config)?;
    if !dry {
        take(&mut host, &config, &format!("a pruning of '{place}'"))?;
    }
    let all = match site.list(&host) {
        Ok(all) => all,
        Err(trouble) => return failed(&host, &format!("cannot look at '{place}'"), &trouble),
    };
    let names = host.list(&config.destination.directory)?;
    let here: Vec<String> = names.into_iter().filter(|name| store::is_run(name)).collect();
    let memo = offsite::recall(&host, &config.state_dir, place);
    let standing = |run: &str| match memo.as_ref().map(|memo| memo.damage_of(run)) {
        Ok(Some(damage)) => Ok(Standing::Damaged(damage.at, damage.problem.clone())),
        Ok(None) => memory::recall(&host, &config.state_dir, run).map(|known| known.standing()),
        Err(fault) => Err(fault.clone()),
    };
    let now = host.machine()?.began();
    let plan = offsite::judge(&site, &all, rules, now, &here, &standing);
    ui::tell(&told::removal(&plan));
    if dry {
        ui::tell("nothing was touched\n");
        return Ok(Code::Clean);
    }
    let mut work = Work { host: &mut host, tell: &mut |_| {} };
    let (mut code, mut removed, mut there) = (Code::Clean, 0, all.clone());
    for (name, ended) in offsite::prune(&site, &mut work, &plan) {
        match ended {
            Ok(()) => {
                removed += 1;
                there.retain(|far| far.run != name);
            }
            Err(trouble) => {
                complain(&format!("cannot remove '{name}' at '{place}'"), &trouble);
                code = Code::Unexpected;
            }
        }
    }
    if let Err(fault) = offsite::keep_only(&mut host, &config.state_dir, place, &there) {
        ui::complain(&format!("holdstill: what is known of '{place}' stays: {fault}\n"));
    }
    ui::tell(&format!("removed {removed} at '{place}'\n"));
    Ok(interrupted(&host)?.unwrap_or(code))
}
