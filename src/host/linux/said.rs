//! What a program says, kept within limits: the end of a long text, and lines as they come.

/// How much of a text is kept: its end.
const TAIL_BYTES_MAX: usize = 64 << 10;

/// The longest line that is handed on; what is beyond is dropped.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The end of a text that may be long.
#[derive(Default)]
pub(super) struct Tail(Vec<u8>);

impl Tail {
    /// Takes more of it.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        if self.0.len() > 2 * TAIL_BYTES_MAX {
            self.0.drain(..self.0.len() - TAIL_BYTES_MAX);
        }
    }

    /// Its end.
    pub(super) fn text(&self) -> String {
        let start = self.0.len().saturating_sub(TAIL_BYTES_MAX);
        String::from_utf8_lossy(&self.0[start..]).into_owned()
    }
}

/// Bytes on their way to becoming lines.
#[derive(Default)]
pub(super) struct Lines(Vec<u8>);

impl Lines {
    /// Takes more of it.
    pub(super) fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(&str)) {
        while let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            self.keep(&bytes[..at]);
            self.end(each);
            bytes = &bytes[at + 1..];
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Hands over the line so far, unless it is empty.
    pub(super) fn end(&mut self, each: &mut dyn FnMut(&str)) {
        if !self.0.is_empty() {
            each(&String::from_utf8_lossy(&self.0));
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_text_is_kept() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(format!("{number}\n").as_bytes());
            assert!(tail.0.len() <= 2 * TAIL_BYTES_MAX);
        }
        assert_eq!(tail.text().len(), TAIL_BYTES_MAX);
        assert!(tail.text().ends_with("\n99998\n99999\n"));
    }

    #[test]
    fn a_line_ends_where_it_ends_and_is_not_too_long() {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for bytes in [&b"a"[..], b"b\r\n", b"\n\rc", b"", b"d"] {
            lines.push(bytes, &mut |line| told.push(line.to_owned()));
        }
        lines.end(&mut |line| told.push(line.to_owned()));
        assert_eq!(told, ["ab", "cd"]);
        lines.push(&vec![b'x'; LINE_BYTES_MAX + 5], &mut |_| {});
        lines.push(b"y\n", &mut |line| assert_eq!(line.len(), LINE_BYTES_MAX));
    }
}
