//! How much of the machine a long command may take beside the server.
//!
//! Deliberately absent: anything that would put it before the server, as a negative nice value or
//! the real-time class of input and output.

use std::fmt;

/// How a command stands back. The default changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// Its nice value, 0 to 19; ours if absent.
    pub nice: Option<u8>,
    /// Its input and output; the kernel derives it from the nice value if absent.
    pub io: Option<Io>,
}

/// The class of its input and output (`ioprio_set(2)`). Only some schedulers heed it: `bfq` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Io {
    /// Only when nobody else wants the disk.
    Idle,
    /// In turn, at a level from 0, the first, to 7, the last.
    BestEffort(u8),
}

impl fmt::Display for Priority {
    /// Nothing, or what is behind the command's line, from the first blank on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nice) = self.nice {
            write!(f, " (nice {nice})")?;
        }
        match self.io {
            None => Ok(()),
            Some(Io::Idle) => f.write_str(" (I/O when idle)"),
            Some(Io::BestEffort(level)) => write!(f, " (I/O level {level})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_chosen_is_told() {
        assert_eq!(Priority::default().to_string(), "");
        let one = Priority { nice: Some(10), io: Some(Io::Idle) };
        assert_eq!(one.to_string(), " (nice 10) (I/O when idle)");
        let one = Priority { nice: None, io: Some(Io::BestEffort(7)) };
        assert_eq!(one.to_string(), " (I/O level 7)");
    }
}
