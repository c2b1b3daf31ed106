//! A table's files in a backup, by their names: what can be told of it before anything is copied.
//!
//! Deliberately absent: names with letters beyond ASCII, which the servers write in ways of their
//! own; of such a table nothing is told, and the private server finds out.

use std::path::{Path, PathBuf};

use super::export::TableName;
use super::plan::Drill;
use crate::host::{Ask, Host};
use crate::plan::{Refusal, mount_of};
use crate::units::Bytes;

/// What the directory gets beside the table's file, in percent, and at least: what it looks like,
/// and the statements.
const MARGIN_PERCENT: u64 = 2;
const MARGIN_MIN: Bytes = Bytes(1 << 20);

/// The files of other engines.
const OTHERS: [(&str, &str); 6] = [
    ("MYD", "MyISAM"),
    ("MAD", "Aria"),
    ("CSV", "CSV"),
    ("ARZ", "ARCHIVE"),
    ("MRG", "MERGE"),
    ("ISM", "ISAM"),
];

/// A table as it is in the backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its tablespaces, relative to the data directory.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: Bytes,
    /// What is free where they go.
    pub free: Bytes,
}

/// Looks for a table's files, and whether there is room for them; nothing if its name does not tell
/// what they are called.
pub fn look(
    host: &dyn Host,
    drill: &Drill,
    table: &TableName,
    to: &Path,
) -> Result<Option<Seen>, Refusal> {
    let (Some(schema), Some(stem)) = (encoded(&table.schema), encoded(&table.table)) else {
        return Ok(None);
    };
    let data = drill.past.tree_of_data(&drill.directory);
    let names = host.list(&data)?;
    let exactly = names.iter().find(|name| **name == schema);
    let is_it = |name: &&String| name.eq_ignore_ascii_case(&schema);
    let Some(schema) = exactly.or_else(|| names.iter().find(is_it)).cloned() else {
        let what = format!("there is no database '{}' in the backup", table.schema);
        return Err(Refusal::new(
            what,
            "Look how it is spelt; choose another backup if it is new.",
        ));
    };
    let tree = host.tree(&data.join(&schema))?;
    let of_it = |one: &&crate::host::Found| belongs(&one.path, &stem).is_some();
    let all: Vec<_> = tree.found.iter().filter(of_it).collect();
    let names: Vec<&str> = all.iter().filter_map(|one| one.path.to_str()).collect();
    judge(table, &stem, &names, drill.past.server.is_mariadb())?;
    let spaces = all.iter().filter(|one| one.path.extension().is_some_and(|end| end == "ibd"));
    let bytes = Bytes(spaces.clone().map(|one| one.size.0).sum());
    let files = spaces.map(|one| Path::new(&schema).join(&one.path)).collect();
    Ok(Some(Seen { files, bytes, free: room(host, to, bytes)? }))
}

/// What of a table's name is behind the stem: the ending, or a partition and the ending.
fn belongs<'a>(path: &'a Path, stem: &str) -> Option<&'a str> {
    let name = path.to_str()?;
    let rest = name.get(stem.len()..).filter(|_| name.is_char_boundary(stem.len()))?;
    let same = name[..stem.len()].eq_ignore_ascii_case(stem);
    (same && (rest.starts_with('.') || rest.starts_with('#'))).then_some(rest)
}

/// Refuses what cannot be taken out, by the names of its files.
fn judge(table: &TableName, stem: &str, names: &[&str], mariadb: bool) -> Result<(), Refusal> {
    let told = table.quoted();
    let ends = |end: &str| {
        let ending = format!("{stem}.{end}");
        names.iter().any(|name| name.eq_ignore_ascii_case(&ending))
    };
    let parted = names.iter().any(|name| name.to_ascii_lowercase().contains("#p#"));
    if parted && mariadb {
        let what = format!(
            "cannot take out {told}: it has partitions, which MariaDB imports one by one alone"
        );
        let hint = "Restore the whole backup, start a server on it, and dump the table.";
        return Err(Refusal::new(what, hint));
    }
    if parted || ends("ibd") {
        return Ok(());
    }
    if let Some((_, engine)) = OTHERS.iter().find(|(end, _)| ends(end)) {
        let what = format!(
            "cannot take out {told}: it is of the engine {engine}, and only tables of InnoDB can be"
        );
        return Err(Refusal::new(what, "Restore the whole backup, and copy or dump the table."));
    }
    let what = if ends("frm") {
        format!(
            "cannot take out {told}: it has no file of its own, but is in the system tablespace, \
             or is a view"
        )
    } else {
        format!(
            "there is no table {told} with a file of its own in the backup: if it is there, it is \
             in a shared tablespace"
        )
    };
    let hint = "Look how it is spelt; what is in a shared tablespace comes with the whole backup.";
    Err(Refusal::new(what, hint))
}

/// What is free where it goes, if that is enough.
fn room(host: &dyn Host, to: &Path, bytes: Bytes) -> Result<Bytes, Refusal> {
    let above = to.parent().unwrap_or(to);
    let free = host.space(above)?.free;
    let margin = Bytes((bytes.0 / 100 * MARGIN_PERCENT).max(MARGIN_MIN.0));
    let needed = Bytes(bytes.0.saturating_add(margin.0));
    if free >= needed {
        return Ok(free);
    }
    let entry = host.entry(above)?;
    let mounts = host.mounts()?;
    let on = entry.as_ref().and_then(|entry| mount_of(entry, &mounts));
    let on = on.map_or(above.display().to_string(), |mount| mount.point.display().to_string());
    let what =
        format!("too little space on '{on}' for the table: {needed} are needed, {free} are free");
    Err(Refusal::new(what, "Make room there, or name a directory on a larger filesystem."))
}

/// A name as the servers write it into a file's name; nothing if only they know how.
fn encoded(name: &str) -> Option<String> {
    name.is_ascii().then(|| {
        let letter = |one: char| match one {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => one.to_string(),
            other => format!("@{:04x}", u32::from(other)),
        };
        name.chars().map(letter).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_servers_write_them() {
        assert_eq!(encoded("o'dd t").as_deref(), Some("o@0027dd@0020t"));
        assert_eq!(encoded("a-b.c#d").as_deref(), Some("a@002db@002ec@0023d"));
        assert_eq!(encoded("Straße"), None);
    }

    fn told(table: &str, names: &[&str], mariadb: bool) -> String {
        let table = TableName::parse(&format!("lab.{table}")).unwrap();
        let stem = encoded(&table.table).unwrap();
        let of_it = |name: &&&str| belongs(Path::new(**name), &stem).is_some();
        let names: Vec<&str> = names.iter().filter(of_it).copied().collect();
        judge(&table, &stem, &names, mariadb)
            .map_or_else(|refusal| refusal.what, |()| "fine".into())
    }

    #[test]
    fn what_cannot_be_taken_out_is_told_by_its_files() {
        let names = [
            "t.ibd",
            "t.frm",
            "p.frm",
            "p.par",
            "p#P#p0.ibd",
            "q#p#p0.ibd",
            "m.MYD",
            "m.MYI",
            "v.frm",
            "tt.ibd",
            "s.frm",
        ];
        assert_eq!(told("t", &names, true), "fine");
        assert_eq!(told("T", &names, true), "fine");
        assert!(told("p", &names, true).contains("has partitions"));
        assert_eq!(told("q", &names, false), "fine", "MySQL imports all of them at once");
        assert!(told("m", &names, true).contains("of the engine MyISAM"));
        assert!(told("s", &names, true).contains("the system tablespace"));
        assert!(told("x", &names, false).contains("there is no table"));
    }
}
