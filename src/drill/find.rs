//! The private server's program: the one that production runs, if it runs, and of the same series
//! as the backup's server in any case. Another series would not prove a restore but an upgrade.

use std::path::{Path, PathBuf};

use super::past::Past;
use crate::config::Drill as Wanted;
use crate::database::Server;
use crate::host::{Ask, Cmd, Host, Overrun};
use crate::plan::Refusal;
use crate::units::Millis;

/// What the servers' programs are called.
const NAMES: [&str; 2] = ["mariadbd", "mysqld"];
/// Where they are below a base directory.
const BELOW: [&str; 3] = ["bin", "sbin", "libexec"];
/// How long one may take to tell its version.
const VERSION_MS_MAX: Millis = Millis(30_000);

/// A program and who it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) version: String,
}

/// Finds it, or tells what was found instead.
pub(super) fn program(host: &dyn Host, wanted: &Wanted, past: &Past) -> Result<Program, Refusal> {
    let mut others = Vec::new();
    for path in candidates(host, wanted, past)? {
        match version(host, &path) {
            Ok(server) if same_series(&server, &past.server) => {
                return Ok(Program { path, version: server.text });
            }
            Ok(server) => others.push(format!("'{}' is {server}", path.display())),
            Err(why) => others.push(format!("'{}': {why}", path.display())),
        }
    }
    let of = &past.server;
    let found = if others.is_empty() { "found none".into() } else { others.join(", ") };
    let what = format!("expected a server of the series of {of}, {found}");
    let hint = "Install the server of that series, or name its program with 'server' in [drill]: \
                another series would make an upgrade of it.";
    Err(Refusal::new(what, hint))
}

/// The programs that may be it, the likeliest first; where one is named, that alone.
fn candidates(host: &dyn Host, wanted: &Wanted, past: &Past) -> Result<Vec<PathBuf>, Refusal> {
    if let Some(path) = &wanted.server {
        if host.entry(path)?.is_some() {
            return Ok(vec![path.clone()]);
        }
        let what = format!("there is no server at '{}'", path.display());
        return Err(Refusal::new(what, "Correct 'server' in [drill]."));
    }
    let mut all = running(host, &past.datadir());
    if let Some(base) = past.opening.get("basedir") {
        let base = Path::new(base);
        let below = |name: &&str| BELOW.map(|directory| base.join(directory).join(name));
        all.extend(NAMES.iter().flat_map(below));
    }
    for name in NAMES {
        all.extend(host.program(name)?);
    }
    let mut found: Vec<PathBuf> = Vec::new();
    for path in all {
        // A link and what it leads to are one program.
        let real = host.entry(&path).ok().flatten().map(|entry| entry.real);
        found.extend(real.filter(|real| !found.contains(real)));
    }
    Ok(found)
}

/// The programs of the servers that work in this directory now.
fn running(host: &dyn Host, datadir: &Path) -> Vec<PathBuf> {
    let entry = |path: PathBuf| host.entry(&path).ok().flatten();
    let place = entry(datadir.into()).map(|entry| entry.real);
    let pids = host.list(Path::new("/proc")).unwrap_or_default();
    let pids = pids.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let here = pids.filter_map(|pid| {
        let proc = Path::new("/proc").join(pid);
        let works_in = entry(proc.join("cwd"))?.real;
        let program = entry(proc.join("exe"))?.real;
        let name = program.file_name()?.to_str()?;
        (Some(works_in) == place && NAMES.contains(&name)).then_some(program)
    });
    here.collect()
}

/// Who a program says it is, as in `mariadbd  Ver 10.11.19-MariaDB for debian-linux-gnu on x86_64`.
fn version(host: &dyn Host, path: &Path) -> Result<Server, String> {
    let args = vec!["--no-defaults".into(), "--version".into()];
    let cmd = Cmd { program: path.into(), args, ms_max: VERSION_MS_MAX, overrun: Overrun::End };
    let text = host.output(&cmd).map_err(|fault| fault.to_string())?;
    parse(&text)
}

fn parse(text: &str) -> Result<Server, String> {
    let after = text.split_once(" Ver ").map(|(_, after)| after.trim_start());
    let word = after.and_then(|after| after.split_ascii_whitespace().next());
    let word =
        word.ok_or_else(|| format!("expected 'Ver' and a version, found '{}'", text.trim()))?;
    Server::parse(word, "")
}

/// Whether both are of one series: the first two numbers.
fn same_series(one: &Server, other: &Server) -> bool {
    let series = |server: &Server| (server.flavour, server.version.0, server.version.1);
    series(one) == series(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_who_they_are() {
        let read = |text| parse(text).expect("it is a version");
        let mariadb =
            read("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64");
        let mysql = read("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n");
        assert_eq!((mariadb.is_mariadb(), mariadb.version), (true, (10, 11, 19)));
        assert_eq!((mysql.is_mariadb(), mysql.version), (false, (9, 7, 4)));
        assert!(parse("bash 5.2").is_err());
        let later = read("mariadbd Ver 11.8.6-MariaDB for debian-linux-gnu");
        assert!(!same_series(&mariadb, &later) && same_series(&mysql, &read("x Ver 9.7.9 for y")));
    }
}
