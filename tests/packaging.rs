//! What is packaged fits the program: manual pages and completions are what its command line and
//! `config/full.toml` make of them, and everything that should be packaged is on the list.
//!
//! With `HOLDSTILL_BLESS=1` pages and completions are written anew, as the golden files are. No
//! package is built here: that is `scripts/release`.

mod completions;
mod keys;
mod list;
mod pages;
mod purge;
mod shipped;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::blessed;

/// Texts by the name of their file.
type Files = BTreeMap<String, String>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A text file of the repository.
fn text(path: &str) -> String {
    let read = fs::read_to_string(root().join(path));
    read.unwrap_or_else(|error| panic!("cannot read '{path}': {error}"))
}

/// The files right in a directory of the repository, by their paths in it.
fn files_in(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(directory)).expect("the directory is there");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    let files = paths.filter(|path| path.is_file());
    files.map(|path| relative(&path)).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("it is in the repository").display().to_string()
}

/// Holds the files of a directory against what they should be: their texts, and that there is no
/// other.
fn assert_current(directory: &str, files: &Files) {
    for (name, text) in files {
        blessed(&format!("{directory}/{name}"), text);
    }
    let known = |path: &String| files.keys().any(|name| *path == format!("{directory}/{name}"));
    let stale: Vec<String> = files_in(directory).into_iter().filter(|path| !known(path)).collect();
    assert!(stale.is_empty(), "nothing makes these any more: {stale:?}");
}

/// The shapes of what other programs read, made from the types that are written. The audit's is
/// held where its answer is made.
#[test]
fn schemas_are_current() {
    let shapes = [
        ("backup", schemars::schema_for!(holdstill::store::Record)),
        ("verify", schemars::schema_for!(holdstill::ui::verify::Answer<'static>)),
    ];
    for (name, schema) in shapes {
        let text = serde_json::to_string_pretty(&schema).expect("it is JSON") + "\n";
        blessed(&format!("packaging/schema/{name}.json"), &text);
    }
}

#[test]
fn manual_pages_are_current() {
    assert_current("packaging/man", &pages::all());
}

#[test]
fn completions_are_current() {
    assert_current("packaging/completions", &completions::all());
}

/// The command line without what is not for people.
fn visible() -> clap::Command {
    let all = holdstill::cli::command();
    let shown = all.get_subcommands().filter(|one| !one.is_hide_set());
    clap::Command::new("holdstill")
        .version(env!("CARGO_PKG_VERSION"))
        .about(all.get_about().expect("it says what it is").clone())
        .args(all.get_arguments())
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(shown)
}

#[test]
fn the_version_says_what_it_was_built_from() {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_holdstill"));
    let done = Command::new(program).arg("--version").output().expect("it can be run");
    let from = option_env!("HOLDSTILL_BUILT_FROM").unwrap_or("built by hand");
    let expected = format!("holdstill {} ({from})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&done.stdout), expected);
}
