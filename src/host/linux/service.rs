//! What systemd offers a service: a line that `systemctl status` shows, and a journal whose entries
//! have fields. Where nobody offers them, nothing happens.
//!
//! The journal's own protocol is spoken here, all of it in `datagram`: the crates that speak it
//! send to one fixed path, which no test can stand in for, and do not tell whether the journal
//! took an entry, without which it could not be printed instead. Deliberately absent: waiting. An
//! entry that the journal does not take at once is not taken.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::stat::fstat;

/// Where the journal listens, see systemd's "Native Journal Protocol".
const JOURNAL: &str = "/run/systemd/journal/socket";

/// The service that this process is, if it is one.
#[derive(Debug, Default)]
pub struct Service {
    /// Whether the manager may be told how far we are.
    tells_manager: bool,
    journal: Option<UnixDatagram>,
    leads: Streams,
}

/// Which of our streams lead to the journal, or have been spared by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Standard output.
    pub out: bool,
    /// Standard error.
    pub err: bool,
}

impl Streams {
    fn any(self) -> bool {
        self.out || self.err
    }
}

impl Service {
    /// The service that this process is, by its environment and its streams.
    pub fn of_process() -> Self {
        let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        let leads =
            Streams { out: leads_to(&stream, io::stdout()), err: leads_to(&stream, io::stderr()) };
        let journal = connected(Path::new(JOURNAL)).ok().filter(|_| leads.any());
        Self { tells_manager: true, journal, leads }
    }

    /// A service whose journal listens at `journal`, with these streams leading there.
    pub fn with_journal(journal: &Path, leads: Streams) -> io::Result<Self> {
        Ok(Self { tells_manager: true, journal: Some(connected(journal)?), leads })
    }

    /// Which streams lead to a journal.
    pub fn leads(&self) -> Streams {
        if self.journal.is_some() { self.leads } else { Streams::default() }
    }

    /// Tells the manager in one line how far we are; the crate reads `NOTIFY_SOCKET` by itself.
    pub fn status(&self, line: &str) {
        if self.tells_manager {
            let _nobody_listens = sd_notify::notify(&[sd_notify::NotifyState::Status(line)]);
        }
    }

    /// Sends an entry with these fields, the names in capitals. The streams that need not be
    /// written to any more: none if the journal did not take it.
    pub fn record(&self, fields: &[(&str, String)]) -> Streams {
        let took = |journal: &UnixDatagram| journal.send(&datagram(fields)).is_ok();
        if self.journal.as_ref().is_some_and(took) { self.leads } else { Streams::default() }
    }
}

fn connected(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a stream is the one that `JOURNAL_STREAM` names by device and inode, systemd.exec(5).
fn leads_to(journal_stream: &str, stream: impl AsFd) -> bool {
    let Some((device, inode)) = journal_stream.split_once(':') else { return false };
    let (Ok(device), Ok(inode)) = (device.parse::<u64>(), inode.parse::<u64>()) else {
        return false;
    };
    fstat(stream).is_ok_and(|found| found.st_dev == device && found.st_ino == inode)
}

/// The fields as one datagram: `NAME=value`, or where a value has several lines its name, its
/// length in eight bytes, little endian, and itself.
fn datagram(fields: &[(&str, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn an_entry_is_what_the_protocol_says() {
        let fields = [("MESSAGE", "one\ntwo".to_owned()), ("PRIORITY", "5".to_owned())];
        let sent = b"MESSAGE\n\x07\0\0\0\0\0\0\0one\ntwo\nPRIORITY=5\n";
        assert_eq!(datagram(&fields), sent);
    }

    #[test]
    fn an_entry_that_nobody_takes_is_to_be_printed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal");
        let journal = UnixDatagram::bind(&path).unwrap();
        let leads = Streams { out: true, err: false };
        let service = Service::with_journal(&path, leads).unwrap();
        let fields = [("MESSAGE", "done".to_owned())];
        assert_eq!(service.record(&fields), leads);
        let mut heard = [0; 64];
        let length = journal.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"MESSAGE=done\n");
        drop(journal);
        assert_eq!(service.record(&fields), Streams::default());
        let crammed = Service::with_journal(&path, leads);
        assert!(crammed.is_err(), "nobody listens there any more");
    }

    #[test]
    fn a_full_journal_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("journal");
        let _never_read = UnixDatagram::bind(&path).unwrap();
        let leads = Streams { out: true, err: true };
        let service = Service::with_journal(&path, leads).unwrap();
        let fields = [("MESSAGE", "x".repeat(1000))];
        let taken = (0..100_000).find(|_| service.record(&fields) != leads);
        assert!(taken.is_some(), "it never fills");
    }

    #[test]
    fn a_stream_is_told_by_its_device_and_inode() {
        let file = tempfile::tempfile().unwrap();
        let found = file.metadata().unwrap();
        let stream = format!("{}:{}", found.dev(), found.ino());
        assert!(leads_to(&stream, &file));
        assert!(!leads_to(&format!("{}:{}", found.dev(), found.ino() + 1), &file));
        for other in ["", "8", "8:x", ":"] {
            assert!(!leads_to(other, &file), "{other}");
        }
    }

    #[test]
    fn who_is_no_service_tells_nobody() {
        let nobody = Service::default();
        nobody.status("copy");
        assert_eq!(nobody.leads(), Streams::default());
        assert_eq!(nobody.record(&[("MESSAGE", "done".into())]), Streams::default());
    }
}
