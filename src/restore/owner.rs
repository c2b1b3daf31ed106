//! Whose the files will be: names as this host knows them, or numbers.
//!
//! Deliberately absent: other sources of users than `/etc/passwd` and `/etc/group`. A server's user
//! is there, and who is elsewhere has a number.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::host::{Ask, Host};
use crate::manifest::Entry;
use crate::plan::Refusal;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// The user that servers run as where nobody says otherwise.
const SERVERS_USER: &str = "mysql";

/// A user and a group, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// A line of the users.
struct User {
    name: String,
    owner: Owner,
}

/// What `USER`, `USER:GROUP` or numbers mean here. A user alone comes with the group of his own.
pub(super) fn named(host: &dyn Host, text: &str) -> Result<Owner, Refusal> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let users = users(host)?;
    let known = users.iter().find(|one| one.name == user).map(|one| one.owner);
    let uid = known.map(|owner| owner.uid).or_else(|| user.parse().ok());
    let uid = uid.ok_or_else(|| unknown("user", user, PASSWD))?;
    let primary = || users.iter().find(|one| one.owner.uid == uid).map(|one| one.owner.gid);
    let gid = match group {
        Some(group) => gid(host, group)?,
        None => primary(),
    };
    let gid = gid.ok_or_else(|| unknown("group", group.unwrap_or(user), GROUP))?;
    Ok(Owner { uid, gid })
}

fn unknown(what: &str, name: &str, file: &str) -> Refusal {
    let hint = "Name them by their numbers, as '--owner 27:27', or make the user first.";
    Refusal::new(format!("there is no {what} '{name}' in '{file}'"), hint)
}

fn users(host: &dyn Host) -> Result<Vec<User>, Refusal> {
    let text = host.file(Path::new(PASSWD))?.unwrap_or_default();
    Ok(text.lines().filter_map(user).collect())
}

/// name:password:uid:gid:… (passwd(5))
fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let uid = fields.nth(1)?.parse().ok()?;
    Some(User { name, owner: Owner { uid, gid: fields.next()?.parse().ok()? } })
}

/// name:password:gid:… (group(5))
fn gid(host: &dyn Host, group: &str) -> Result<Option<u32>, Refusal> {
    let text = host.file(Path::new(GROUP))?.unwrap_or_default();
    let mut lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = lines.find(|fields| fields.first() == Some(&group));
    Ok(found.and_then(|fields| fields.get(2)?.parse().ok()).or_else(|| group.parse().ok()))
}

/// Who has most of these, root aside if anybody else has any.
pub(super) fn most(entries: &[Entry]) -> Option<Owner> {
    let mut counted: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for entry in entries {
        *counted.entry((entry.uid, entry.gid)).or_default() += 1;
    }
    let most = counted.iter().max_by_key(|((uid, _), count)| (*uid != 0, **count));
    most.map(|((uid, gid), _)| Owner { uid: *uid, gid: *gid })
}

/// What is to be said where the servers' user of this host is not who the files belong to.
pub(super) fn stranger(host: &dyn Host, of: Owner) -> Result<Option<String>, Refusal> {
    let users = users(host)?;
    let servers = users.iter().find(|one| one.name == SERVERS_USER).map(|one| one.owner);
    Ok(match servers {
        Some(here) if here.uid != of.uid => Some(format!(
            "the files belong to {of}, and the user '{SERVERS_USER}' of this host is {here}: add \
             '--owner {SERVERS_USER}:{SERVERS_USER}' for a server that runs here"
        )),
        None if !users.iter().any(|one| one.owner.uid == of.uid) => Some(format!(
            "the files belong to {of}, and this host has no such user: install the server first, \
             or add '--owner USER:GROUP'"
        )),
        _ => None,
    })
}
