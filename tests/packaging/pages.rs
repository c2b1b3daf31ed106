//! The manual pages: what clap knows of a command, then the sections of `packaging/man/sections`
//! that it cannot know.

use clap::Command;
use clap_mangen::Man;

use super::{Files, keys, text, visible};

/// What stands in the head and foot of every page.
const MANUAL: &str = "Backups of MySQL and MariaDB";
const SOURCE: &str = concat!("holdstill ", env!("CARGO_PKG_VERSION"));

/// The page of the program, one of each subcommand, and that of the configuration.
pub(super) fn all() -> Files {
    let mut program = visible();
    program.build();
    let subcommands = program.get_subcommands().cloned();
    let mut pages: Files = subcommands.map(|command| page(command, "")).collect();
    pages.extend([page(program, &exit_status())]);
    pages.insert("holdstill.toml.5".into(), keys::page(MANUAL, SOURCE));
    pages
}

/// A page and the name of its file. `behind` follows what clap tells.
fn page(command: Command, behind: &str) -> (String, String) {
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command).date(keys::NO_DATE).source(SOURCE).manual(MANUAL);
    let file = man.get_filename();
    let mut page = Vec::new();
    let mut written = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page));
    if has_subcommands {
        written = written.and_then(|()| man.render_subcommands_section(&mut page));
    }
    written.expect("memory can be written");
    let told = String::from_utf8(page).expect("clap writes UTF-8");
    let preamble = clap_mangen::roff::Roff::new().render();
    let told = keys::without_preamble(&told);
    let page = format!("{preamble}{told}{behind}{}", sections(&file));
    (file, page)
}

/// The sections that are written by hand; every page has some.
fn sections(file: &str) -> String {
    let name = file.rsplit_once('.').expect("a page has the number of its section").0;
    text(&format!("packaging/man/sections/{name}.roff"))
}

/// The table of exit codes that `--help` ends with.
fn exit_status() -> String {
    let program = holdstill::cli::command();
    let help = program.get_after_help().expect("the help ends with it").to_string();
    let table = help.split_once("Exit codes:\n").expect("the help has the exit codes").1;
    format!(".SH \"EXIT STATUS\"\n{}", keys::verbatim(table))
}
