//! What indicatif draws its bar on: the stream that everything else is written to, so that a
//! terminal that somebody has stopped does not stop the run by its bar either.
//!
//! A drawing is one text, written when it is complete. Deliberately absent: moving about by more
//! than the one line that a bar has needs.

use std::fmt;
use std::io;
use std::mem::take;
use std::sync::Mutex;

use indicatif::TermLike;

use super::stream::lock;
use super::terminal::CLEAR;
use super::voice::Sink;

/// A sheet for one bar.
pub(super) struct Canvas {
    sink: Sink,
    /// How wide it is if nobody says.
    columns: u16,
    /// What is drawn so far.
    drawing: Mutex<String>,
}

impl Canvas {
    /// Nothing is drawn yet.
    pub(super) fn new(sink: Sink, columns: usize) -> Self {
        let columns = u16::try_from(columns).unwrap_or(u16::MAX);
        Self { sink, columns, drawing: Mutex::default() }
    }

    fn draw(&self, text: &str) {
        lock(&self.drawing).push_str(text);
    }

    /// Moves by `n` in the direction of this letter (ECMA-48: CUU, CUD, CUF, CUB).
    fn go(&self, n: usize, letter: char) {
        if n > 0 {
            self.draw(&format!("\x1b[{n}{letter}"));
        }
    }
}

impl fmt::Debug for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canvas").finish_non_exhaustive()
    }
}

impl TermLike for Canvas {
    /// Asked for each drawing, since a window may become narrower meanwhile.
    fn width(&self) -> u16 {
        terminal_size::terminal_size_of(io::stdout()).map_or(self.columns, |(width, _)| width.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A');
        Ok(())
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B');
        Ok(())
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C');
        Ok(())
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D');
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.draw(&format!("{text}\n"));
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.draw(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.draw(CLEAR);
        Ok(())
    }

    /// The drawing is complete.
    fn flush(&self) -> io::Result<()> {
        let drawing = take(&mut *lock(&self.drawing));
        if drawing.is_empty() { Ok(()) } else { lock(&self.sink).write_all(drawing.as_bytes()) }
    }
}
