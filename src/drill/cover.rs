//! Which paths of production's are covered by the copy: as much of each volume as can be, so that
//! nothing of production's is seen; but not what the server itself needs to run. Pure.

use std::path::{Path, PathBuf};

use crate::host::Fault;
use crate::host::jail::Cover;

/// What a server needs to run, wherever its own files are.
const NEEDED: [&str; 11] = [
    "/bin", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
];

/// How deep a volume is looked into for what is not needed.
const DEPTH_MAX: usize = 16;

/// Covers one volume: `mount` where it was mounted, `names` tells what is in a directory of its
/// tree, `needed` what must be seen, `data` where the data directory is, which is covered whatever
/// is in it.
pub(super) fn volume(
    layer: usize,
    mount: &Path,
    data: &Path,
    needed: &[PathBuf],
    names: &dyn Fn(&Path) -> Result<Vec<String>, Fault>,
) -> Result<Vec<Cover>, Fault> {
    let mut found = Vec::new();
    let mut open = vec![PathBuf::new()];
    while let Some(inside) = open.pop() {
        let at = super::past::join(mount, &inside);
        let deep = inside.components().count() >= DEPTH_MAX;
        if deep || at.starts_with(data) || !is_needed(&at, needed) {
            found.push(Cover { layer, inside, at });
        } else {
            open.extend(names(&inside)?.into_iter().map(|name| inside.join(name)));
        }
    }
    found.sort_by(|a, b| a.at.cmp(&b.at));
    Ok(found)
}

/// Whether something that must be seen is at a path or below it.
pub(super) fn is_needed(at: &Path, needed: &[PathBuf]) -> bool {
    let fixed = NEEDED.iter().map(Path::new);
    fixed.chain(needed.iter().map(PathBuf::as_path)).any(|path| path.starts_with(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mount: &str, data: &str, needed: &[&str], tree: &[&str]) -> Vec<String> {
        let needed: Vec<PathBuf> = needed.iter().map(PathBuf::from).collect();
        let names = |inside: &Path| {
            let mut names: Vec<String> = Vec::new();
            for path in tree.iter().filter_map(|path| Path::new(path).strip_prefix(inside).ok()) {
                let first = path.components().next().map(|part| part.as_os_str().to_owned());
                names.extend(first.and_then(|name| name.into_string().ok()));
            }
            names.dedup();
            Ok(names)
        };
        let found = volume(0, Path::new(mount), Path::new(data), &needed, &names);
        found.expect("it can be listed").iter().map(|one| one.at.display().to_string()).collect()
    }

    #[test]
    fn a_volume_is_covered_as_a_whole_where_nothing_on_it_is_needed() {
        assert_eq!(check("/srv/db", "/srv/db/mysql", &[], &["mysql/ibdata1"]), ["/srv/db"]);
        assert_eq!(check("/var/lib/mysql", "/var/lib/mysql", &[], &[]), ["/var/lib/mysql"]);
    }

    #[test]
    fn of_the_root_only_what_is_not_needed_is_covered() {
        let tree = ["var/lib/mysql/ibdata1", "srv/undo/undo001", "usr/local/mysql/data/ibdata1"];
        let covered = check("/", "/var/lib/mysql", &["/usr/sbin/mariadbd"], &tree);
        assert_eq!(covered, ["/srv", "/usr/local", "/var"]);
        let tarball = check("/", "/usr/local/mysql/data", &["/usr/local/mysql/bin/mysqld"], &tree);
        assert_eq!(tarball, ["/srv", "/usr/local/mysql/data", "/var"]);
    }

    #[test]
    fn the_data_directory_is_covered_even_where_the_program_is_in_it() {
        let needed = ["/opt/db/data/bin/mysqld", "/opt/db/share"];
        let covered =
            check("/opt", "/opt/db/data", &needed, &["db/data/ibdata1", "db/undo/undo001"]);
        assert_eq!(covered, ["/opt/db/data", "/opt/db/undo"]);
    }
}
