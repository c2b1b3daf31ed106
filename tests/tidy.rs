//! The rules of style that a machine can check, each with its reason.

use std::fs;
use std::path::{Path, PathBuf};

/// A file above this has more than one idea: it wants to be a folder.
const FILE_LINES_MAX: usize = 450;
/// A function above this cannot be read at one glance.
const FUNCTION_LINES_MAX: usize = 70;
/// What two windows side by side can show.
const LINE_CHARS_MAX: usize = 100;

/// A source file of ours.
struct Source {
    /// Relative to the crate.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every Rust file below `src` and `tests`.
fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    for top in ["src", "tests"] {
        collect(&root().join(top), &mut paths);
    }
    assert!(paths.len() > 40, "found only {} files", paths.len());
    paths.iter().map(|path| source(path)).collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("an entry can be read").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

fn source(path: &Path) -> Source {
    let relative = path.strip_prefix(root()).expect("it is below the crate");
    let text = fs::read_to_string(path).expect("it can be read");
    Source { path: relative.display().to_string(), text }
}

/// Nothing is wrong anywhere, or all of it is told, with the reason of the rule.
fn assert_tidy(reason: &str, wrong: impl Fn(&Source) -> Vec<String>) {
    let told = |file: &Source| -> Vec<String> {
        wrong(file).into_iter().map(|what| format!("{}: {what}", file.path)).collect()
    };
    let all: Vec<String> = sources().iter().flat_map(told).collect();
    assert!(all.is_empty(), "{reason}:\n{}", all.join("\n"));
}

fn one_if(wrong: bool, what: impl Into<String>) -> Vec<String> {
    if wrong { vec![what.into()] } else { Vec::new() }
}

#[test]
fn every_file_says_what_it_is_for() {
    let reason = "a file opens with `//!`: what it is for and what it deliberately does not do";
    assert_tidy(reason, |file| one_if(!file.text.starts_with("//! "), "no header"));
}

#[test]
fn files_and_lines_are_short() {
    let reason = "a long file has more than one idea, a long line does not fit beside another";
    assert_tidy(reason, |file| {
        let lines = file.text.lines().count();
        let mut wrong = one_if(lines > FILE_LINES_MAX, format!("{lines} lines"));
        let long = file.text.lines().enumerate();
        let long = long.filter(|(_, line)| line.chars().count() > LINE_CHARS_MAX);
        let long = long.filter(|(_, line)| !is_text(line));
        wrong.extend(long.map(|(at, _)| format!("line {} is too long", at + 1)));
        wrong
    });
}

/// Whether a line is nothing but a text: what is compared whole is easier to read whole.
fn is_text(line: &str) -> bool {
    ["\"", "r\"", "r#\""].iter().any(|begin| line.trim_start().starts_with(begin))
}

#[test]
fn functions_are_short() {
    let reason = "a function that does not fit on a screen hides its control flow";
    assert_tidy(reason, |file| {
        let long = functions(&file.text).into_iter().filter(|(_, n)| *n > FUNCTION_LINES_MAX);
        long.map(|(name, lines)| format!("{name} has {lines} lines")).collect()
    });
}

/// Every function with its lines, by the indentation that rustfmt gives its closing brace.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let heads = ["fn ", "pub fn ", "pub(super) fn ", "pub(crate) fn ", "const fn "];
        if !heads.iter().any(|head| code.starts_with(head)) {
            continue;
        }
        let head_end = lines[at..].iter().find(|line| line.ends_with(['{', '}', ';']));
        if head_end.is_some_and(|line| line.ends_with(';')) {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - code.len()]);
        let length = lines[at..].iter().position(|line| *line == end).unwrap_or(0) + 1;
        found.push((code.split('(').next().unwrap_or(code).to_owned(), length));
    }
    found
}

#[test]
fn functions_are_found() {
    let text = "fn d();\nfn a() {\n    x();\n}\nimpl B {\n    pub fn c(\n    ) {\n    }\n}\n";
    assert_eq!(functions(text), [("fn a".to_owned(), 3), ("pub fn c".to_owned(), 3)]);
}

/// Who must not know whom: folders of `src`, and the modules that code there may not name.
const FORBIDDEN: [(&str, &[&str]); 15] = [
    ("src/snapshot", &["run", "ledger", "recover", "settle", "claim", "database", "copy", "plan"]),
    (
        "src/database",
        &["run", "ledger", "recover", "settle", "claim", "snapshot", "copy", "store", "plan"],
    ),
    ("src/store", &["run", "plan", "claim", "ledger", "recover", "settle", "config"]),
    ("src/pages", &["host", "run", "plan", "config", "store", "copy", "ui", "cli"]),
    ("src/copy", &["run", "ledger", "recover", "settle", "claim", "snapshot", "database"]),
    ("src/plan", &["run", "ledger::save", "recover", "settle", "ui", "cli"]),
    ("src/claim.rs", &["run", "plan", "ledger", "recover", "settle", "config"]),
    ("src/settle.rs", &["run", "plan", "ledger", "recover", "config"]),
    ("src/ledger.rs", &["run", "plan", "recover", "settle", "config"]),
    ("src/recover.rs", &["run", "plan", "config"]),
    ("src/retention", &["plan", "claim", "ledger", "recover", "settle", "database", "ui", "cli"]),
    ("src/drill", &["run", "claim", "ledger", "recover", "settle", "retention", "ui", "cli"]),
    ("src/restore", &["run", "claim", "ledger", "recover", "settle", "config", "ui", "cli"]),
    ("src/offsite", &["run", "claim", "ledger", "recover", "settle", "ui", "cli"]),
    ("src/run", &["recover", "config", "cli", "ui"]),
];

#[test]
fn dependencies_point_one_way() {
    let reason = "who decides does not know who acts, and a recovery needs no configuration";
    assert_tidy(reason, |file| {
        let code = !file.path.contains("/tests/");
        let rules = FORBIDDEN.iter().filter(|(place, _)| code && file.path.starts_with(place));
        let names = rules.flat_map(|(_, names)| names.iter());
        names.filter(|name| file_names(&file.text, name)).map(|name| names_it(name)).collect()
    });
}

fn names_it(name: &str) -> String {
    format!("names crate::{name}")
}

/// Whether the code outside comments names a module of the crate.
fn file_names(text: &str, module: &str) -> bool {
    let path = format!("crate::{module}");
    let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let goes_on = |next: char| next.is_alphanumeric() || next == '_';
    code.any(|line| line.split(&path).skip(1).any(|rest| !rest.starts_with(goes_on)))
}

/// What only some files may name, and why.
const ONLY_IN: [(&str, &[&str], &str); 5] = [
    ("clap", &["src/cli", "src/main.rs"], "the command line has one place"),
    ("indicatif", &["src/ui"], "the screen has one place"),
    ("nix::", &["src/host", "src/deadman"], "only the host touches the machine"),
    ("procfs", &["src/host"], "only the host touches the machine"),
    ("mysql::", &["src/host"], "only the host talks to a server"),
];

#[test]
fn libraries_have_one_place() {
    assert_tidy("a library that leaks cannot be replaced", |file| {
        let in_src = file.path.starts_with("src/");
        let leaks = ONLY_IN.iter().filter(|(name, places, _)| {
            in_src
                && !places.iter().any(|place| file.path.starts_with(place))
                && uses(&file.text, name)
        });
        leaks.map(|(name, _, why)| format!("uses {name}: {why}")).collect()
    });
}

/// Whether a line of code imports or names a library.
fn uses(text: &str, library: &str) -> bool {
    let library = library.trim_end_matches(':');
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    let begins = [format!("use {library}::"), format!("use {library};")];
    let path = format!(" {library}::");
    code.into_iter()
        .any(|line| begins.iter().any(|begin| line.starts_with(begin)) || line.contains(&path))
}

#[test]
fn unsafe_code_lives_in_the_host() {
    let reason = "what the compiler does not check is kept where the kernel is called";
    assert_tidy(reason, |file| {
        let code = file.text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        let has =
            code.into_iter().any(|line| line.contains("unsafe {") || line.contains("unsafe fn"));
        let allowed = file.path.starts_with("src/host") || file.path == "tests/tidy.rs";
        one_if(has && !allowed, "unsafe")
    });
}

#[test]
fn no_file_knows_the_place_it_was_written_at() {
    let place = ["/wo", "rk/"].concat();
    let reason = "a path of the machine it was written on means nothing anywhere else";
    assert_tidy(reason, |file| one_if(file.text.contains(&place), format!("names {place}")));
}

#[test]
fn every_dependency_says_why() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("there is a manifest");
    let mut in_dependencies = false;
    let mut before = "";
    let mut unexplained = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.ends_with("dependencies]");
        } else if in_dependencies && line.contains(" = ") && !before.starts_with('#') {
            unexplained.push(line);
        }
        before = line;
    }
    assert!(unexplained.is_empty(), "each dependency has to be worth its weight: {unexplained:?}");
}
