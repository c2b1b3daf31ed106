//! Where a server's files are, as the server itself says.

use std::path::{Component, Path, PathBuf};

use super::Server;
use super::settings::Settings;

/// A place where files of the server are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// A directory, absolute.
    pub path: PathBuf,
    /// What is there.
    pub role: Role,
    /// The variable, or whatever else told it.
    pub told_by: String,
}

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Must be in the same snapshot as all other data: the data directory and the files
    /// of every engine.
    Data,
    /// The server's own binary log: in the backup if it is on the same volume.
    BinaryLog,
    /// Relay logs: they can be fetched again.
    RelayLog,
    /// Temporary files: never needed.
    Temporary,
}

/// The data directory.
pub fn datadir(settings: &Settings) -> Result<PathBuf, String> {
    let text = settings.get("datadir").unwrap_or("nothing");
    let path = Path::new(text);
    if path.is_absolute() {
        return Ok(clean(path));
    }
    Err(format!("expected an absolute path in 'datadir', found '{text}'"))
}

/// The variables that name a directory of data.
const DATA: [&str; 9] = [
    "innodb_data_home_dir",
    "innodb_log_group_home_dir",
    "innodb_undo_directory",
    "innodb_doublewrite_dir",
    "aria_log_dir_path",
    "rocksdb_datadir",
    "rocksdb_wal_dir",
    "tokudb_data_dir",
    "tokudb_log_dir",
];

/// Every place that the variables name, the data directory first.
pub fn named(settings: &Settings, datadir: &Path) -> Vec<Place> {
    let place = |path: PathBuf, role, name: &str| Place { path, role, told_by: name.into() };
    let mut places = vec![place(datadir.into(), Role::Data, "datadir")];
    for name in DATA {
        let path = settings.get(name).map(|text| under(datadir, text));
        places.extend(path.map(|path| place(path, Role::Data, name)));
    }
    for file in system_files(settings, datadir, "innodb_data_file_path") {
        places.push(place(parent(&file), Role::Data, "innodb_data_file_path"));
    }
    for (name, role) in
        [("log_bin_basename", Role::BinaryLog), ("relay_log_basename", Role::RelayLog)]
    {
        let path = settings.get(name).map(|text| parent(&under(datadir, text)));
        places.extend(path.map(|path| place(path, role, name)));
    }
    for name in ["tmpdir", "innodb_tmpdir"] {
        let list = settings.get(name).unwrap_or_default().split(':').filter(|one| !one.is_empty());
        places.extend(list.map(|text| place(under(datadir, text), Role::Temporary, name)));
    }
    places
}

/// InnoDB's temporary tablespaces: made anew at every start, so they need not be copied.
pub fn temporary_files(settings: &Settings, datadir: &Path) -> Vec<PathBuf> {
    system_files(settings, datadir, "innodb_temp_data_file_path")
}

/// The files of a variable like `ibdata1:12M;/other/ibdata2:10M:autoextend`, relative to
/// `innodb_data_home_dir` or the data directory.
fn system_files(settings: &Settings, datadir: &Path, name: &str) -> Vec<PathBuf> {
    let home = settings.get("innodb_data_home_dir").map_or(datadir.into(), |d| under(datadir, d));
    let files = settings.get(name).unwrap_or_default().split(';');
    files
        .filter_map(|one| one.split(':').next().map(str::trim).filter(|file| !file.is_empty()))
        .map(|file| under(&home, file))
        .collect()
}

/// Asks for the tablespaces that are not at their usual place below the data directory.
pub fn outside_question(server: &Server) -> &'static str {
    if !server.is_mariadb() {
        return "SELECT FILE_NAME FROM information_schema.FILES \
                WHERE FILE_TYPE <> 'TEMPORARY' AND FILE_NAME NOT LIKE './%'";
    }
    // MariaDB 10.6 merged INNODB_SYS_DATAFILES into INNODB_SYS_TABLESPACES (MDEV-22343).
    if server.since(10, 6, 0) {
        return "SELECT FILENAME FROM information_schema.INNODB_SYS_TABLESPACES \
                WHERE FILENAME NOT LIKE './%'";
    }
    "SELECT PATH FROM information_schema.INNODB_SYS_DATAFILES WHERE PATH NOT LIKE './%'"
}

/// The place of a tablespace's file, as InnoDB spells it.
pub fn tablespace(datadir: &Path, file: &str) -> Place {
    let path = parent(&under(datadir, file));
    Place { path, role: Role::Data, told_by: format!("tablespace '{file}'") }
}

fn under(directory: &Path, text: &str) -> PathBuf {
    clean(&directory.join(text))
}

fn parent(file: &Path) -> PathBuf {
    file.parent().unwrap_or(file).into()
}

/// Without `.` and trailing slashes; `..` stays, for only the host can follow links.
fn clean(path: &Path) -> PathBuf {
    path.components().filter(|part| *part != Component::CurDir).collect()
}
