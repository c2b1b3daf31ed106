//! Which files are read today. A share walks through all of them: each has its day by its path, so
//! after as many days as there are shares every file was read, whatever else was looked at
//! meanwhile.

use std::path::Path;

use jiff::Timestamp;

use crate::digest::Digest;

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Every file.
    All,
    /// So much of a hundred, 1 to 100.
    Percent(u8),
    /// About so many files, at least 1.
    Files(u64),
}

/// The share of one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// How many days it takes to come to all.
    pub of: u64,
    /// Which of them this is, from 0.
    pub at: u64,
}

const DAY_SECONDS: i64 = 86_400;

impl Turn {
    /// What is read at this time, of a backup with so many files. Days are those of UTC.
    pub fn of(share: Share, now: Timestamp, files: u64) -> Self {
        let of = match share {
            Share::All => 1,
            Share::Percent(percent) => 100_u64.div_ceil(u64::from(percent).max(1)),
            Share::Files(wanted) => files.div_ceil(wanted.max(1)).max(1),
        };
        let day = now.as_second().div_euclid(DAY_SECONDS);
        Self { of, at: u64::try_from(day).unwrap_or(0) % of }
    }

    /// Whether a file is in it.
    pub fn takes(self, path: &Path) -> bool {
        let Digest(sum) = Digest::of(path.as_os_str().as_encoded_bytes());
        let number = sum[..8].iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        number % self.of == self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(day * DAY_SECONDS + 7_000).unwrap()
    }

    fn taken(share: Share, at: i64) -> Vec<u64> {
        let turn = Turn::of(share, day(at), 1_000);
        (0..1_000).filter(|n| turn.takes(Path::new(&format!("tree/db/{n}.ibd")))).collect()
    }

    #[test]
    fn each_file_has_one_day_in_a_round() {
        for (share, days) in [
            (Share::All, 1),
            (Share::Percent(100), 1),
            (Share::Percent(10), 10),
            (Share::Percent(33), 4),
            (Share::Percent(1), 100),
            (Share::Files(100), 10),
            (Share::Files(5_000), 1),
        ] {
            let mut all: Vec<u64> =
                (20_000..20_000 + days).flat_map(|at| taken(share, at)).collect();
            assert_eq!(all.len(), 1_000, "{share:?}");
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), 1_000, "{share:?}");
            assert_eq!(taken(share, 20_000), taken(share, 20_000 + days), "{share:?}");
        }
        let tenth = taken(Share::Percent(10), 20_003).len();
        assert!((60..140).contains(&tenth), "{tenth}");
    }

    #[test]
    fn nothing_and_a_clock_before_its_time_are_no_trouble() {
        assert_eq!(Turn::of(Share::Files(3), day(5), 0), Turn { of: 1, at: 0 });
        assert_eq!(Turn::of(Share::Percent(50), day(-3), 9), Turn { of: 2, at: 0 });
    }
}
