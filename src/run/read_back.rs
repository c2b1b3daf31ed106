//! From the copy to a proven one: the snapshots go, since nothing needs them any more; then every
//! file is read from the destination, summed, and written down in the manifest.
//!
//! Deliberately absent: a comparison with the source. What rsync has read and written is what there
//! is; what the disk makes of it is what a verification will find.

use std::path::PathBuf;

use super::linked::{self, Linked};
use super::transfer::Copied;
use super::{Event, Run, destination};
use crate::claim::Claim;
use crate::copy::rsync::Stats;
use crate::host::{Act, Ask, Fault, Found, Reading, Sum, ToRead, Tree, Type};
use crate::manifest::{self, Entry, Manifest};
use crate::store::{self, BadPages, ManifestFile, Record};
use crate::sums;
use crate::units::Millis;

/// Everything that was copied was read back, and the manifest says what it is.
pub(super) struct ReadBack(());

/// Removes the snapshots and their mounts. What cannot be removed now stays held, and the end of
/// the run tries again: the backup does not depend on it.
pub(super) fn release(run: &mut Run<'_>, _: &Copied) {
    let of_snapshots = |claim: &Claim| {
        matches!(
            claim,
            Claim::Snapshot { .. }
                | Claim::Half { .. }
                | Claim::Extended { .. }
                | Claim::Mounted { .. }
                | Claim::Copying
        )
    };
    let Err(fault) = run.release(of_snapshots) else { return };
    if fault.is_overdue() {
        run.held.expect_lvm(&fault);
    }
    (run.tell)(Event::Lingers(fault.to_string()));
}

/// Reads everything back and writes the manifest.
pub(super) fn read_back(
    run: &mut Run<'_>,
    Copied { listed }: Copied,
    record: &mut Record,
) -> Result<ReadBack, Fault> {
    let began = run.host.now()?;
    destination::stands(run)?;
    let found = trees(run.host.tree(&run.plan.publish.partial)?)?;
    let linked = linked::look(run, &found)?;
    nothing_missing(&found, &linked, record, listed)?;
    let (sums, bad_pages) = summed(run, &found, &linked)?;
    let mut sums = sums.into_iter().map(|sum| sum.blake3);
    let entry = |one: &Found| {
        let mut read = || linked.sum(&one.path).or_else(|| sums.next());
        let sum = if one.is == Type::File { read() } else { None };
        Entry::new(one.path.clone(), one, sum)
    };
    let manifest = Manifest::new(&run.plan.run, found.iter().map(entry).collect());
    linked::hold_against(run, &linked, &manifest)?;
    linked::note(run, &linked, record);
    save(run, &manifest, record)?;
    let took = run.host.now()?.saturating_sub(began) / 1_000_000;
    for one in &bad_pages {
        (run.tell)(Event::BadPages(one.clone()));
    }
    (run.tell)(Event::ReadBack(manifest.totals(), Millis(took)));
    run.bad_pages.clone_from(&bad_pages);
    record.bad_pages = bad_pages;
    Ok(ReadBack(()))
}

/// What is in the trees: everything else in the directory is the record.
fn trees(tree: Tree) -> Result<Vec<Found>, Fault> {
    if let Some((path, why)) = tree.unseen.first() {
        return Err(Fault::refused(format!("cannot read '{}' back: {why}", manifest::shown(path))));
    }
    let in_tree = |one: &Found| {
        let first = one.path.iter().next().and_then(|name| name.to_str());
        first.is_some_and(store::is_tree)
    };
    Ok(tree.found.into_iter().filter(in_tree).collect())
}

/// Whether there are as many files and bytes as rsync has told. A file of several names is copied
/// once; what is linked was not copied, but rsync saw it in the source, with each of its names, and
/// counted there the bytes of symbolic links, too (rsync(1), `--stats`).
fn nothing_missing(
    found: &[Found],
    linked: &Linked,
    record: &Record,
    listed: Option<Stats>,
) -> Result<(), Fault> {
    let files = || found.iter().filter(|one| one.is == Type::File);
    let own = linked::counted(files().filter(|one| linked.sum(&one.path).is_none()));
    at_least(own, record.copied, "has copied")?;
    listed.map_or(Ok(()), |listed| at_least(listable(found), listed, "has seen in the source"))
}

/// What rsync counts of such a tree as its source.
pub(super) fn listable(found: &[Found]) -> Stats {
    let counted = |one: &&Found| matches!(one.is, Type::File | Type::Link);
    found.iter().filter(counted).fold(Stats::default(), |mut all, one| {
        all.add(Stats { files: u64::from(one.is == Type::File), bytes: one.size });
        all
    })
}

fn at_least(found: Stats, told: Stats, what: &str) -> Result<(), Fault> {
    if found.files >= told.files && found.bytes >= told.bytes {
        return Ok(());
    }
    Err(Fault::refused(format!(
        "expected {} files of {} bytes, as rsync {what}, found {} of {} bytes",
        told.files, told.bytes.0, found.files, found.bytes.0
    )))
}

/// Sums every file that is not linked; any that cannot be read is a failure of the run.
fn summed(
    run: &mut Run<'_>,
    found: &[Found],
    linked: &Linked,
) -> Result<(Vec<Sum>, Vec<BadPages>), Fault> {
    let own = |one: &&Found| one.is == Type::File && linked.sum(&one.path).is_none();
    let files = || found.iter().filter(own);
    let to_read = |one: &Found| ToRead { path: one.path.clone(), size: one.size };
    let directory: PathBuf = run.plan.publish.partial.clone();
    let priority = run.plan.copy_priority;
    let reading = Reading { directory, files: files().map(to_read).collect(), priority };
    let (host, plan, tell) = (&*run.host, run.plan, &mut *run.tell);
    let sums = sums::read(host, reading, &mut |progress| {
        tell(Event::Reading(progress));
        host.heed_signal()?;
        destination::is_mounted(host, plan)
    })?;
    let mut bad_pages = Vec::new();
    let mut whole = Vec::with_capacity(sums.len());
    for (one, sum) in files().zip(sums) {
        let cannot = |why| format!("cannot read '{}' back: {why}", manifest::shown(&one.path));
        let sum = sum.map_err(|why| Fault::refused(cannot(why)))?;
        bad_pages.extend(sum.pages.iter().filter_map(|pages| BadPages::of(&one.path, pages)));
        whole.push(sum);
    }
    Ok((whole, bad_pages))
}

fn save(run: &mut Run<'_>, manifest: &Manifest, record: &mut Record) -> Result<(), Fault> {
    let text = manifest.text().map_err(Fault::refused)?;
    record.manifest = Some(ManifestFile::new(&text, manifest.totals()));
    let path = run.plan.publish.partial.join(manifest::FILE);
    run.host.act(&Act::WriteFile { path, text }).map(drop)
}
