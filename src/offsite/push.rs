//! A push: which backup, that it is worth pushing, and that it is not there already.

use std::path::Path;

use super::{Backup, Event, Site, Trouble, Work, memo};
use crate::config::Config;
use crate::host::{Ask, Fault, Host};
use crate::memory::{self, Standing};
use crate::store::{self, Form, Found, RECORD};

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is there now.
    Sent,
    /// It was there already, with the same record.
    Already,
}

/// The backup that is meant: the one that is named, by a beginning that only it has, or the newest
/// one that nobody found damaged.
pub fn choose(host: &dyn Host, config: &Config, wanted: Option<&str>) -> Result<Found, Trouble> {
    let destination = &config.destination.directory;
    let found = store::find(host, destination)?;
    let counts = |one: &&Found| one.counts().is_some();
    let whole: Vec<&Found> = found.iter().filter(counts).collect();
    let names = whole.iter().map(|one| one.run.clone());
    let missing = |why: store::Missing| Trouble::new(why.what(destination), why.hint());
    let run = if let Some(wanted) = wanted {
        store::pick(names, wanted).map_err(missing)?
    } else {
        let sound = |one: &&&Found| standing(host, config, &one.run).is_ok();
        let newest = whole.iter().rev().find(sound).map(|one| one.run.clone());
        newest.ok_or_else(|| missing(store::Missing::Any))?
    };
    standing(host, config, &run)?;
    let one = whole.into_iter().find(|one| one.run == run).cloned();
    one.ok_or_else(|| Fault::refused(format!("the backup '{run}' is gone")).into())
}

/// A backup that is known to be damaged is not carried further.
fn standing(host: &dyn Host, config: &Config, run: &str) -> Result<(), Trouble> {
    match memory::recall(host, &config.state_dir, run)?.standing() {
        Standing::Damaged(_, problem) => Err(Trouble::new(
            format!("the backup '{run}' is damaged: {problem}"),
            format!("Push another one; 'holdstill show {run}' tells what is known of it."),
        )),
        _ => Ok(()),
    }
}

/// Pushes a backup and notes how that went. Idempotent: what is there already is quick and clean.
/// The caller has the lock.
pub fn push(
    site: &Site,
    work: &mut Work<'_>,
    config: &Config,
    one: &Found,
) -> Result<Pushed, Trouble> {
    let ended = carry(site, work, config, one);
    site.close(work.host);
    if ended == Ok(Pushed::Already) {
        // It is no push that failed: what is known of it is told as that.
        counted_on(site, work.host, config, &one.run)?;
    }
    let told = ended.as_ref().map(|_| ()).map_err(|trouble| &trouble.fault);
    let noted = memo::note(work.host, &config.state_dir, &site.place.name, &one.run, told);
    match (ended, noted) {
        (Ok(_), Err(fault)) => Err(fault.during("it is pushed, and that cannot be noted").into()),
        (ended, _) => ended,
    }
}

/// What is there already does not count where it was found damaged.
fn counted_on(site: &Site, host: &dyn Host, config: &Config, run: &str) -> Result<(), Trouble> {
    let name = &site.place.name;
    let memo = memo::recall(host, &config.state_dir, name)?;
    let Some(damage) = memo.damage_of(run) else { return Ok(()) };
    let what = format!("'{name}' has '{run}' already, and it is damaged there: {}", damage.problem);
    let hint = format!(
        "Run 'holdstill verify {run}': if it is sound here, push a newer one, or remove that one \
         there and push it again. Once mended: holdstill verify --at {name} {run}"
    );
    Err(Trouble::new(what, hint))
}

/// Notes why a push could not begin, so that a check warns of it as of one that failed.
pub fn not_begun(
    host: &mut dyn Host,
    config: &Config,
    place: &str,
    run: &str,
    why: Trouble,
) -> Trouble {
    match memo::note(host, &config.state_dir, place, run, Err(&why.fault)) {
        Ok(()) => why,
        Err(more) => Trouble { fault: why.fault.during(&more.to_string()), hint: why.hint },
    }
}

fn carry(
    site: &Site,
    work: &mut Work<'_>,
    config: &Config,
    one: &Found,
) -> Result<Pushed, Trouble> {
    let (directory, run) = (one.path.as_path(), one.run.as_str());
    let text = record_text(work.host, directory)?;
    let summary = store::read(&text).map_err(Fault::refused)?;
    if summary.manifest.is_none() {
        let what = format!("the backup '{run}' has no manifest, so nothing would prove its copy");
        return Err(Trouble::new(what, "Make a new one by 'holdstill backup', and push that."));
    }
    (work.tell)(Event::Phase("look what is there"));
    let there = site.list(work.host)?;
    memo::keep_only(work.host, &config.state_dir, &site.place.name, &there)?;
    let backup = Backup { run, directory, record: &text, summary: &summary };
    if let Some(far) = there.iter().find(|far| far.run == run && far.form == Form::Whole) {
        return match (&far.record, &far.unclear) {
            (_, Some(why)) => Err(odd(site, run, why)),
            (Some(record), None) if *record != text => Err(odd(site, run, "its record differs")),
            _ => Ok(Pushed::Already),
        };
    }
    site.send(work, &backup)?;
    // It is said to be there only because it was seen there.
    let seen = site.list(work.host)?;
    let is_there = |far: &super::Far| far.run == run && far.counts();
    if !seen.iter().any(is_there) {
        return Err(Fault::unsure("it was pushed, and is not seen there").into());
    }
    Ok(Pushed::Sent)
}

fn odd(site: &Site, run: &str, why: &str) -> Trouble {
    let name = &site.place.name;
    let what = format!("'{name}' has another backup '{run}': {why}");
    Trouble::new(what, format!("Look at it: holdstill list --at {name}"))
}

fn record_text(host: &dyn Host, directory: &Path) -> Result<String, Fault> {
    let text = host.file(&directory.join(RECORD))?;
    text.ok_or_else(|| Fault::refused(format!("'{}' has no record", directory.display())))
}
