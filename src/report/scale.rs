//! From a figure to a height: round marks beside a picture, and a top that no outlier sets.

use crate::units::{Bytes, Millis};

/// What the figures of a picture are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Milliseconds.
    Time,
    /// Bytes.
    Size,
    /// Percent, of which 100 is all.
    Percent,
}

/// How high a figure stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    unit: Unit,
    /// The distance of two marks.
    step: u64,
    /// The figure at the top, a mark.
    top: u64,
}

/// About how many marks there are.
const MARKS: u64 = 4;

/// So many times the middle figure may one be that sets the top.
const USUAL_TIMES: u64 = 5;

/// Fewer figures than this have no usual one.
const USUAL_MIN: usize = 4;

/// The times that a person counts in, in milliseconds.
const ROUND_MS: [u64; 27] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
    120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000,
    43_200_000, 86_400_000,
];

impl Unit {
    /// A figure in words.
    pub(super) fn words(self, figure: u64) -> String {
        match self {
            Self::Time => Millis(figure).lasting(),
            Self::Size => Bytes(figure).to_string(),
            Self::Percent => format!("{figure} %"),
        }
    }

    /// A mark, which is round.
    fn mark(self, figure: u64) -> String {
        match (self, figure) {
            (_, 0) => "0".into(),
            (Self::Time, 1..1_000) => format!("{figure} ms"),
            (Self::Time, 1_000..60_000) => format!("{} s", figure / 1_000),
            (Self::Time, 60_000..3_600_000) => format!("{} min", figure / 60_000),
            (Self::Time, _) => format!("{} h", figure / 3_600_000),
            _ => self.words(figure),
        }
    }

    /// The least round distance that is no less than this.
    fn round(self, least: u64) -> u64 {
        match self {
            Self::Percent => 25,
            Self::Time => {
                let known = ROUND_MS.into_iter().find(|step| *step >= least);
                let days = least.div_ceil(86_400_000).saturating_mul(86_400_000);
                known.unwrap_or(days)
            }
            Self::Size => {
                let units = (0..6).map(|power| 1_u64 << (10 * power));
                let mut steps = units.flat_map(|unit| {
                    [1, 2, 5, 10, 20, 50, 100, 200, 500].map(|times: u64| times * unit)
                });
                steps.find(|step| *step >= least).unwrap_or(least)
            }
        }
    }
}

impl Scale {
    /// A scale for these figures: up to the greatest, unless that is far from what is usual.
    pub(super) fn of(unit: Unit, figures: impl Iterator<Item = u64>) -> Self {
        let mut figures: Vec<u64> = figures.filter(|figure| *figure > 0).collect();
        figures.sort_unstable();
        let greatest = figures.last().copied().unwrap_or(1);
        let middle = figures.get(figures.len() / 2).copied().unwrap_or(1);
        let limit = middle.saturating_mul(USUAL_TIMES);
        let usual = figures.iter().rev().find(|figure| **figure <= limit).copied();
        let wanted = match usual {
            Some(usual) if figures.len() >= USUAL_MIN && greatest > usual.saturating_mul(2) => {
                usual
            }
            _ => greatest,
        };
        if unit == Unit::Percent {
            return Self { unit, step: 25, top: 100 };
        }
        let step = unit.round(wanted.div_ceil(MARKS));
        let top = wanted.div_ceil(step).saturating_mul(step);
        Self { unit, step, top }
    }

    /// How high a figure stands, of a picture of this height; never higher than that.
    #[expect(clippy::cast_precision_loss, reason = "a pixel is coarser than that")]
    pub(super) fn height(&self, figure: u64, of: f64) -> f64 {
        figure.min(self.top) as f64 / self.top as f64 * of
    }

    /// Whether a figure is higher than the picture.
    pub(super) fn is_beyond(&self, figure: u64) -> bool {
        figure > self.top
    }

    /// The unit.
    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    /// Every mark with its text, from the lowest.
    pub(super) fn marks(&self) -> Vec<(u64, String)> {
        let count = self.top / self.step;
        (0..=count).map(|at| (at * self.step, self.unit.mark(at * self.step))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(unit: Unit, figures: &[u64]) -> Vec<String> {
        let scale = Scale::of(unit, figures.iter().copied());
        scale.marks().into_iter().map(|(_, mark)| mark).collect()
    }

    #[test]
    fn marks_are_round_and_few() {
        assert_eq!(marks(Unit::Time, &[27]), ["0", "10 ms", "20 ms", "30 ms"]);
        assert_eq!(marks(Unit::Time, &[70_000]), ["0", "30 s", "1 min", "1 min"]);
        assert_eq!(marks(Unit::Size, &[3 << 30]), ["0", "1 GiB", "2 GiB", "3 GiB"]);
        assert_eq!(marks(Unit::Percent, &[3]), ["0", "25 %", "50 %", "75 %", "100 %"]);
        for figure in [0, 1, 999, 1 << 20, 5 << 43, u64::MAX] {
            for unit in [Unit::Time, Unit::Size, Unit::Percent] {
                let count = marks(unit, &[figure]).len();
                assert!((2..=6).contains(&count), "{figure} {unit:?}: {count}");
            }
        }
    }

    #[test]
    fn one_outlier_does_not_flatten_the_others() {
        let usual = [27, 30, 22, 31, 25];
        let scale = Scale::of(Unit::Time, usual.into_iter().chain([9_000]));
        assert!(scale.is_beyond(9_000) && !scale.is_beyond(31), "{scale:?}");
        assert!((scale.height(9_000, 100.0) - 100.0).abs() < 0.01);
        assert!(scale.height(27, 100.0) > 40.0, "{scale:?}");
        let few = Scale::of(Unit::Time, [27, 9_000].into_iter());
        assert!(!few.is_beyond(9_000), "of two nobody knows which one is usual");
    }
}
