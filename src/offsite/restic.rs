//! A restic repository: the operations, of commands that `copy::restic` makes.
//!
//! A snapshot that restic has saved is not yet a backup of ours: it may lack what could not be
//! read. So it is held against the manifest by every name and size, and only then the record is
//! saved, which makes it count. Its contents restic checks by its own sums.

use std::collections::BTreeMap;
use std::path::Path;

use super::long::run;
use super::{Backup, Depth, Event, Far, Programs, Site, Trouble, Work, read_record};
use crate::config::Way;
use crate::copy::restic::{self, Failure, Node, Snapshot, Tail, Tool};
use crate::host::{Act, Ask, Cmd, Exit, Fault, Host};
use crate::manifest::{self, Entry, Manifest, Type};
use crate::store::{self, COORDINATES, Form, RECORD};
use crate::units::Bytes;

/// How many problems are told; all are counted.
const TOLD_MAX: usize = 20;
/// The longest manifest that is fetched to be compared; the size of a longer one is.
const MANIFEST_BYTES_MAX: u64 = 60 << 20;

fn tool(site: &Site) -> Result<Tool<'_>, Fault> {
    match (&site.place.way, &site.programs) {
        (Way::Restic(repository), Programs::Restic { env, restic }) => Ok(Tool {
            env,
            restic,
            repository,
            bandwidth_max: site.place.bandwidth_max,
            ms_max: site.place.ms_max,
        }),
        _ => Err(Fault::refused("the place is no repository")),
    }
}

/// Every backup there: the records, and the data that no record names.
pub(super) fn list(site: &Site, host: &dyn Host) -> Result<Vec<Far>, Trouble> {
    Ok(found(&snapshots(site, host)?))
}

fn snapshots(site: &Site, host: &dyn Host) -> Result<Vec<Snapshot>, Trouble> {
    let text = host.output(&tool(site)?.snapshots()).map_err(|fault| explained(&fault))?;
    Ok(restic::snapshots(&text).map_err(Fault::refused)?)
}

/// A record makes the data that it names a backup.
pub(super) fn found(all: &[Snapshot]) -> Vec<Far> {
    let records = || all.iter().filter(|one| one.has(restic::RECORDS));
    let names =
        |record: &Snapshot, data: &Snapshot| record.tag("data").is_some_and(|id| data.is(id));
    let is_there = |record: &&Snapshot| all.iter().any(|one| names(record, one));
    let alone: Vec<&Snapshot> = records().filter(|record| !is_there(record)).collect();
    let data = all.iter().filter(|one| one.has(restic::DATA));
    let whole = data.filter_map(|data| {
        let mut one = far(data, records().find(|record| names(record, data)))?;
        let of_it = |record: &&&Snapshot| {
            record.tag("run") == data.tag("run") && record.hostname == data.hostname
        };
        if one.form == Form::Partial && alone.iter().any(|record| of_it(&record)) {
            // Not what a push left: somebody has written it anew, and restic does not tell how.
            one.form = Form::Whole;
            one.unclear = Some("its record names other data".into());
        }
        Some(one)
    });
    let alone = alone.iter().filter_map(|record| {
        let unclear = Some("its record is there, and its data is not".into());
        Some(Far { unclear, ids: vec![record.id.clone()], ..far(record, Some(record))? })
    });
    whole.chain(alone).collect()
}

fn far(data: &Snapshot, record: Option<&Snapshot>) -> Option<Far> {
    let run = data.tag("run").filter(|run| store::is_run(run))?;
    let form = if record.is_some() { Form::Whole } else { Form::Partial };
    let bytes = record.and_then(|one| one.tag("bytes")?.parse().ok()).map(Bytes);
    Some(Far {
        run: run.into(),
        host: Some(data.hostname.clone()),
        form,
        bytes,
        unclear: None,
        record: None,
        ids: [Some(data), record].into_iter().flatten().map(|one| one.id.clone()).collect(),
    })
}

/// Saves, compares, and saves the record. What an earlier push has sent is in the repository, and
/// is not sent again.
pub(super) fn push(site: &Site, work: &mut Work<'_>, backup: &Backup<'_>) -> Result<(), Trouble> {
    let tool = tool(site)?;
    cache(site, work)?;
    let Backup { run: name, directory, .. } = *backup;
    let before = snapshots(site, work.host)?;
    saved(site, work, "send", tool.backup(directory, name, &site.us))?;
    let is_new = |one: &&Snapshot| {
        let known = before.iter().any(|other| other.id == one.id);
        !known && one.has(restic::DATA) && one.tag("run") == Some(name) && one.hostname == site.us
    };
    let seen = snapshots(site, work.host)?;
    let new = seen.iter().find(is_new);
    let id =
        new.ok_or_else(|| Fault::unsure("restic has saved it, and lists no snapshot of it"))?;
    let manifest = long_text(work.host, directory)?;
    let manifest = sealed(backup.record, &manifest, name).map_err(Fault::refused)?;
    (work.tell)(Event::Phase("compare"));
    let mut wrong = contents(site, work, &id.id, &manifest)?;
    wrong.extend(texts(site, work, &id.id, directory)?);
    if !wrong.is_empty() {
        return Err(Fault::unsure(format!("it differs after it was sent: {}", told(wrong))).into());
    }
    let bytes = backup.summary.manifest.as_ref().map_or(Bytes(0), |one| one.bytes);
    saved(site, work, "publish", tool.publish(directory, name, &site.us, &id.id, bytes))
}

/// How a problem begins that is not of one backup.
pub(super) const REPOSITORY: &str = "the repository: ";

/// Checks the repository, so much of its data, and the backup: each name and size by its manifest,
/// and the texts beside the trees.
pub(super) fn verify(
    site: &Site,
    work: &mut Work<'_>,
    far: &Far,
    local: Option<&Path>,
    depth: Depth,
) -> Result<Vec<String>, Trouble> {
    let id = id(far)?;
    cache(site, work)?;
    (work.tell)(Event::Phase("check the repository"));
    let share = if let Depth::Percent(percent) = depth { Some(percent) } else { None };
    let exit = run(site, work, tool(site)?.check(share), &mut |_, _| {})?;
    let mut wrong = Vec::new();
    if let Some(failure) = failed(&exit, &Tail::default()) {
        // Who has not read it does not know that it is damaged.
        if !failure.is_damage {
            return Err(trouble(failure));
        }
        wrong.push(format!("{REPOSITORY}{}", failure.why));
    }
    (work.tell)(Event::Phase("compare"));
    let text = dump(site, work.host, &id, RECORD)?;
    let mut of_record = far.clone();
    read_record(&mut of_record, &text);
    if let Some(why) = of_record.unclear {
        wrong.push(format!("'{RECORD}': {why}"));
        return Ok(wrong);
    }
    let manifest = match local {
        Some(local) => long_text(work.host, local)?,
        None => dump(site, work.host, &id, manifest::FILE)?,
    };
    match sealed(&text, &manifest, &far.run) {
        Ok(manifest) => wrong.extend(contents(site, work, &id, &manifest)?),
        Err(why) => wrong.push(format!("'{}': {why}", manifest::FILE)),
    }
    if let Some(local) = local {
        wrong.extend(texts(site, work, &id, local)?);
    }
    Ok(wrong)
}

/// The manifest that a record tells of; why not, if it is another one.
fn sealed(record: &str, manifest: &str, run: &str) -> Result<Manifest, String> {
    let told = store::read(record)?.manifest.ok_or("the record tells of none")?;
    Manifest::sealed(manifest, told.blake3, run)
}

/// Restores all of it, anew each time: 0.14 fails at a link that is there already.
pub(super) fn receive(
    site: &Site,
    work: &mut Work<'_>,
    far: &Far,
    into: &Path,
) -> Result<(), Trouble> {
    cache(site, work)?;
    work.host.act(&Act::RemoveTree(into.into()))?;
    work.host.act(&Act::MakeDir(into.into()))?;
    saved(site, work, "fetch", tool(site)?.restore(&id(far)?, into))
}

/// Forgets them all at once, the records first: what an interruption leaves is data that does not
/// count. Then the data goes that nobody needs any more.
pub(super) fn remove(
    site: &Site,
    work: &mut Work<'_>,
    gone: &[Far],
) -> Vec<(String, Result<(), Trouble>)> {
    let ids = |from, many| -> Vec<String> {
        gone.iter().flat_map(|far| far.ids.iter().skip(from).take(many).cloned()).collect()
    };
    let (data, records) = (ids(0, 1), ids(1, usize::MAX));
    let forgotten = cache(site, work).and_then(|()| {
        let tool = tool(site)?;
        if !records.is_empty() {
            quiet(site, work, tool.forget(&records))?;
        }
        quiet(site, work, tool.prune(&data))
    });
    gone.iter().map(|far| (far.form.name(&far.run), forgotten.clone())).collect()
}

/// What is not in a snapshot as the manifest says, by name and size.
fn contents(
    site: &Site,
    work: &mut Work<'_>,
    id: &str,
    manifest: &Manifest,
) -> Result<Vec<String>, Trouble> {
    let (mut nodes, mut bent) = (Vec::new(), None);
    let exit = run(site, work, tool(site)?.list(id), &mut |_, line| match restic::node(line) {
        Ok(node) => nodes.extend(node),
        Err(why) => bent = bent.take().or(Some(why)),
    })?;
    if let Some(failure) = failed(&exit, &Tail::default()) {
        return Err(trouble(failure));
    }
    match bent {
        Some(why) => Err(Fault::refused(why).into()),
        None => Ok(differences(&manifest.entries, &nodes)),
    }
}

/// Every entry is there with its size, and nothing else is. Names that are no text cannot be
/// compared: JSON has none.
pub(super) fn differences(entries: &[Entry], nodes: &[Node]) -> Vec<String> {
    const BENT: char = char::REPLACEMENT_CHARACTER;
    let beside = [RECORD, COORDINATES, manifest::FILE];
    let named = nodes.iter().map(|node| (node.path.trim_start_matches('/'), node));
    let mut there: BTreeMap<&str, &Node> = named.filter(|(path, _)| !path.contains(BENT)).collect();
    let mut wrong = Vec::new();
    for entry in entries {
        let Some(path) = entry.path.to_str() else { continue };
        let is = match entry.is {
            Type::File => "file",
            Type::Directory => "dir",
            Type::Link => "symlink",
            Type::Other => continue,
        };
        match there.remove(path) {
            None => wrong.push(format!("missing: '{path}'")),
            Some(node) if node.is != is => {
                wrong.push(format!("'{path}': expected a {is}, found a {}", node.is));
            }
            Some(node) if entry.is == Type::File && node.size != entry.size.0 => {
                let (expected, found) = (entry.size.0, node.size);
                wrong.push(format!("'{path}': expected {expected} bytes, found {found}"));
            }
            Some(_) => {}
        }
    }
    let extra = there.into_keys().filter(|path| !beside.contains(path));
    wrong.extend(extra.map(|path| format!("extra: '{path}'")));
    wrong
}

/// The record and the manifest in a snapshot are those of a backup here, to the letter.
fn texts(site: &Site, work: &Work<'_>, id: &str, local: &Path) -> Result<Vec<String>, Trouble> {
    let mut wrong = Vec::new();
    for name in [RECORD, manifest::FILE] {
        let here = work.host.long_file(&local.join(name))?.unwrap_or_default();
        if here.len() as u64 <= MANIFEST_BYTES_MAX && dump(site, work.host, id, name)? != here {
            wrong.push(format!("differs from the one here: '{name}'"));
        }
    }
    Ok(wrong)
}

fn dump(site: &Site, host: &dyn Host, id: &str, name: &str) -> Result<String, Trouble> {
    host.output(&tool(site)?.dump(id, name)).map_err(|fault| explained(&fault))
}

fn long_text(host: &dyn Host, directory: &Path) -> Result<String, Fault> {
    let text = host.long_file(&directory.join(manifest::FILE))?;
    text.ok_or_else(|| Fault::refused("the manifest is not there"))
}

fn id(far: &Far) -> Result<String, Fault> {
    // The data's stands first.
    far.ids.first().cloned().ok_or_else(|| Fault::refused("it has no snapshot"))
}

/// restic makes its cache by itself, but not the directories above it.
fn cache(site: &Site, work: &mut Work<'_>) -> Result<(), Trouble> {
    if let Way::Restic(repository) = &site.place.way {
        work.host.act(&Act::MakeDir(repository.cache.clone()))?;
    }
    Ok(())
}

/// A command whose progress is told.
fn saved(site: &Site, work: &mut Work<'_>, phase: &'static str, cmd: Cmd) -> Result<(), Trouble> {
    (work.tell)(Event::Phase(phase));
    let mut tail = Tail::default();
    let exit = run(site, work, cmd, &mut |work, line| {
        if let Some(progress) = tail.read(line) {
            (work.tell)(Event::Further(progress));
        }
    })?;
    failed(&exit, &tail).map_or(Ok(()), |failure| Err(trouble(failure)))
}

/// A command that says nothing of interest.
fn quiet(site: &Site, work: &mut Work<'_>, cmd: Cmd) -> Result<(), Trouble> {
    let exit = run(site, work, cmd, &mut |_, _| {})?;
    failed(&exit, &Tail::default()).map_or(Ok(()), |failure| Err(trouble(failure)))
}

/// Any status but 0 is a failure, above all 3: restic has saved what it could read.
fn failed(exit: &Exit, tail: &Tail) -> Option<Failure> {
    (exit.code != Some(0)).then(|| restic::failure(exit.code, &exit.stderr, tail.error.as_deref()))
}

fn trouble(failure: Failure) -> Trouble {
    Trouble { fault: Fault::unsure(failure.why), hint: failure.hint.map(Into::into) }
}

/// The same of a look, whose fault has the words in it; the program that is looked with is `env`.
fn explained(fault: &Fault) -> Trouble {
    let text = fault.to_string().replacen("'env'", "'restic'", 1);
    let code = text
        .split("exit status ")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    let failure = restic::failure(code, &text, None);
    // What restic says may have an address in it, with a password.
    let why = if failure.is_shown { text } else { failure.why };
    Trouble { fault: Fault::unsure(why), hint: failure.hint.map(Into::into) }
}

fn told(mut wrong: Vec<String>) -> String {
    let more = wrong.len().saturating_sub(TOLD_MAX);
    wrong.truncate(TOLD_MAX);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}{more}", wrong.join(", "))
}
