//! Another host by ssh: the operations, of commands that `copy::ssh` makes.

use std::path::Path;

use super::long::run;
use super::{Backup, Event, Far, Programs, Site, Trouble, Work, read_record};
use crate::config::Way;
use crate::copy::rsync::Tail;
use crate::copy::ssh::{self, Care, RECORD_BEFORE, Tool};
use crate::host::{Act, Ask, Cmd, Exit, Fault, Host};
use crate::store::{Form, RECORD};
use crate::sums::Progress;
use crate::units::Bytes;

/// The status of our own scripts where the directory is not there.
const NO_DIRECTORY: i32 = 97;
/// How many differences are told; all are counted.
const TOLD_MAX: usize = 20;

/// The commands, each with a connection of its own, or with one that is shared.
fn tool(site: &Site, shared: bool) -> Result<Tool<'_>, Fault> {
    match (&site.place.way, &site.programs) {
        (Way::Ssh(account), Programs::Ssh { ssh, rsync, socket }) => Ok(Tool {
            ssh,
            rsync,
            account,
            socket: shared.then_some(socket.as_path()),
            bandwidth_max: site.place.bandwidth_max,
            ms_max: site.place.ms_max,
        }),
        _ => Err(Fault::refused("the place is no host")),
    }
}

/// Every backup there, by its record.
pub(super) fn list(site: &Site, host: &dyn Host) -> Result<Vec<Far>, Trouble> {
    let text = host.output(&tool(site, false)?.list()).map_err(|fault| explained(site, fault))?;
    Ok(ssh::listing(&text).into_iter().filter_map(|(name, record)| far(&name, record)).collect())
}

fn far(name: &str, record: Option<String>) -> Option<Far> {
    let (form, run) = Form::of(name)?;
    let unclear = record.is_none().then(|| format!("it has no '{RECORD}'"));
    let mut far =
        Far { run: run.into(), host: None, form, bytes: None, unclear, record, ids: Vec::new() };
    if let Some(text) = far.record.clone() {
        read_record(&mut far, &text);
    }
    Some(far)
}

/// Sends, compares every byte, sends again what differs, and publishes.
pub(super) fn push(site: &Site, work: &mut Work<'_>, backup: &Backup<'_>) -> Result<(), Trouble> {
    connect(site, work)?;
    let tool = tool(site, true)?;
    let Backup { run: name, directory, .. } = *backup;
    command(site, work, tool.open(name))?;
    copying(site, work, "send", tool.send_record(directory, name), Bytes(0))?;
    let of = backup.summary.manifest.as_ref().map_or(Bytes(0), |one| one.bytes);
    let mut care = Care::Quick;
    loop {
        copying(site, work, "send", tool.send(directory, name, care), of)?;
        let differences = compare(site, work, tool.compare(directory, Form::Partial, name))?;
        if differences.is_empty() {
            break;
        }
        if care == Care::Thorough {
            let told = differences.join(", ");
            return Err(Fault::unsure(format!("it differs after it was sent twice: {told}")).into());
        }
        care = Care::Thorough;
    }
    work.host.heed_signal()?;
    (work.tell)(Event::Phase("publish"));
    let ended = command(site, work, tool.publish(name));
    // An error there is ambiguous, as of any commit: who called looks.
    if ended.is_err() && is_there(site, work, backup) { Ok(()) } else { ended }
}

fn is_there(site: &Site, work: &Work<'_>, backup: &Backup<'_>) -> bool {
    let whole = |far: &Far| far.run == backup.run && far.record.as_deref() == Some(backup.record);
    list(site, work.host).is_ok_and(|all| all.iter().any(|far| far.counts() && whole(far)))
}

/// One that is here, too, is compared byte by byte; one that is not has nothing to be held against.
pub(super) fn verify(
    site: &Site,
    work: &mut Work<'_>,
    far: &Far,
    local: Option<&Path>,
) -> Result<Vec<String>, Trouble> {
    let Some(local) = local else {
        let (run, name) = (&far.run, &site.place.name);
        return Err(Trouble::new(
            format!("'{run}' is not here any more, so there is nothing to compare it with"),
            format!("Run 'holdstill fetch {run} --from {name}', which reads it back in full."),
        ));
    };
    connect(site, work)?;
    let tool = tool(site, true)?;
    let record = work.host.file(&local.join(RECORD))?;
    let mut wrong = compare(site, work, tool.compare(local, Form::Whole, &far.run))?;
    if record != far.record {
        wrong.insert(0, RECORD.into());
    }
    Ok(wrong.into_iter().map(|name| format!("differs from the one here: '{name}'")).collect())
}

/// Fetches; what is here of it is gone on with.
pub(super) fn receive(
    site: &Site,
    work: &mut Work<'_>,
    name: &str,
    into: &Path,
    care: Care,
) -> Result<(), Trouble> {
    connect(site, work)?;
    let cmd = tool(site, true)?.receive(name, into, care);
    copying(site, work, "fetch", cmd, Bytes(0))
}

/// Removes, one after the other.
pub(super) fn remove(
    site: &Site,
    work: &mut Work<'_>,
    gone: &[Far],
) -> Vec<(String, Result<(), Trouble>)> {
    let mut all = Vec::new();
    for far in gone {
        let ended = work.host.heed_signal().map_err(Trouble::from).and_then(|()| {
            connect(site, work)?;
            let tool = tool(site, true)?;
            let cmd = match far.form {
                Form::Whole => tool.remove(&far.run),
                Form::Removing => tool.finish(&far.run),
                Form::Partial => tool.discard(&far.run),
            };
            command(site, work, cmd)
        });
        all.push((far.form.name(&far.run), ended));
    }
    all
}

/// Ends the connection that is shared; one that is not there is ended.
pub(super) fn close(site: &Site, host: &mut dyn Host) {
    let Programs::Ssh { socket, .. } = &site.programs else { return };
    if let (Ok(Some(_)), Ok(tool)) = (host.entry(socket), tool(site, true)) {
        let _it_ends_by_itself = host.act(&Act::Run(tool.close()));
    }
}

/// The socket of the shared connection is ours alone.
fn connect(site: &Site, work: &mut Work<'_>) -> Result<(), Trouble> {
    let Programs::Ssh { socket, .. } = &site.programs else { return Ok(()) };
    let Some(directory) = socket.parent() else { return Ok(()) };
    work.host.act(&Act::MakeDir(directory.into()))?;
    Ok(())
}

/// A script at the other side.
fn command(site: &Site, work: &mut Work<'_>, cmd: Cmd) -> Result<(), Trouble> {
    let exit = run(site, work, cmd, &mut |_, _| {})?;
    succeeded(site, "ssh", &exit)
}

/// rsync, while its progress is told.
fn copying(
    site: &Site,
    work: &mut Work<'_>,
    phase: &'static str,
    cmd: Cmd,
    of: Bytes,
) -> Result<(), Trouble> {
    (work.tell)(Event::Phase(phase));
    let mut tail = Tail::default();
    let exit = run(site, work, cmd, &mut |work, line| {
        if let Some(progress) = tail.read(line) {
            let whole = progress.bytes.0.saturating_mul(100);
            let guess = Bytes(whole / u64::from(progress.percent.max(1)));
            let total = if of.0 > 0 { of } else { guess };
            let bytes = Bytes(progress.bytes.0.min(total.0));
            (work.tell)(Event::Further(Progress { bytes, total }));
        }
    })?;
    succeeded(site, "rsync", &exit)
}

/// What differs: the first names, and how many more.
fn compare(site: &Site, work: &mut Work<'_>, cmd: Cmd) -> Result<Vec<String>, Trouble> {
    (work.tell)(Event::Phase("compare"));
    let (mut names, mut count) = (Vec::new(), 0_usize);
    let exit = run(site, work, cmd, &mut |_, line| {
        if let Some(name) = ssh::difference(line).filter(|name| *name != RECORD_BEFORE) {
            count += 1;
            if names.len() < TOLD_MAX {
                names.push(name.to_owned());
            }
        }
    })?;
    succeeded(site, "rsync", &exit)?;
    if count > names.len() {
        names.push(format!("and {} more", count - names.len()));
    }
    Ok(names)
}

fn succeeded(site: &Site, program: &str, exit: &Exit) -> Result<(), Trouble> {
    let said = exit.stderr.as_str();
    let why = match exit.code {
        Some(0) => return Ok(()),
        Some(code) => format!("{program} ended with status {code}: {said}"),
        None => format!("{program} was ended by a signal"),
    };
    let missing = (exit.code == Some(NO_DIRECTORY)).then(|| no_directory(site));
    let hint = missing.or_else(|| ssh::hint(said).map(Into::into));
    Err(Trouble { fault: Fault::unsure(why), hint })
}

/// The same of a look, whose fault has the words in it.
fn explained(site: &Site, fault: Fault) -> Trouble {
    let text = fault.to_string();
    let missing = text.contains(&format!("exit status {NO_DIRECTORY}")).then(|| no_directory(site));
    let hint = missing.or_else(|| ssh::hint(&text).map(Into::into));
    Trouble { fault, hint }
}

fn no_directory(site: &Site) -> String {
    let Way::Ssh(account) = &site.place.way else { return String::new() };
    format!("Make the directory on '{}', for '{}' alone.", account.host, account.user)
}
