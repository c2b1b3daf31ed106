//! One backup in full: groups of what is known, each line a name and its value.

use super::super::words::{Text, hanging};
use super::{ago, json, state};
use crate::catalog::{Backup, Catalog};
use crate::database::coordinates::{Channel, Own};
use crate::memory::{Finding, How};
use crate::run::PHASES;
use crate::snapshot::Kind;
use crate::store::{self, ManifestFile, Summary};
use crate::units::Millis;

/// A group: its title, and lines of a name and a value.
struct Group(&'static str, Vec<(String, String)>);

impl Group {
    fn new(title: &'static str) -> Self {
        Self(title, Vec::new())
    }

    fn line(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.1.push((name.into(), value.into()));
    }

    /// A line, where there is something to say.
    fn known(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.line(name, value.to_string());
        }
    }
}

/// All that is known of a backup. Where there is a width, values are broken between their words.
pub fn show(catalog: &Catalog, one: &Backup, columns: Option<usize>) -> String {
    let mut groups = vec![what(catalog, one)];
    if let Some(ours) = &one.ours {
        let summary = &ours.summary;
        groups.extend([server(summary), window(summary), phases(one, summary)]);
        groups.push(position(summary));
        groups.push(tools(summary));
    }
    groups.push(found(catalog, one));
    groups.push(outcome(one));
    groups.push(how_to_use(one));
    let mut text = Text::default();
    let named = groups.iter().flat_map(|Group(_, lines)| lines);
    let width = named.map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for Group(title, lines) in groups.into_iter().filter(|Group(_, lines)| !lines.is_empty()) {
        text.line(title);
        for (name, value) in lines {
            text.line(hanging(&format!("  {name:<width$}  "), &value, columns));
        }
    }
    text.0
}

fn what(catalog: &Catalog, one: &Backup) -> Group {
    let mut group = Group::new("backup");
    group.line("run", one.run.clone());
    group.line("directory", one.path.display().to_string());
    group.line("state", state(catalog, &one.state));
    group.known("problem", one.state.problem());
    group.known("hint", one.state.hint());
    group.known("began", one.began.map(|began| format!("{began}, {}", ago(catalog, began))));
    group.known("took", one.took_ms().map(Millis::lasting));
    let Some(ours) = one.ours.as_ref().filter(|_| one.state.is_published()) else { return group };
    let summary = &ours.summary;
    let files = summary.copied.files.map_or_else(String::new, |files| format!(" in {files} files"));
    group.line("size", format!("{}{files}", summary.copied.bytes));
    let linked = summary.linked.as_ref();
    group.known(
        "linked",
        linked
            .and_then(|all| Some((all, all.run.as_ref()?)))
            .map(|(all, run)| format!("{} of it in {} files to {run}", all.bytes, all.files)),
    );
    group.known("copied whole", linked.and_then(|all| all.why_not.as_ref()));
    group.known("COW store", one.cow_percent().map(|percent| format!("{percent} % full at most")));
    group
}

fn server(summary: &Summary) -> Group {
    let mut group = Group::new("source");
    group.known("host", summary.host.as_ref());
    group.known("server", summary.server.as_ref());
    for source in &summary.sources {
        let store::SourceVolume { vg, lv, filesystem, mount, tree, snapshot } = source;
        let kind = match snapshot {
            Kind::Thick => "thick",
            Kind::Thin => "thin",
        };
        let mount = mount.display();
        let told = format!("{vg}/{lv}: {filesystem} at '{mount}', {kind} snapshot, in '{tree}/'");
        group.line("volume", told);
    }
    for one in &summary.bad_pages {
        group.line("bad pages", format!("'{}': {} of {}", one.file, one.bad, one.checked));
    }
    group
}

fn window(summary: &Summary) -> Group {
    let window = &summary.window;
    let mut group = Group::new("lock window");
    let when = if window.when.is_empty() { String::new() } else { format!(", {}", window.when) };
    if !window.lock.is_empty() {
        let tries = window.tries.filter(|tries| *tries > 1);
        let tries = tries.map_or_else(String::new, |tries| format!(", {tries} tries"));
        group.line("lock", format!("{}{when}{tries}", window.lock));
    }
    group.known("statement", Some(&summary.lock).filter(|text| !text.is_empty()));
    group.known("frozen by", Some(&summary.freeze).filter(|text| !text.is_empty()));
    group.line("waited", window.waited_ms.to_string());
    group.line("locked", window.locked_ms.to_string());
    group.known("suspended", window.suspended_ms);
    group.known("released", window.released_ms);
    for one in &summary.killed {
        group.line("ended", one.to_string());
    }
    group
}

/// The phases in their order, then whatever else has a time.
fn phases(one: &Backup, summary: &Summary) -> Group {
    let mut group = Group::new("phases");
    let known = PHASES.map(|phase| phase.replace(' ', "_"));
    let times = &summary.timings_ms;
    let others = times.keys().filter(|name| !known.contains(name));
    for name in known.iter().chain(others) {
        group.known(&name.replace('_', " "), times.get(name).map(|ms| ms.lasting()));
    }
    let copy = one.outcome.as_ref().and_then(|outcome| outcome.copy_ms);
    group.known("rsync alone", copy.map(Millis::lasting));
    group
}

fn position(summary: &Summary) -> Group {
    let mut group = Group::new("position");
    let Own { file, position, gtid_executed, gtid_binlog_pos, gtid_slave_pos, gtid_current_pos } =
        &summary.coordinates.own;
    if let (Some(file), Some(position)) = (file, position) {
        group.line("binary log", format!("{file}:{position}"));
    }
    group.known("gtid_executed", gtid_executed.as_ref());
    group.known("gtid_binlog_pos", gtid_binlog_pos.as_ref());
    group.known("gtid_slave_pos", gtid_slave_pos.as_ref());
    group.known("gtid_current_pos", gtid_current_pos.as_ref());
    for one in &summary.coordinates.channels {
        channel(&mut group, one);
    }
    group
}

fn channel(group: &mut Group, one: &Channel) {
    let name =
        if one.name.is_empty() { "channel".into() } else { format!("channel '{}'", one.name) };
    let by = if one.gtid.is_empty() { "by position" } else { &one.gtid };
    group.line(name, format!("{}@{}:{}, {by}", one.user, one.host, one.port));
    group.line("  executed", format!("{}:{}", one.file, one.position));
    let received = &one.received;
    let gtid =
        if received.gtid.is_empty() { String::new() } else { format!(", {}", received.gtid) };
    group.line("  received", format!("{}:{}{gtid}", received.file, received.position));
    if one.errno != 0 {
        group.line("  applier", format!("had stopped with error {}", one.errno));
    }
}

fn tools(summary: &Summary) -> Group {
    let mut group = Group::new("made with");
    for (name, version) in &summary.tools {
        let told = version.as_str().map_or_else(|| version.to_string(), String::from);
        group.line(name.clone(), told);
    }
    group
}

fn found(catalog: &Catalog, one: &Backup) -> Group {
    let mut group = Group::new("what was found");
    match &one.known {
        Err(why) => group.line("unknown", format!("it cannot be read: {why}")),
        Ok(known) if known.found.is_empty() && one.state.is_published() => {
            group.line("nothing", "nobody has looked since it was published");
        }
        Ok(known) => {
            for (how, finding) in &known.found {
                look(&mut group, catalog, *how, finding);
            }
        }
    }
    group
}

fn look(group: &mut Group, catalog: &Catalog, how: How, finding: &Finding) {
    let read = match (finding.files, finding.bytes) {
        (Some(files), Some(bytes)) => format!(", {bytes} in {files} files"),
        _ => String::new(),
    };
    let ready = finding
        .ready_ms
        .map_or_else(String::new, |ms| format!(", a server was ready after {}", ms.lasting()));
    let verdict = match finding.problems_found {
        0 => "sound".to_owned(),
        1 => "1 problem".to_owned(),
        more => format!("{more} problems"),
    };
    let (at, took) = (ago(catalog, finding.at), finding.took_ms.lasting());
    group.line(json::word(how), format!("{verdict}, {at}, in {took}{read}{ready}"));
    for problem in &finding.problems {
        group.line("", problem.clone());
    }
}

fn outcome(one: &Backup) -> Group {
    let mut group = Group::new("its run");
    let Some(outcome) = &one.outcome else { return group };
    group.known("exit code", outcome.exit);
    group.known("failed in", outcome.phase.as_ref());
    group.known("because", outcome.fault.as_ref());
    for left in &outcome.left {
        group.line("left", left.clone());
    }
    group.known("ledger kept", outcome.kept.as_ref());
    group
}

/// What of it is for what.
fn how_to_use(one: &Backup) -> Group {
    let mut group = Group::new("to use it");
    let Some(ours) = one.ours.as_ref().filter(|_| one.state.is_published()) else { return group };
    let datadir = one.path.join(store::TREE).join(&ours.summary.datadir);
    group.line("data directory", datadir.display().to_string());
    let coordinates = one.path.join(store::COORDINATES);
    group.line("new replica", format!("{}: the statements for it", coordinates.display()));
    let listed = |told: &ManifestFile| {
        format!("{}: every file and its sum", one.path.join(&told.file).display())
    };
    group.known("manifest", ours.summary.manifest.as_ref().map(listed));
    group.line("record", one.path.join(store::RECORD).display().to_string());
    group
}
