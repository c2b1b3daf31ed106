//! Sizes and times as types of their own, so that bytes are never added to extents and a
//! limit always says its unit. Deliberately small: no arithmetic that nobody needs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A number of bytes. Written as `512MiB` in the configuration, as a plain number in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Bytes(pub u64);

/// A number of milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

/// A number of hours. Written as `36h`, `14d` or `8w` in the configuration; a day has 24.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours(pub u64);

/// The binary units, largest first.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Bytes {
    /// In units of 1024 bytes, at least one: to rsync and restic none is no limit at all.
    pub fn kib(self) -> u64 {
        (self.0 / 1024).max(1)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, size) = UNITS.iter().find(|(_, size)| self.0 >= *size).unwrap_or(&("B", 1));
        let tenths = u128::from(self.0) * 10 / u128::from(*size);
        if *size == 1 || tenths.is_multiple_of(10) {
            write!(f, "{} {unit}", tenths / 10)
        } else {
            write!(f, "{}.{} {unit}", tenths / 10, tenths % 10)
        }
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = (&text[..end], text[end..].trim());
        let wrong = || format!("expected a size like '512MiB' or '20GiB', found '{text}'");
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let unit = if unit.is_empty() { "B" } else { unit };
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        number.checked_mul(*size).map(Bytes).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    /// Takes `"512MiB"` or a plain number of bytes.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl serde::de::Visitor<'_> for Either {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size like '512MiB'")
            }
            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<Bytes, E> {
                Ok(Bytes(bytes))
            }
            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<Bytes, E> {
                u64::try_from(bytes).map(Bytes).map_err(|_| E::custom("a size is not negative"))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bytes, E> {
                text.parse().map_err(E::custom)
            }
        }
        from.deserialize_any(Either)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 0 && self.0.is_multiple_of(24) {
            write!(f, "{}d", self.0 / 24)
        } else {
            write!(f, "{}h", self.0)
        }
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a time like '36h', '14d' or '8w', found '{text}'");
        let units = [('h', 1), ('d', 24), ('w', 168)];
        let parsed = units.into_iter().find_map(|(unit, hours)| {
            let number = text.strip_suffix(unit)?;
            let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| number.parse::<u64>().ok()?.checked_mul(hours))?
        });
        parsed.map(Self).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl Millis {
    /// A time as a person would say it: `48 ms`, `4.2 s`, `12 min 03 s`, `2 h 05 min`.
    pub fn lasting(self) -> String {
        let (ms, s) = (self.0, self.0 / 1_000);
        match s {
            0 => format!("{ms} ms"),
            1..60 => format!("{s}.{} s", ms % 1_000 / 100),
            60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
            _ => format!("{} h {:02} min", s / 3_600, s / 60 % 60),
        }
    }
}

impl From<Millis> for std::time::Duration {
    fn from(ms: Millis) -> Self {
        Self::from_millis(ms.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_written() {
        assert_eq!("512MiB".parse(), Ok(Bytes(512 << 20)));
        assert_eq!("17".parse(), Ok(Bytes(17)));
        assert_eq!(Bytes(512 << 20).to_string(), "512 MiB");
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes(0).to_string(), "0 B");
    }

    #[test]
    fn a_wrong_size_shows_both_sides() {
        let told = "12 apples".parse::<Bytes>().unwrap_err();
        assert_eq!(told, "expected a size like '512MiB' or '20GiB', found '12 apples'");
        assert!("99999999999TiB".parse::<Bytes>().is_err());
        assert!("MiB".parse::<Bytes>().is_err());
    }

    #[test]
    fn hours_read_as_written() {
        for (text, hours) in [("36h", 36), ("14d", 336), ("8w", 1344), ("0h", 0)] {
            assert_eq!(text.parse(), Ok(Hours(hours)));
            assert_eq!(Hours(hours).to_string().parse(), Ok(Hours(hours)));
        }
        assert_eq!((Hours(36).to_string(), Hours(48).to_string()), ("36h".into(), "2d".into()));
        for text in ["", "d", "14", "14 d", "-1d", "+1d", "1.5d", "14m", "99999999999999999999d"] {
            let told = text.parse::<Hours>().unwrap_err();
            assert_eq!(told, format!("expected a time like '36h', '14d' or '8w', found '{text}'"));
        }
    }

    #[test]
    fn a_time_has_the_unit_that_a_person_would_choose() {
        let told = |ms| Millis(ms).lasting();
        assert_eq!((told(0), told(999)), ("0 ms".into(), "999 ms".into()));
        assert_eq!((told(1_000), told(59_999)), ("1.0 s".into(), "59.9 s".into()));
        assert_eq!((told(60_000), told(3_599_999)), ("1 min 00 s".into(), "59 min 59 s".into()));
        assert_eq!(told(7_500_000), "2 h 05 min");
    }
}
