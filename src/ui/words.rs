//! Words and figures that several manners of telling share. Pure: data in, text out.

use std::fmt::Write as _;

use crate::units::Millis;

/// A text that grows; writing to a `String` cannot fail.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl Text {
    /// One more line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        let _cannot_fail = writeln!(self.0, "{}", line.as_ref());
    }
}

/// A time as a person would say it: `48 ms`, `4.2 s`, `12 min 03 s`, `2 h 05 min`.
pub(super) fn duration(time: Millis) -> String {
    let (ms, s) = (time.0, time.0 / 1_000);
    match s {
        0 => format!("{ms} ms"),
        1..60 => format!("{s}.{} s", ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3_600, s / 60 % 60),
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
    fn a_time_has_the_unit_that_a_person_would_choose() {
        let told = |ms| duration(Millis(ms));
        assert_eq!((told(0), told(999)), ("0 ms".into(), "999 ms".into()));
        assert_eq!((told(1_000), told(59_999)), ("1.0 s".into(), "59.9 s".into()));
        assert_eq!((told(60_000), told(3_599_999)), ("1 min 00 s".into(), "59 min 59 s".into()));
        assert_eq!(told(7_500_000), "2 h 05 min");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("wonderful a", 3), ["wonderful", "a"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(fit("one two", 5), "one t");
    }
}
