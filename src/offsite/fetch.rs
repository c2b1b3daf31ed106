//! A fetch: a backup comes back into the destination, is read whole and held against its manifest,
//! and then gets its name. After that it is a backup like any other.

use std::path::Path;

use super::{Care, Event, Far, Site, Trouble, Work};
use crate::config::{self, Config};
use crate::host::{Act, Ask, Fault, Host};
use crate::memory;
use crate::plan::Refusal;
use crate::store::Form;
use crate::units::Bytes;
use crate::verify::{self, End, Order, Share, Verdict, What};

/// How a fetch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// It is here now, read back and sound.
    Here(Verdict),
    /// Something of its name is here already.
    Already,
    /// What came is not what its manifest says; it stays as a partial one.
    Damaged(Verdict),
}

/// Whether a backup of this run is here under its own name.
pub fn here(host: &dyn Host, config: &Config, run: &str) -> Result<bool, Fault> {
    Ok(host.entry(&config.destination.directory.join(run))?.is_some())
}

/// Fetches. What an interrupted fetch left is gone on with where the way can. The caller has the
/// lock.
pub fn fetch(
    site: &Site,
    work: &mut Work<'_>,
    config: &Config,
    far: &Far,
) -> Result<Fetched, Trouble> {
    if let Some(why) = &far.unclear {
        return Err(Fault::refused(format!("'{}' cannot be fetched: {why}", far.run)).into());
    }
    let found = config::destination_directory(work.host, &config.destination.directory);
    let destination = found.map_err(Refusal::from)?.real;
    let whole = destination.join(&far.run);
    if here(work.host, config, &far.run)? {
        return Ok(Fetched::Already);
    }
    let partial = destination.join(Form::Partial.name(&far.run));
    room(work.host, &destination, &partial, far)?;
    work.host.act(&Act::MakeDir(partial.clone()))?;
    let ended = read_back(site, work, far, &partial);
    site.close(work.host);
    let verdict = ended?;
    if !is_true(&verdict) {
        return Ok(Fetched::Damaged(verdict));
    }
    (work.tell)(Event::Phase("publish"));
    work.host.act(&Act::SyncFs(destination))?;
    let published = work.host.act(&Act::Publish { from: partial, to: whole });
    // An error there does not say whether it was done, so it is looked.
    if let Err(fault) = published
        && !here(work.host, config, &far.run)?
    {
        return Err(fault.into());
    }
    let (state_dir, finding) = (&config.state_dir, verdict.finding());
    memory::remember(work.host, state_dir, &far.run, verdict.how, finding)
        .map_err(|fault| fault.during("it is fetched, and that it is sound cannot be noted"))?;
    Ok(Fetched::Here(verdict))
}

/// Whether it is what its manifest says. Pages that were bad in the source already are so here,
/// too: that is remembered of it, and it may be the last one there is.
fn is_true(verdict: &Verdict) -> bool {
    verdict.problems.iter().all(|problem| matches!(problem.what, What::BadPages { .. }))
}

/// What came is read whole; where it is not right it is fetched once more, by the sums of both
/// sides.
fn read_back(
    site: &Site,
    work: &mut Work<'_>,
    far: &Far,
    partial: &Path,
) -> Result<Verdict, Trouble> {
    let mut care = Care::Quick;
    loop {
        site.receive(work, far, partial, care)?;
        (work.tell)(Event::Phase("read back"));
        let order =
            Order { path: partial, run: &far.run, share: Share::All, priority: site.priority };
        let (host, tell) = (&*work.host, &mut *work.tell);
        let end = verify::verify(host, &order, &mut |progress| tell(Event::Further(progress)))?;
        let End::Looked(verdict) = end else {
            return Err(Fault::refused("it has no manifest to be held against").into());
        };
        if is_true(&verdict) || care == Care::Thorough {
            return Ok(verdict);
        }
        care = Care::Thorough;
    }
}

/// What is here of it already does not need room again.
fn room(host: &dyn Host, destination: &Path, partial: &Path, far: &Far) -> Result<(), Trouble> {
    let Some(Bytes(needed)) = far.bytes else { return Ok(()) };
    let begun = if host.entry(partial)?.is_some() { host.usage(partial)? } else { Bytes(0) };
    let needed = Bytes(needed.saturating_sub(begun.0));
    let free = host.space(destination)?.free;
    if needed <= free {
        return Ok(());
    }
    let what = format!(
        "the backup needs {needed} more in '{}', where {free} is free",
        destination.display()
    );
    Err(Trouble::new(what, "Make room, or name a larger destination in another configuration."))
}
