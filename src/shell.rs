//! How a word is typed in a shell: what is shown can be copied. Deliberately absent: a shell, which
//! nothing here is ever run by.

use std::path::Path;

/// The characters, besides letters and digits, that mean nothing to a shell.
const PLAIN: &str = "-_=./,:@%+";

/// A word as one types it: as it is, or in quotes.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The same of a path.
pub(crate) fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word() {
        for (text, typed) in [
            ("/var/lib/mysql-8.0", "/var/lib/mysql-8.0"),
            ("", "''"),
            ("/a b", "'/a b'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("lv_tags={holdstill.1}", "'lv_tags={holdstill.1}'"),
            ("~", "'~'"),
        ] {
            assert_eq!(word(text), typed);
        }
    }
}
