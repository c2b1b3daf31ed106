//! The manual page of the configuration, made of the comments of `config/full.toml`: each key with
//! its default, and below it what the file says of it.

use clap_mangen::roff::{Roff, bold, roman};

use super::text;

/// A page has no date: a file that is held current must not change by the day. An empty word would
/// be left out, and the source taken for the date.
pub(super) const NO_DATE: &str = r"\&";

/// The page `holdstill.toml(5)`.
pub(super) fn page(manual: &str, source: &str) -> String {
    let mut page = Roff::new();
    page.control("TH", ["holdstill.toml", "5", NO_DATE, source, manual]);
    page.control("SH", ["NAME"]);
    page.text([roman("holdstill.toml - configuration of holdstill")]);
    page.control("SH", ["DESCRIPTION"]);
    add_keys(&mut page, &text("config/full.toml"));
    page.control("SH", ["EXAMPLES"]);
    let minimal = verbatim(&text("config/minimal.toml"));
    page.render() + &minimal + &text("packaging/man/sections/holdstill.toml.roff")
}

/// Lines that stay as they are.
pub(super) fn verbatim(text: &str) -> String {
    let mut lines = Roff::new();
    lines.control("nf", []);
    for line in text.lines() {
        lines.text([roman(line)]);
    }
    lines.control("fi", []);
    without_preamble(&lines.render())
}

/// What is rendered comes with the preamble of a whole page, each time.
pub(super) fn without_preamble(page: &str) -> String {
    page.replace(&Roff::new().render(), "")
}

/// Comments stand above the key that they explain; the first ones, above an empty line, speak of
/// the whole file.
fn add_keys(page: &mut Roff, file: &str) {
    let mut comments = Vec::new();
    for line in file.lines() {
        if line.is_empty() {
            add_comments(page, &mut comments);
        } else if let Some(comment) = line.strip_prefix("# ") {
            comments.push(comment);
        } else if line.trim_start_matches('#').starts_with('[') {
            page.control("SS", [line.trim_start_matches('#')]);
        } else {
            add_key(page, line.trim_start_matches('#'), &mut comments);
        }
    }
    assert!(comments.is_empty(), "these explain no key: {comments:?}");
}

/// `key = default    # a short word`; what has no default is commented out.
fn add_key(page: &mut Roff, line: &str, comments: &mut Vec<&str>) {
    assert!(line.contains(" = "), "'{line}' is no comment, no section and no key");
    let (key, word) = line.split_once("  #").unwrap_or((line, ""));
    page.control("TP", []);
    match word.trim() {
        "" => page.text([bold(key.trim_end())]),
        word => page.text([bold(key.trim_end()), roman(format!("  ({word})"))]),
    };
    add_comments(page, comments);
}

fn add_comments(page: &mut Roff, comments: &mut Vec<&str>) {
    let mut in_item = false;
    for (number, line) in comments.drain(..).enumerate() {
        let goes_on = line.starts_with(' ');
        if number > 0 && (begins_item(line) || in_item && !goes_on) {
            page.control("br", []);
        }
        in_item = begins_item(line) || in_item && goes_on;
        page.text([roman(line.trim_start())]);
    }
}

/// `"value": what it means`, or `1. the first of several`.
fn begins_item(line: &str) -> bool {
    let numbered = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
    numbered || line.starts_with('"') && line.contains("\": ")
}
