//! A server that speaks just enough of the client protocol for the tests of a session: it greets,
//! tells a session its number, is slow, fails or vanishes on demand. Deliberately not a database.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::host::{Login, Reach, Secret};
use crate::units::Millis;

/// `CLIENT_LONG_PASSWORD`, `CLIENT_PROTOCOL_41`, `CLIENT_TRANSACTIONS`,
/// `CLIENT_SECURE_CONNECTION` and `CLIENT_PLUGIN_AUTH`.
const ABILITIES: u32 = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];

/// A server on a socket of its own; its sessions are numbered from 1.
pub(super) struct FakeServer {
    dir: tempfile::TempDir,
}

impl FakeServer {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        thread::spawn(move || {
            for (stream, id) in listener.incoming().zip(1..) {
                thread::spawn(move || stream.and_then(|mut stream| session(&mut stream, id)));
            }
        });
        Self { dir }
    }

    pub(super) fn login(&self) -> Login {
        let reach = Reach::Socket(self.socket());
        Login { reach, user: None, secret: Secret::None, connect_ms_max: Millis(2000) }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }
}

fn session(stream: &mut UnixStream, id: u32) -> io::Result<()> {
    send(stream, 0, &greeting(id))?;
    receive(stream)?;
    send(stream, 2, OK)?;
    loop {
        let asked = receive(stream)?;
        let text = String::from_utf8_lossy(asked.get(1..).unwrap_or_default()).into_owned();
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("SELECT", _) => number(stream, id)?,
            ("SLEEP", ms) => {
                thread::sleep(Duration::from_millis(ms.parse().unwrap()));
                send(stream, 1, OK)?;
            }
            ("FAIL", code) => send(stream, 1, &failure(code.parse().unwrap()))?,
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

fn failure(code: u16) -> Vec<u8> {
    [&[0xff][..], &code.to_le_bytes(), b"#HY000as asked"].concat()
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
