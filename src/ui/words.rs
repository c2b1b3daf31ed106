//! Words and figures that several manners of telling share. Pure: data in, text out.

use std::fmt::Write as _;

/// The least columns of a text behind a head: where there are fewer, the terminal may break it.
const HANGING_MIN: usize = 20;

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

/// A text behind a head, and where there is a width, its further lines under its first one.
pub(super) fn hanging(head: &str, text: &str, columns: Option<usize>) -> String {
    let indent = head.chars().count();
    let room =
        columns.map_or(usize::MAX, |columns| columns.saturating_sub(indent).max(HANGING_MIN));
    format!("{head}{}", wrap(text, room).join(&format!("\n{:indent$}", "")))
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

    #[test]
    fn a_text_hangs_behind_its_head() {
        let text = "as many words as there are";
        assert_eq!(hanging("  pass  ", text, None), "  pass  as many words as there are");
        let narrow = "  pass  as many words as\n        there are";
        assert_eq!(hanging("  pass  ", text, Some(28)), narrow);
        assert_eq!(hanging("  pass  ", text, Some(3)), narrow, "there is no room at all");
    }
}
