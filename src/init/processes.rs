//! Which servers run, by `/proc`: their processes, what directory they work in, where they listen.
//!
//! Processes come and go while we look, so one that cannot be looked at is none. A program is never
//! run to ask for its version: anybody may call a program of his own `mysqld`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::choose::PEOPLE_UID_MIN;
use super::{Process, Running};
use crate::host::{Ask, Fault, Host};
use crate::{config, trust};

/// What the servers' programs are called.
const PROGRAMS: [&str; 2] = ["mariadbd", "mysqld"];

/// Where servers listen if nobody says otherwise: Debian and Red Hat, and as MySQL is built.
const USUAL: [&str; 3] = [config::SOCKET, "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"];

/// A socket of MySQL's second protocol, which no backup speaks, is called so.
const X_PROTOCOL: &str = "mysqlx";

/// That a socket is listened at: `__SO_ACCEPTCON` in the flags of `/proc/net/unix`.
const LISTENS: &str = "00010000";

/// Every server that runs, by its process number.
pub(crate) fn servers(host: &dyn Host) -> Result<Vec<Running>, Fault> {
    let mut pids: Vec<u32> =
        host.list(Path::new("/proc"))?.iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    Ok(pids.into_iter().filter_map(|pid| server(host, pid)).collect())
}

/// Sockets at the usual places, for a server whose process tells of none: not where anybody could
/// have put one, nor one that a person made, since a password may be sent there.
pub(super) fn usual_sockets(host: &dyn Host) -> Vec<PathBuf> {
    let entry = |path: &Path| host.entry(path).ok().flatten();
    let ours = |path: &PathBuf| {
        let directory = path.parent().and_then(entry);
        directory.is_some_and(|directory| !trust::can_be_written_by_others(&directory))
            && entry(path).is_some_and(|socket| socket.uid < PEOPLE_UID_MIN)
    };
    USUAL.iter().map(PathBuf::from).filter(ours).collect()
}

fn server(host: &dyn Host, pid: u32) -> Option<Running> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let program = program(host, &proc)?;
    let uid = host.entry(&proc).ok()??.uid;
    let works_in = host.entry(&proc.join("cwd")).ok().flatten().map(|entry| entry.real);
    let socket = socket(host, &proc, uid, works_in.as_deref());
    Some(Running { process: Some(Process { pid, program, uid, works_in }), socket })
}

/// The name of the process, or that of its file: some servers rename their first thread.
fn program(host: &dyn Host, proc: &Path) -> Option<String> {
    let name = host.file(&proc.join("comm")).ok()??.trim().to_owned();
    let file = || Some(host.entry(&proc.join("exe")).ok()??.real.file_name()?.to_str()?.to_owned());
    let known = |name: &String| PROGRAMS.contains(&name.as_str());
    Some(name).filter(known).or_else(|| file().filter(known))
}

/// Where a process of this user listens for clients, by the sockets it has open. One that is not
/// there on this side of a container is none, nor is one of somebody else's at its place.
fn socket(host: &dyn Host, proc: &Path, uid: u32, works_in: Option<&Path>) -> Option<PathBuf> {
    let open: BTreeSet<String> = host
        .links(&proc.join("fd"))
        .ok()?
        .iter()
        .filter_map(|link| inode(link.to.to_str()?).map(String::from))
        .collect();
    let table = host.file(&proc.join("net/unix")).ok()??;
    let full = |path: &str| works_in.map_or(PathBuf::from(path), |directory| directory.join(path));
    let mut found: Vec<PathBuf> = table
        .lines()
        .filter_map(listening)
        .filter(|(inode, path)| open.contains(*inode) && is_clients(path))
        .map(|(_, path)| full(path))
        .filter(|path| matches!(host.entry(path), Ok(Some(entry)) if entry.uid == uid))
        .collect();
    found.sort();
    found.into_iter().next()
}

/// The number in what a descriptor's link says: `socket:[4711]`.
fn inode(link: &str) -> Option<&str> {
    link.rsplit('/').next()?.strip_prefix("socket:[")?.strip_suffix(']')
}

/// The inode and the path of a line of `/proc/net/unix`, if something listens there: number,
/// references, protocol, flags, type, state, inode, path.
fn listening(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let flags = words.nth(3)?;
    let inode = words.nth(2)?;
    let path = line.split_once(&format!(" {inode} "))?.1;
    (flags == LISTENS).then_some((inode, path))
}

/// Whether clients come to this socket; a name that begins with '@' is in no filesystem.
fn is_clients(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !path.starts_with('@') && !name.starts_with(X_PROTOCOL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_as_the_kernel_tells_them() {
        let line = "00000000: 00000002 00000000 00010000 0001 01  4711 /run/my sqld/a.sock";
        assert_eq!(listening(line), Some(("4711", "/run/my sqld/a.sock")));
        assert_eq!(listening(&line.replace("00010000", "00000000")), None);
        assert_eq!(listening("Num       RefCount Protocol Flags    Type St Inode Path"), None);
        assert_eq!(listening("0: 00000003 00000000 00000000 0001 03 12"), None);
        assert_eq!(listening(""), None);
        assert_eq!(inode("socket:[4711]"), Some("4711"));
        assert_eq!(inode("/proc/1/fd/socket:[4711]"), Some("4711"));
        assert_eq!(inode("pipe:[4711]"), None);
    }

    #[test]
    fn not_every_socket_is_for_clients() {
        assert!(is_clients("/run/mysqld/mysqld.sock") && is_clients("mysql.sock"));
        assert!(!is_clients("/run/mysqld/mysqlx.sock") && !is_clients("@mysql"));
    }
}
