//! The seal of a record: the BLAKE3 sum of its own text with an empty seal.
//!
//! It stands on a line of its own, which no other line of the record can look like: what is nested
//! is further to the right, and no text in JSON has a line feed. So this checks it:
//!
//! ```sh
//! told=$(sed -n 's/^  "seal": "\([0-9a-f]*\)"$/\1/p' backup.json)
//! found=$(sed 's/^  "seal": "[0-9a-f]*"$/  "seal": ""/' backup.json | b3sum --no-names)
//! [ "$told" = "$found" ] && echo sealed || echo damaged
//! ```

use crate::digest::Digest;

/// How the line begins and ends.
const LINE: (&str, &str) = ("  \"seal\": \"", "\"");

/// Puts the seal on a text whose seal is empty.
pub(super) fn put(text: &str) -> Result<String, String> {
    let seal = Digest::of(text.as_bytes()).to_string();
    match parts(text)? {
        (before, "", after) => Ok(format!("{before}{seal}{after}")),
        (_, found, _) => Err(format!("expected an empty seal, found '{found}'")),
    }
}

/// Whether the seal of a text fits. `required` says whether there has to be one.
pub(super) fn check(text: &str, required: bool) -> Result<(), String> {
    if !required && !text.contains("\"seal\"") {
        return Ok(());
    }
    let (before, told, after) = parts(text)?;
    let found = Digest::of(format!("{before}{after}").as_bytes()).to_string();
    if told == found {
        return Ok(());
    }
    Err(format!("its seal is '{told}', its text gives '{found}'"))
}

/// What is before the seal, the seal, and what is behind it.
fn parts(text: &str) -> Result<(&str, &str, &str), String> {
    let (begin, end) = LINE;
    let mut at = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let inside = line.trim_end_matches('\n').strip_prefix(begin);
        if let Some(seal) = inside.and_then(|rest| rest.strip_suffix(end)) {
            let from = at + begin.len();
            found.push((&text[..from], seal, &text[from + seal.len()..]));
        }
        at += line.len();
    }
    match found.as_slice() {
        [one] => Ok(*one),
        others => Err(format!("expected one line with a seal, found {}", others.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "{\n  \"version\": 2,\n  \"run\": \"a\",\n  \"seal\": \"\"\n}\n";

    #[test]
    fn a_sealed_text_fits_and_no_bent_one_does() {
        let sealed = put(OPEN).unwrap();
        assert_eq!(check(&sealed, true), Ok(()));
        assert_eq!(sealed.len(), OPEN.len() + 64);
        for at in 0..sealed.len() {
            for bit in 0..7 {
                let mut bent = sealed.clone().into_bytes();
                bent[at] ^= 1 << bit;
                let bent = String::from_utf8(bent).unwrap();
                assert!(check(&bent, true).is_err(), "{bent}");
            }
            assert!(check(&sealed[..at], true).is_err());
        }
        assert!(put(&sealed).is_err());
    }

    #[test]
    fn only_the_first_version_needs_none() {
        assert_eq!(check("{\"version\": 1}", false), Ok(()));
        let told = "expected one line with a seal, found 0";
        assert_eq!(check("{\"version\": 2}", true), Err(told.into()));
        assert_eq!(check("{\"seal\": \"\"}", false), Err(told.into()), "bent to version 1");
    }
}
