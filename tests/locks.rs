//! Readers of what a run tells that stop reading, by real pipes, sockets and terminals: the run
//! goes on and ends as it would, and a reader that comes back finds whole lines.

use std::fs::File;
use std::io::{Read as _, Write as _, pipe};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use holdstill::copy::rsync::Progress;
use holdstill::error::Code;
use holdstill::host::faulty::Blow;
use holdstill::host::linux::outlet::Outlet;
use holdstill::host::linux::service::Service;
use holdstill::host::sim;
use holdstill::run::Event;
use holdstill::ui::{Colours, Manner, Paper, Screen, Sheet, Streams};
use holdstill::units::Bytes;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::unistd::write;

use crate::common::scenario;
use crate::common::shown::{Kept, call_of, clock, show};

/// Nobody is waited for longer than twice two seconds: once, and once more before the last words.
/// The rest is for a busy machine.
const END_MAX: Duration = Duration::from_secs(20);

/// What a pipe takes whole or not at all, so that nothing of it stays free.
const FILLING: [u8; 4096] = [b'\n'; 4096];

/// XOFF, which a person types as ^S.
const STOP: &[u8] = b"\x13";

/// A stream and the end at which somebody could read it.
struct Read {
    what: &'static str,
    end: OwnedFd,
    stream: OwnedFd,
}

impl Read {
    fn pipe() -> Self {
        let (end, stream) = pipe().expect("it can be made");
        Self { what: "a pipe", end: end.into(), stream: stream.into() }
    }

    fn socket() -> Self {
        let (end, stream) = UnixStream::pair().expect("it can be made");
        Self { what: "a socket", end: end.into(), stream: stream.into() }
    }

    fn terminal() -> Self {
        let pty = openpty(None, None).expect("it can be made");
        Self { what: "a terminal", end: pty.master, stream: pty.slave }
    }

    fn all() -> [Self; 3] {
        [Self::pipe(), Self::socket(), Self::terminal()]
    }

    fn stream(&self) -> OwnedFd {
        self.stream.try_clone().expect("it can be cloned")
    }

    fn outlet(&self) -> Outlet {
        Outlet::new(self.stream())
    }

    /// Standard output and standard error of one whose reader this is.
    fn streams(&self) -> Streams {
        Streams::of(self.outlet(), self.outlet())
    }

    /// Nothing more goes into it.
    fn filled(self) -> Self {
        // The flag is for us alone: what is tested must find a stream that would block it.
        let set = |flag| fcntl(&self.stream, FcntlArg::F_SETFL(flag)).expect("it is ours");
        set(OFlag::O_NONBLOCK);
        while write(&self.stream, &FILLING).is_ok() {}
        set(OFlag::empty());
        self
    }

    /// A terminal that somebody has stopped.
    fn stopped() -> Self {
        let mut one = Self { what: "a stopped terminal", ..Self::terminal() };
        one.master().write_all(STOP).expect("it can be typed");
        let deadline = Instant::now() + END_MAX;
        while has_room(&one.stream) {
            assert!(Instant::now() < deadline, "^S does not stop it");
            sleep(Duration::from_millis(10));
        }
        one
    }

    fn master(&mut self) -> File {
        File::from(self.end.try_clone().expect("it can be cloned"))
    }
}

fn has_room(stream: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    poll(&mut asked, PollTimeout::ZERO).expect("it can be asked") > 0
}

fn erasable() -> Manner {
    Manner::Terminal(Sheet { columns: 80, colours: Colours::None, paper: Paper::Erasable })
}

/// Does it beside us, so that one that hangs is told and not waited for.
fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Receiver<T> {
    let (sender, done) = channel();
    spawn(move || sender.send(work()));
    done
}

/// Every manner on every stream that nobody reads, with a run that succeeds and one that fails:
/// each ends in time, and with the exit code that it has where somebody reads.
#[test]
fn a_reader_that_stops_does_not_hold_up_a_run() {
    let manners: [fn() -> Manner; 4] =
        [|| Manner::Lines, || Manner::Json(clock(1)), erasable, || Manner::Brief];
    let unread: [fn() -> Read; 4] = [
        || Read::pipe().filled(),
        || Read::socket().filled(),
        || Read::terminal().filled(),
        Read::stopped,
    ];
    let mut runs = Vec::new();
    for (number, manner) in manners.into_iter().enumerate() {
        for unread in unread {
            for (fails, code) in [(false, 0), (true, 4)] {
                let run = beside(move || run_on(&unread(), manner(), fails));
                runs.push((number, fails, code, run));
            }
        }
    }
    for (manner, fails, wanted, run) in runs {
        let ended = run.recv_timeout(END_MAX);
        let (what, code) = ended.unwrap_or_else(|_| panic!("manner {manner}, {fails}: it hangs"));
        assert_eq!(code, wanted, "{what}, manner {manner}");
    }
}

/// A run that is told where nobody reads; its exit code.
fn run_on(unread: &Read, manner: Manner, fails: bool) -> (&'static str, u8) {
    let one = scenario("mariadb-replica");
    let script = [(call_of(&one, "rsync") + 2, Blow::Event(sim::Event::CopyFails))];
    let script = if fails { &script[..] } else { &[] };
    let screen = Screen::new(manner, unread.streams(), Service::default());
    let outcome = show(&screen, one.sim, &one.plan, script, Screen::event);
    (unread.what, Code::of(&outcome).number())
}

/// How many texts are written before somebody reads, and how many after.
const BEFORE: usize = 600;
const AFTER: usize = 50;

/// A text that is told: with its number, and as long as that says.
fn numbered(number: usize) -> String {
    format!("{number} {}", "x".repeat(number * 997 % 6_000))
}

/// Tells a lot while nobody reads, and some more when somebody does; what was read to the end.
fn read_late(read: Read, manner: Manner, begin: &[Event]) -> String {
    let Read { end, stream, .. } = read;
    let outlet = || Outlet::new(stream.try_clone().expect("it can be cloned"));
    let screen = Screen::new(manner, Streams::of(outlet(), outlet()), Service::default());
    drop(stream);
    for event in begin {
        screen.event(event);
    }
    let tell = |number| screen.event(&Event::Extended(numbered(number)));
    (0..BEFORE).for_each(tell);
    let reader = read_to_end(end);
    sleep(Duration::from_millis(500));
    (BEFORE..BEFORE + AFTER).for_each(tell);
    drop(screen);
    reader.join().expect("it reads")
}

/// A terminal's end is an error, and says so only when everything was read.
fn read_to_end(end: OwnedFd) -> JoinHandle<String> {
    spawn(move || {
        let mut all = Vec::new();
        let _end = File::from(end).read_to_end(&mut all);
        String::from_utf8(all).expect("it is text")
    })
}

#[test]
fn a_reader_that_comes_back_finds_whole_lines() {
    let read = |one: Read| (one.what, beside(|| read_late(one, Manner::Lines, &[])));
    for (what, read) in Read::all().map(read) {
        let text = read.recv_timeout(END_MAX).unwrap_or_else(|_| panic!("{what}: it hangs"));
        let mut numbers = Vec::new();
        for line in text.lines() {
            let told = line.strip_prefix("  extended ").unwrap_or_else(|| panic!("{what}: {line}"));
            let number = told.split(' ').next().and_then(|number| number.parse().ok());
            let number: usize = number.unwrap_or_else(|| panic!("{what}: {line}"));
            assert_eq!(told, numbered(number), "{what}: torn");
            numbers.push(number);
        }
        assert!(numbers.is_sorted_by(|one, next| one < next), "{what}: {numbers:?}");
        assert!(numbers.len() < BEFORE, "{what}: it took everything, which shows nothing");
        let after: Vec<_> = (BEFORE..BEFORE + AFTER).collect();
        assert!(numbers.starts_with(&[0, 1]) && numbers.ends_with(&after), "{what}: {numbers:?}");
    }
}

/// With a stream each, one would write into the line that the other could not finish.
#[test]
fn two_streams_with_one_reader_do_not_tear_each_other_s_lines() {
    for read in Read::all() {
        let what = read.what;
        let text = beside(move || {
            let Read { end, stream, .. } = read;
            let outlet = || Outlet::new(stream.try_clone().expect("it can be cloned"));
            let streams = Streams::of(outlet(), outlet());
            drop(stream);
            let on = |manner| Screen::new(manner, streams.clone(), Service::default());
            let (out, err) = (on(Manner::Lines), on(Manner::Brief));
            let tell_out = |number| out.event(&Event::Extended(numbered(number)));
            let tell_err = |number| err.event(&Event::NotExtended(numbered(number)));
            (0..BEFORE).for_each(tell_out);
            tell_err(BEFORE);
            let reader = read_to_end(end);
            sleep(Duration::from_millis(500));
            tell_err(BEFORE + 1);
            tell_out(BEFORE + 2);
            drop((out, err, streams));
            reader.join().expect("it reads")
        });
        let text = text.recv_timeout(END_MAX).unwrap_or_else(|_| panic!("{what}: it hangs"));
        let heads = ["  extended ", "holdstill: "];
        for line in text.lines() {
            let told = heads.iter().find_map(|head| line.strip_prefix(head));
            let number = told.and_then(|told| told.split(' ').next()?.parse().ok());
            assert_eq!(number.map(numbered).as_deref(), told, "{what}: torn");
        }
        let last = text.lines().last().expect("there are some");
        assert!(last.ends_with(&numbered(BEFORE + 2)), "{what}: {last}");
        assert!(text.contains("\nholdstill: "), "{what}");
    }
}

/// A display leaves the line of a phase open: what is told behind a gap does not go on there.
#[test]
fn what_follows_a_gap_begins_on_a_line_of_its_own() {
    let read = beside(|| read_late(Read::pipe(), erasable(), &[Event::Phase("copy")]));
    let text = read.recv_timeout(END_MAX).expect("it hangs");
    assert_eq!(text.matches("  copy\n\r\x1b[K    extended").count(), 1, "{text}");
    assert!(text.contains(&format!("\x1b[K    extended {}\n  copy\r", numbered(BEFORE))));
}

#[test]
fn the_bar_is_drawn_where_everything_is_written() {
    let kept = Kept::new(erasable(), Service::default());
    kept.screen.event(&Event::Phase("copy"));
    for percent in [20, 40] {
        let bytes = Bytes(u64::from(percent) << 20);
        kept.screen.event(&Event::Copying(Progress { bytes, percent }));
    }
    let out = kept.text().out;
    assert!(out.starts_with("  copy\r\x1b[K  copy ["), "{out:?}");
    assert!(out.contains("20.00 MiB") && out.contains("40.00 MiB"), "{out:?}");
}

/// Both streams of the program itself lead to a full pipe.
#[test]
fn the_program_ends_though_nobody_reads() {
    let unread = Read::pipe().filled();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
    let typed = ["backup", "--json", "--verbose", "--config", "/nowhere/h.toml"];
    let command = command.args(typed).stdout(unread.stream()).stderr(unread.stream());
    let mut child = command.spawn().expect("it can be run");
    let deadline = Instant::now() + END_MAX;
    while child.try_wait().expect("it is ours").is_none() {
        if Instant::now() > deadline {
            child.kill().expect("it is ours");
            panic!("it hangs");
        }
        sleep(Duration::from_millis(20));
    }
    assert_eq!(child.wait().expect("it is ours").code(), Some(2));
    assert!(unread.end.as_fd().try_clone_to_owned().is_ok(), "it was open to the end");
}

/// Who asks for a text and reads it slowly has all of it, as from any other program.
#[test]
fn what_was_asked_for_waits_for_its_reader() {
    let explain = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
        command.args(["explain", "destination"]).stderr(Stdio::null());
        command
    };
    let whole = explain().output().expect("it can be run").stdout;
    let whole = String::from_utf8(whole).expect("it is text");
    let Read { end, stream, .. } = Read::pipe().filled();
    let mut child = explain().stdout(stream).spawn().expect("it can be run");
    sleep(Duration::from_secs(3));
    let text = read_to_end(end).join().expect("it reads");
    assert!(child.wait().expect("it is ours").success());
    assert!(whole.len() > 100 && text.ends_with(&whole), "{text}");
}
