//! Many files are read and summed: progress is told and a signal is heeded all the while. What is
//! read and how fast is the host's; what the sums should be is the caller's.

use crate::host::{Ask, Fault, Host, Reading, Sum};
use crate::units::{Bytes, Millis};

/// How long a reading is listened to before everything else is looked at again.
const LISTEN: Millis = Millis(500);

/// How far a reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far.
    pub bytes: Bytes,
    /// Bytes to be read in all.
    pub total: Bytes,
}

impl Progress {
    /// Whole percent; all of nothing is all.
    pub fn percent(self) -> u8 {
        let hundredfold = u128::from(self.bytes.0) * 100;
        let percent = hundredfold.checked_div(u128::from(self.total.0)).unwrap_or(100);
        u8::try_from(percent.min(100)).unwrap_or(100)
    }
}

/// Reads files to their ends: the sum of each, in the order given, or why it has none. `each` is
/// called whenever something was read; its error ends the reading.
pub fn read(
    host: &dyn Host,
    reading: Reading,
    each: &mut dyn FnMut(Progress) -> Result<(), Fault>,
) -> Result<Vec<Result<Sum, String>>, Fault> {
    let total = Bytes(reading.files.iter().map(|file| file.size.0).sum());
    let mut sums = vec![Err("it was not read".to_owned()); reading.files.len()];
    host.read(reading)?;
    let ended = loop {
        let step = host.readings(LISTEN).and_then(|came| {
            for (at, sum) in came.files {
                sums[at] = sum;
            }
            each(Progress { bytes: came.bytes, total }).map(|()| came.over)
        });
        match step {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(fault) => break Err(fault),
        }
    };
    if ended.is_err() {
        let _ends_with_us = host.read(Reading::nothing());
    }
    ended.map(|()| sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::host::linux::Linux;
    use crate::host::{Act, Priority, ToRead};

    #[test]
    fn sums_come_in_the_order_of_the_files_and_progress_to_its_end() {
        let home = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..20).map(|n| format!("{n}")).collect();
        let mut host = Linux::new().unwrap();
        for name in &names {
            let path = home.path().join(name);
            host.act(&Act::WriteFile { path, text: name.clone() }).unwrap();
        }
        let file = |name: &String| ToRead { path: name.into(), size: Bytes(name.len() as u64) };
        let mut files: Vec<_> = names.iter().map(file).collect();
        files.push(ToRead { path: "none".into(), size: Bytes(0) });
        let reading = Reading {
            directory: home.path().into(),
            files: files.into(),
            priority: Priority::default(),
        };
        let mut last = None;
        let sums = read(&host, reading.clone(), &mut |progress| {
            last = Some(progress);
            Ok(())
        });
        let sums = sums.unwrap();
        assert_eq!(last.map(|last| (last.bytes, last.percent())), Some((Bytes(30), 100)));
        for (name, sum) in names.iter().zip(&sums) {
            assert_eq!(sum.as_ref().map(|sum| sum.blake3), Ok(Digest::of(name.as_bytes())));
        }
        assert!(sums[20].is_err());
        let stopped = read(&host, reading, &mut |_| Err(Fault::refused("enough")));
        assert_eq!(stopped, Err(Fault::refused("enough")));
    }

    #[test]
    fn percent_of_nothing_is_all() {
        let of = |bytes, total| Progress { bytes: Bytes(bytes), total: Bytes(total) }.percent();
        assert_eq!([of(0, 0), of(0, 7), of(3, 7), of(7, 7), of(9, 7)], [100, 0, 42, 100, 100]);
    }
}
