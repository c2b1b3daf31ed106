//! A server that speaks just enough of the client protocol for the tests of a session: it greets,
//! tells a session its number, is slow, fails or vanishes on demand. Deliberately not a database.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::host::{Login, Reach, Secret};
use crate::units::Millis;

/// `CLIENT_LONG_PASSWORD`, `CLIENT_PROTOCOL_41`, `CLIENT_TRANSACTIONS`,
/// `CLIENT_SECURE_CONNECTION` and `CLIENT_PLUGIN_AUTH`.
const ABILITIES: u32 = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];

/// What it was asked last.
type Heard = Arc<Mutex<String>>;

/// A server on a socket of its own; its sessions are numbered from 1.
pub(super) struct FakeServer {
    dir: tempfile::TempDir,
    heard: Heard,
}

impl FakeServer {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let heard = Heard::default();
        let last = Arc::clone(&heard);
        thread::spawn(move || {
            for (stream, id) in listener.incoming().zip(1..) {
                let last = Arc::clone(&last);
                thread::spawn(move || stream.and_then(|mut one| session(&mut one, id, &last)));
            }
        });
        Self { dir, heard }
    }

    /// What it was asked last, by whomever.
    pub(super) fn heard(&self) -> String {
        self.heard.lock().unwrap().clone()
    }

    /// A file of ours alone, beside its socket.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    pub(super) fn login(&self) -> Login {
        let reach = Reach::Socket(self.socket());
        Login { reach, user: None, secret: Secret::None, connect_ms_max: Millis(2000) }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }
}

fn session(stream: &mut UnixStream, id: u32, heard: &Heard) -> io::Result<()> {
    send(stream, 0, &greeting(id))?;
    receive(stream)?;
    send(stream, 2, OK)?;
    loop {
        let asked = receive(stream)?;
        let text = String::from_utf8_lossy(asked.get(1..).unwrap_or_default()).into_owned();
        heard.lock().unwrap().clone_from(&text);
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("SELECT", _) => number(stream, id)?,
            ("SLEEP", ms) => {
                thread::sleep(Duration::from_millis(ms.parse().unwrap()));
                send(stream, 1, OK)?;
            }
            ("FAIL", code) => send(stream, 1, &failure(code.parse().unwrap(), "as asked"))?,
            ("QUOTE", what) => send(stream, 1, &failure(1064, what))?,
            ("LATE", _) => {
                thread::sleep(Duration::from_millis(400));
                send(stream, 1, OK)?;
            }
            ("VANISH", _) => return Ok(()),
            _ => send(stream, 1, OK)?,
        }
    }
}

fn greeting(id: u32) -> Vec<u8> {
    let [low, high] =
        [ABILITIES.to_le_bytes()[..2].to_vec(), ABILITIES.to_le_bytes()[2..].to_vec()];
    let nonce = &[b'n'; 12][..];
    [
        &b"\x0a8.0.99-fake\0"[..],
        &id.to_le_bytes(),
        &[b'n'; 8],
        &[0],
        &low,
        &[45, 2, 0],
        &high,
        &[21],
        &[0; 10],
        nonce,
        b"\0mysql_native_password\0",
    ]
    .concat()
}

/// A result with one column and one row.
fn number(stream: &mut UnixStream, id: u32) -> io::Result<()> {
    let tail = [0x0c, 45, 0, 255, 0, 0, 0, 0xfd, 0, 0, 0, 0, 0];
    let column = [&b"\x03def\0\0\0\x02id\0"[..], &tail].concat();
    for (number, packet) in (1..).zip([&[1][..], &column, END, &text(&id.to_string()), END]) {
        send(stream, number, packet)?;
    }
    Ok(())
}

fn failure(code: u16, why: &str) -> Vec<u8> {
    [&[0xff][..], &code.to_le_bytes(), b"#HY000", why.as_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

fn send(stream: &mut UnixStream, number: u8, packet: &[u8]) -> io::Result<()> {
    let [one, two, three, _] = u32::try_from(packet.len()).unwrap().to_le_bytes();
    stream.write_all(&[&[one, two, three, number][..], packet].concat())
}

fn receive(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut packet = vec![0; usize::from(head[0]) + 256 * usize::from(head[1])];
    stream.read_exact(&mut packet)?;
    Ok(packet)
}
