//! What systemd offers a service: a line that `systemctl status` shows, and a journal whose entries
//! have fields. Where nobody offers them, nothing happens.
//!
//! Both protocols are spoken here. The crates that speak the journal's send to one fixed path,
//! which no test can stand in for, and do not tell whether the journal took an entry, without which
//! it could not be printed instead. The crate `sd_notify` sends as a socket does by default: a
//! manager that hangs, and whose queue is full, would stop the run, and nobody would watch its
//! store. Deliberately absent: waiting for long. The journal takes an entry at once or not at all;
//! the manager is waited for a moment, and not again while it does not listen.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use nix::sys::stat::fstat;

/// Where the journal listens, see systemd's "Native Journal Protocol".
const JOURNAL: &str = "/run/systemd/journal/socket";

/// How long a manager is waited for that took everything so far. Its queue may be as short as ten
/// messages (`net.unix.max_dgram_qlen`), and it should not miss the last one.
const MANAGER_WAIT_MAX: Duration = Duration::from_secs(1);

/// The service that this process is, if it is one.
#[derive(Debug, Default)]
pub struct Service {
    manager: Option<Manager>,
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
        Self { manager: Manager::of_process(), journal, leads }
    }

    /// A service whose journal listens at `journal`, with these streams leading there.
    pub fn with_journal(journal: &Path, leads: Streams) -> io::Result<Self> {
        Ok(Self { manager: Manager::of_process(), journal: Some(connected(journal)?), leads })
    }

    /// Which streams lead to a journal.
    pub fn leads(&self) -> Streams {
        if self.journal.is_some() { self.leads } else { Streams::default() }
    }

    /// Tells the manager in one line how far we are, if it listens.
    pub fn status(&self, line: &str) {
        if let Some(manager) = &self.manager {
            let _nobody_listens = manager.tell(line);
        }
    }

    /// Sends an entry with these fields, the names in capitals. The streams that need not be
    /// written to any more: none if the journal did not take it.
    pub fn record(&self, fields: &[(&str, String)]) -> Streams {
        let took = |journal: &UnixDatagram| journal.send(&datagram(fields)).is_ok();
        if self.journal.as_ref().is_some_and(took) { self.leads } else { Streams::default() }
    }
}

/// The service manager, where it listens: the socket of `sd_notify(3)`.
#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    last: Cell<Last>,
}

/// What became of the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Taken,
    Refused,
}

impl Manager {
    /// The one that started this process and wants to be told.
    fn of_process() -> Option<Self> {
        Self::at(&std::env::var_os("NOTIFY_SOCKET")?).ok()
    }

    /// One at a path, or behind an '@' at an abstract name.
    fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(MANAGER_WAIT_MAX))?;
        Ok(Self { socket, address, last: Cell::new(Last::Taken) })
    }

    /// One line of status: what is behind a newline would be another assignment. Whoever did not
    /// take the last one is not waited for.
    fn tell(&self, line: &str) -> io::Result<()> {
        let message = format!("STATUS={}\n", line.replace('\n', " "));
        self.socket.set_nonblocking(self.last.get() == Last::Refused)?;
        let sent = self.socket.send_to_addr(message.as_bytes(), &self.address);
        self.last.set(if sent.is_ok() { Last::Taken } else { Last::Refused });
        sent.map(drop)
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
    fn a_manager_that_does_not_listen_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let (sender, done) = std::sync::mpsc::channel();
        let manager = Manager::at(path.as_os_str()).unwrap();
        assert!(manager.tell("nobody is there yet").is_err());
        let never_read = UnixDatagram::bind(&path).unwrap();
        std::thread::spawn(move || {
            let tell = |_| manager.tell("copy: 5 %").err();
            let refused = (0..100_000).find_map(tell);
            let again = (0..100).filter_map(tell).count();
            sender.send((refused.map(|error| error.kind()), again))
        });
        let refused = done.recv_timeout(Duration::from_secs(10)).expect("it waits each time");
        assert_eq!(refused, (Some(io::ErrorKind::WouldBlock), 100));
        drop(never_read);
    }

    #[test]
    fn a_manager_may_have_an_abstract_name() {
        let name = format!("holdstill-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listening = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::at(OsStr::new(&format!("@{name}"))).unwrap();
        let service = Service { manager: Some(manager), ..Service::default() };
        service.status("copy:\n5 %");
        listening.set_nonblocking(true).unwrap();
        let mut heard = [0; 64];
        let length = listening.recv(&mut heard).unwrap();
        assert_eq!(&heard[..length], b"STATUS=copy: 5 %\n");
    }

    #[test]
    fn an_address_that_cannot_be_is_no_manager() {
        assert!(Manager::at(OsStr::new(&"x".repeat(200))).is_err());
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
