//! Words and figures that several manners of telling share. Pure: data in, text out.

use std::fmt::Write as _;

/// A text that grows; writing to a `String` cannot fail.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl Text {
    /// One more line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let _cannot_fail = writeln!(self.0, "{}", line.as_ref());
    }
}

/// Breaks a text between words into lines of at most so many columns; what is longer than that by
/// itself stays whole.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && line + 1 + word.chars().count() > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The beginning of a line, as far as there is room for it.
pub(super) fn fit(line: &str, columns: usize) -> String {
    line.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("wonderful a", 3), ["wonderful", "a"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(fit("one two", 5), "one t");
    }
}
