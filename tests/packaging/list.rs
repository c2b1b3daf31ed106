//! The list of what a package holds: everything on it is there, and everything there is on it.

use super::{files_in, text};

/// Folders of which every file is packaged.
const WHOLE: [&str; 11] = [
    "packaging/systemd",
    "packaging/man",
    "packaging/completions",
    "packaging/cron",
    "packaging/logrotate",
    "packaging/hooks",
    "packaging/monitoring",
    "packaging/filebeat",
    "packaging/logstash",
    "config",
    "config/scenarios",
];

/// The sources on the list: a path, where a name may have a '*' in it.
fn sources() -> Vec<String> {
    let list = text("packaging/files");
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let sources = lines.map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_mode, source, _destination] => source.to_owned(),
        _ => panic!("'{line}' is not mode, source and destination"),
    });
    sources.filter(|source| source != "-" && !source.starts_with("target/")).collect()
}

fn fits(pattern: &str, path: &str) -> bool {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let (of, file) = path.rsplit_once('/').unwrap_or(("", path));
    folder == of
        && match name.split_once('*') {
            None => name == file,
            Some((begin, end)) => file.starts_with(begin) && file.ends_with(end),
        }
}

#[test]
fn everything_on_the_list_is_there() {
    for source in sources() {
        let folder = source.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let found = files_in(folder).iter().any(|path| fits(&source, path));
        assert!(found, "packaging/files names '{source}', which is not there");
    }
}

#[test]
fn everything_that_is_there_is_on_the_list() {
    let sources = sources();
    let files: Vec<String> = WHOLE.iter().flat_map(|folder| files_in(folder)).collect();
    assert!(files.len() > 15, "found only {files:?}");
    for path in files {
        let times = sources.iter().filter(|source| fits(source, &path)).count();
        assert_eq!(times, 1, "packaging/files has '{path}' {times} times");
    }
}
