//! The real rsync on real files: what is linked, what is copied, and what is noticed when an
//! earlier backup is not what it was.

// What stands in the source and in the earlier backup is somebody else's.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::*;
use crate::copy::rsync::{self, Choice, Order, Tail};
use crate::host::linux::Linux;
use crate::host::{Cmd, Moment};

const RUN: &str = "20261123T010203Z-00002a";
/// When the earlier run began, in seconds since 1970.
const BEGAN: u64 = 1_795_395_723;
/// What was written two seconds before that or later is copied.
const UNTIL: u64 = BEGAN - 2;

/// A source, an earlier backup of it, and its manifest.
struct Place {
    _home: tempfile::TempDir,
    source: PathBuf,
    base: Base,
    entries: Vec<Entry>,
    next: PathBuf,
}

fn place() -> Place {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let (source, next) = (at("source"), at("next"));
    fs::create_dir_all(source.join("data/#innodb_redo")).unwrap();
    symlink("#innodb_redo", source.join("data/beside")).unwrap();
    fs::create_dir_all(next.join("tree")).unwrap();
    fs::create_dir_all(at(RUN).join("tree")).unwrap();
    let base = Base {
        run: RUN.into(),
        path: at(RUN),
        manifest: Digest::of(b""),
        until: Moment { seconds: i64::try_from(UNTIL).unwrap(), nanos: 0 },
        state_dir: at("state"),
    };
    Place { _home: home, source, base, entries: Vec::new(), next }
}

/// Writes a file of the source whose time is then so many nanoseconds after that second.
fn write(place: &Place, name: &str, text: &str, (seconds, nanos): (u64, u32)) {
    let path = place.source.join("data").join(name);
    fs::write(&path, text).unwrap();
    stamp(&path, (seconds, nanos));
}

fn stamp(path: &Path, (seconds, nanos): (u64, u32)) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos);
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

fn rsync(place: &Place, to: &Path, choice: Choice<'_>) -> Tail {
    let Cmd { program, args, .. } = rsync::command(&Order {
        rsync: Path::new("rsync"),
        root: &place.source,
        parts: &["data".into()],
        excludes: &["/lost+found".into()],
        target: &to.join("tree"),
        choice,
        handed: rsync::Handed::Plain,
        bandwidth_max: None,
        ms_max: Millis(60_000),
    });
    let done = Command::new(program).args(args).env("LC_ALL", "C").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut tail = Tail::default();
    String::from_utf8_lossy(&done.stdout).split(['\r', '\n']).for_each(|line| {
        tail.read(line);
    });
    tail
}

fn found(directory: &Path) -> Vec<Found> {
    Linux::new().unwrap().tree(directory).unwrap().found
}

fn entries(directory: &Path) -> Vec<Entry> {
    let entry = |one: Found| {
        let text = (one.is == Type::File).then(|| fs::read(directory.join(&one.path)).unwrap());
        Entry::new(one.path.clone(), &one, text.map(|text| Digest::of(&text)))
    };
    found(directory).into_iter().map(entry).collect()
}

impl Place {
    /// The earlier backup.
    fn back_up(mut self) -> Self {
        rsync(&self, &self.base.path, Choice::All);
        self.entries = entries(&self.base.path);
        self
    }

    /// The next one, as a run makes it: each file, and whether it is linked.
    fn incremental(&self) -> Result<Vec<String>, String> {
        let old = |one: &&Entry| one.is == Type::File && one.mtime < self.base.until;
        let inside = |one: &'_ Entry| one.path.strip_prefix("tree").unwrap().to_owned();
        let paths: Vec<PathBuf> = self.entries.iter().filter(old).map(inside).collect();
        let list = self.next.join("unchanged.list");
        fs::write(&list, rsync::list(paths.iter().map(|path| path.to_str().unwrap()))).unwrap();
        let earlier = self.base.path.join("tree");
        let links = Choice::Unchanged { names: &list, earlier: &earlier };
        let linked_tail = rsync(self, &self.next, links);
        fs::remove_file(list).unwrap();
        let tail = rsync(self, &self.next, Choice::Rest);
        let ours = found(&self.next);
        let linked = judge(&self.base, &self.entries, &found(&self.base.path), &ours)
            .map_err(|path| path.display().to_string())?;
        let files = || ours.iter().filter(|one| one.is == Type::File);
        let mut copied = linked_tail.stats();
        copied.add(tail.stats());
        let own = counted(files().filter(|one| linked.sum(&one.path).is_none()));
        assert!(own.files >= copied.files && own.bytes >= copied.bytes, "{own:?}, {copied:?}");
        assert_eq!(tail.listed(), super::super::read_back::listable(&ours));
        let manifest = entries(&self.next);
        for entry in manifest.iter().filter(|one| one.is == Type::File) {
            let carried = linked.sum(&entry.path);
            assert!(carried.is_none() || carried == entry.blake3, "{}", entry.path.display());
        }
        let bad = manifest.iter().find(|entry| {
            linked.expected.get(&entry.path).is_some_and(|sum| entry.blake3 != Some(*sum))
        });
        if let Some(bad) = bad {
            return Err(bad.path.display().to_string());
        }
        let how = |one: &Found| if linked.sum(&one.path).is_some() { "linked" } else { "copied" };
        let name = |one: &Found| one.path.strip_prefix("tree/data").unwrap().display().to_string();
        Ok(files().map(|one| format!("{} {}", how(one), name(one))).collect())
    }
}

#[test]
fn what_did_not_change_is_linked_and_what_did_is_copied() {
    let place = place();
    let long_ago = (BEGAN - 3600, 500);
    for name in ["same", "seconds", "nanos", "size", "mode", "gone", "#innodb_redo/#ib_redo7"] {
        write(&place, name, "rows", long_ago);
    }
    for name in ["odd\nname", "[a-z]*?\\", ";semicolon"] {
        write(&place, name, "rows", long_ago);
    }
    write(&place, "late", "rows", (UNTIL, 0));
    write(&place, "just before", "rows", (UNTIL - 1, 999_999_999));
    let place = place.back_up();
    // Written twice within one tick, before the snapshot and after it: one time, two contents.
    write(&place, "late", "ROWS", (UNTIL, 0));
    write(&place, "seconds", "ROWS", (BEGAN - 3599, 500));
    write(&place, "nanos", "ROWS", (BEGAN - 3600, 501));
    write(&place, "size", "rows and more", long_ago);
    write(&place, "new", "rows", long_ago);
    let data = place.source.join("data");
    fs::set_permissions(data.join("mode"), PermissionsExt::from_mode(0o444)).unwrap();
    fs::remove_file(data.join("gone")).unwrap();
    fs::hard_link(data.join("same"), data.join("same too")).unwrap();
    let told = place.incremental().unwrap();
    let wanted = [
        "linked #innodb_redo/#ib_redo7",
        "linked ;semicolon",
        "linked [a-z]*?\\",
        "linked just before",
        "copied late",
        "copied mode",
        "copied nanos",
        "copied new",
        "linked odd\nname",
        "linked same",
        // It lives on, but no longer as one file with the other.
        "copied same too",
        "copied seconds",
        "copied size",
    ];
    assert_eq!(told, wanted);
    let late = fs::read_to_string(place.next.join("tree/data/late")).unwrap();
    assert_eq!(late, "ROWS", "a stale file was taken");
    fs::remove_dir_all(&place.base.path).unwrap();
    assert_eq!(entries(&place.next).len(), wanted.len() + 4, "one lives without the other");
}

#[test]
fn what_is_linked_leaves_the_earlier_backup_as_it_was() {
    let place = place();
    for name in ["a", "b"] {
        write(&place, name, "rows", (BEGAN - 60, 1));
    }
    let place = place.back_up();
    write(&place, "b", "ROWS", (BEGAN + 60, 1));
    place.incremental().unwrap();
    assert_eq!(entries(&place.base.path), place.entries);
}

/// One whose bytes, attributes or names are not those of its manifest gives no sum to another.
#[test]
fn an_earlier_backup_that_is_not_what_it_was_is_noticed() {
    let damaged = |harm: fn(&Place)| {
        let place = place();
        for name in ["a", "b"] {
            write(&place, name, "rows", (BEGAN - 60, 1));
        }
        let place = place.back_up();
        harm(&place);
        place.incremental()
    };
    let bend = |place: &Place, text: &str| {
        let path = place.base.path.join("tree/data/a");
        fs::write(&path, text).unwrap();
        stamp(&path, (BEGAN - 60, 1));
    };
    assert_eq!(damaged(|_| {}).unwrap(), ["linked a", "linked b"]);
    // rsync copies from the earlier backup what differs in its mode alone.
    let rotten = damaged(|place| {
        let path = place.base.path.join("tree/data/a");
        fs::write(&path, "rOws").unwrap();
        stamp(&path, (BEGAN - 60, 1));
        let source = place.source.join("data/a");
        fs::set_permissions(source, PermissionsExt::from_mode(0o444)).unwrap();
    });
    assert_eq!(rotten.unwrap_err(), "tree/data/a", "damage got a new sum");
    let owned = damaged(|place| {
        for at in [place.base.path.join("tree/data/a"), place.source.join("data/a")] {
            fs::set_permissions(at, PermissionsExt::from_mode(0o666)).unwrap();
        }
    });
    assert_eq!(owned.unwrap_err(), "tree/data/a", "its manifest says another mode");
    let cut = place();
    write(&cut, "a", "rows", (BEGAN - 60, 1));
    let cut = cut.back_up();
    bend(&cut, "ro");
    assert_eq!(cut.incremental().unwrap(), ["copied a"], "one that was cut is not linked");
}

/// Whatever rsync does: a link that nothing proves is no link.
#[test]
fn a_link_that_nothing_proves_is_refused() {
    let linked_to = |seconds: u64, other: bool| {
        let place = place();
        write(&place, "a", "rows", (seconds, 0));
        let place = place.back_up();
        fs::create_dir_all(place.next.join("tree/data")).unwrap();
        let theirs = place.base.path.join("tree/data/a");
        let stranger = place.source.join("data/a");
        let to = if other { stranger } else { theirs };
        fs::hard_link(to, place.next.join("tree/data/a")).unwrap();
        let ours = found(&place.next);
        let linked = judge(&place.base, &place.entries, &found(&place.base.path), &ours);
        linked.map(|linked| linked.stats.files).map_err(|path| path.display().to_string())
    };
    assert_eq!(linked_to(UNTIL - 1, false), Ok(1));
    assert_eq!(linked_to(UNTIL, false), Err("tree/data/a".into()), "its time proves nothing");
    assert_eq!(linked_to(UNTIL - 1, true), Err("tree/data/a".into()), "nobody knows what it is");
}

/// Databases are moved, and a link is left behind: what is named below it is not in the snapshot.
#[test]
fn nothing_is_named_that_is_reached_through_a_link() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    fs::create_dir_all(at("root/data/here")).unwrap();
    fs::create_dir_all(at("live/moved")).unwrap();
    fs::write(at("root/data/file"), "").unwrap();
    symlink(at("live/moved"), at("root/data/moved")).unwrap();
    symlink("here", at("root/data/beside")).unwrap();
    symlink(at("root"), at("mount")).unwrap();
    let names =
        ["data/a", "data/here/b", "data/moved/c", "data/beside/d", "data/file/e", "data/no/f"];
    let names = names.map(String::from);
    let host = Linux::new().unwrap();
    for root in ["root", "mount"] {
        let all: Vec<&str> = inside(&host, &at(root), &names).unwrap().collect();
        assert_eq!(all, ["data/a", "data/here/b"]);
    }
    assert!(inside(&host, &at("nowhere"), &names).map(Iterator::count).is_err());
}
