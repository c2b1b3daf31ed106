//! How a run is told, in each manner, to the letter; that nothing is written while the server
//! stands still; and what systemd hears of it, at the end of real sockets.
//!
//! To look at the display: `HOLDSTILL_SHOW_MS=300 cargo test show_to_somebody -- --ignored
//! --nocapture`, in a terminal. The run is simulated, its pace is not.

use std::fmt::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use holdstill::copy::rsync::{Progress, Stats};
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::host::linux::service::{self, Service};
use holdstill::host::sim;
use holdstill::host::traced::Traced;
use holdstill::retention::{self, Pruned, Rules};
use holdstill::run::{self, Event, Filling};
use holdstill::ui::{Colours, Manner, Paper, Screen, Sheet, Streams};
use holdstill::units::{Bytes, Millis};

use crate::common::recorder::Recorder;
use crate::common::shown::{Kept, Leads, Shown, call_of, clock, show, shown};
use crate::common::{Scenario, golden, scenario, scenarios};

fn plain(columns: usize) -> Manner {
    Manner::Terminal(Sheet { columns, colours: Colours::None, paper: Paper::Plain })
}

type Script = Vec<(usize, Blow)>;

/// What is told, of a run in which this happens.
fn cases() -> Vec<(&'static str, Scenario, Script)> {
    let replica = || scenario("mariadb-replica");
    let copy = call_of(&replica(), "rsync") + 2;
    let at = |call, event| vec![(call, Blow::Event(event))];
    let lock = call_of(&replica(), "BLOCK_COMMIT");
    let snapshot = call_of(&scenario("two-volumes"), "lvcreate");
    let full = replica();
    full.sim.arrange().volumes.free = 0;
    vec![
        ("all is well", replica(), Vec::new()),
        ("nothing is locked", scenario("replica-without-a-lock"), Vec::new()),
        ("lvm cannot be held", scenario("untraceable"), Vec::new()),
        ("a SELECT is ended", scenario("long-select-is-killed"), Vec::new()),
        ("a statement is waited for", scenario("long-statement-is-waited-for"), Vec::new()),
        ("the lock times out once", replica(), at(lock, sim::Event::Statement)),
        ("the store is extended", replica(), at(copy, sim::Event::StoreFills)),
        ("the store is not extended", full, at(copy, sim::Event::StoreFills)),
        ("the snapshot fails", scenario("two-volumes"), vec![(snapshot, Blow::FailHalf)]),
        ("the copy is interrupted", replica(), at(copy, sim::Event::Signal)),
        ("the destination goes away", replica(), at(copy, sim::Event::Unmounted)),
    ]
}

/// What a manner shows in all of these.
fn told(manner: impl Fn() -> Manner) -> String {
    let mut told = String::new();
    for (what, one, script) in cases() {
        let shown = shown(manner(), one.sim, &one.plan, &script);
        let _cannot_fail = write!(told, "== {what}\n{}", shown.out);
        for line in shown.err.lines() {
            let _cannot_fail = writeln!(told, "stderr: {line}");
        }
    }
    told
}

#[test]
fn one_line_counts_the_old_backups_that_went() {
    let (one, kept) = (scenario("mariadb-replica"), Kept::new(Manner::Brief, Service::default()));
    let outcome =
        run::backup(&mut one.sim.clone(), &one.plan, &mut |event| kept.screen.event(&event));
    let there = &one.plan.publish.directory;
    let pruning = retention::survey(
        &one.sim,
        there,
        Path::new(crate::common::STATE),
        &Rules::default(),
        None,
    )
    .expect("it can look");
    let removed = vec!["one".to_owned(), "two".to_owned()];
    kept.screen.pruned(&pruning, &Pruned { removed, failed: Vec::new(), signal: None });
    kept.screen.outcome(&one.plan, &outcome);
    let told = kept.text().out;
    assert!(told.ends_with("; removed 2 old backups\n") && told.lines().count() == 1, "{told}");
}

#[test]
fn each_manner_to_the_letter() {
    golden("told-terminal.txt", &told(|| plain(80)));
    golden("told-brief.txt", &told(|| Manner::Brief));
    golden("told-lines.txt", &told(|| Manner::Lines));
}

/// Quiet is brief without its one line.
#[test]
fn quiet_says_nothing_of_a_success_and_everything_else() {
    for (what, one, script) in cases() {
        let brief = shown(Manner::Brief, one.sim.clone(), &one.plan, &script);
        let quiet = shown(Manner::Quiet, one.sim, &one.plan, &script);
        assert_eq!((quiet.out.as_str(), quiet.err), ("", brief.err), "{what}");
    }
}

#[test]
fn without_options_a_success_is_one_line() {
    for one in scenarios().into_iter().filter(|one| one.succeeds) {
        let brief = shown(Manner::Brief, one.sim, &one.plan, &[]);
        assert!(brief.out.lines().count() == 1 && brief.out.ends_with('\n'), "{brief:?}");
        assert!(brief.err.is_empty() || one.name == "long-select-is-killed", "{brief:?}");
    }
}

#[test]
fn colours_are_few_and_only_where_wanted() {
    let sheet = Sheet { columns: 80, colours: Colours::Few, paper: Paper::Plain };
    for (what, one, script) in cases() {
        let coloured = shown(Manner::Terminal(sheet), one.sim.clone(), &one.plan, &script).out;
        let bare = shown(plain(80), one.sim, &one.plan, &script).out;
        assert!(coloured.contains('\x1b') && !bare.contains('\x1b'), "{what}");
        let mut stripped = coloured;
        for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, bare, "{what}");
    }
}

/// What is not finished stays below what is said meanwhile, and each phase has one line.
#[test]
fn a_note_is_written_above_the_phase_that_goes_on() {
    let sheet = Sheet { columns: 80, colours: Colours::None, paper: Paper::Erasable };
    let one = scenario("long-statement-is-waited-for");
    let shown = shown(Manner::Terminal(sheet), one.sim, &one.plan, &[]).out;
    let note = "\r\x1b[K    waiting for CREATE of 'app' in session 78 for 601 s\n";
    let phase = "  wait for long statements";
    let wanted = format!("{phase}{note}{phase}       1.5 s\n");
    assert!(shown.contains(&wanted), "{shown:?}");
    let erased = shown.split('\n').map(|line| line.rsplit("\x1b[K").next().unwrap_or(line));
    let lines: Vec<_> = erased.collect();
    for phase in ["wait for long statements", "hold still", "copy", "settle"] {
        let count = lines.iter().filter(|line| line.trim_start().starts_with(phase)).count();
        assert_eq!(count, 1, "{phase}: {lines:#?}");
    }
}

/// The display is not wider than the terminal, but for what an operator has to read whole.
#[test]
fn the_display_keeps_to_its_columns() {
    for columns in [40, 60, 80, 132] {
        let one = scenario("mariadb-replica");
        let shown = shown(plain(columns), one.sim, &one.plan, &[]).out;
        let whole = |line: &str| line.starts_with("published ");
        let wide = shown.lines().find(|line| line.chars().count() > columns && !whole(line));
        assert_eq!(wide, None, "at {columns} columns");
    }
}

/// Standard output may lead to the very filesystem that is frozen.
#[test]
fn no_manner_writes_while_the_server_stands_still() {
    let erasable = Sheet { columns: 80, colours: Colours::Few, paper: Paper::Erasable };
    let manners: [fn(Sheet) -> Manner; 6] = [
        Manner::Terminal,
        |_| plain(80),
        |_| Manner::Brief,
        |_| Manner::Quiet,
        |_| Manner::Lines,
        |_| Manner::Json(clock(1)),
    ];
    for manner in manners {
        for (what, one, script) in cases() {
            let trace = trace(manner(erasable), one, &script);
            let at = |from: usize, words: &str| {
                let found = trace[from..].iter().position(|act| act.starts_with(words));
                found.map(|at| from + at)
            };
            let arm = at(0, "arm the dead-man").expect("it opens");
            let dismissed = at(arm, "dismiss the dead-man").expect("it closes");
            let window = &trace[arm..=dismissed];
            assert!(window.iter().all(|line| line != "told"), "{what}: {window:#?}");
        }
    }
}

/// The acts of a run, and each writing between them.
fn trace(manner: Manner, one: Scenario, script: &[(usize, Blow)]) -> Vec<String> {
    let recorder = Recorder::new(Faulty::new(one.sim, script));
    let trace = recorder.acts.clone();
    let leads = Arc::new(Mutex::new(Leads(trace.clone())));
    let screen = Screen::new(manner, Streams::new(leads.clone(), leads), Service::default());
    let acts = screen.clone();
    let mut host = Traced::new(recorder, move |event| {
        acts.act(&event.what.to_string(), event.nanos, event.outcome.as_ref().err());
    });
    screen.begin(&one.plan);
    let outcome = run::backup(&mut host, &one.plan, &mut |event| screen.event(&event));
    drop(host);
    screen.outcome(&one.plan, &outcome);
    trace.take()
}

/// A socket as systemd has it, and what came.
struct Socket {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Socket {
    fn new(home: &Path, name: &str) -> Self {
        let path = home.join(name);
        let socket = UnixDatagram::bind(&path).expect("it can be bound");
        socket.set_nonblocking(true).expect("it is ours");
        Self { path, socket }
    }

    fn heard(&self) -> Vec<String> {
        let mut bytes = [0; 8_192];
        let next = || self.socket.recv(&mut bytes).map(|length| bytes[..length].to_vec()).ok();
        std::iter::from_fn(next).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }
}

/// Runs a program that tells the manager; what it told, and what it wrote.
fn service_told(command: &mut Command, manager: &Socket) -> (Vec<String>, String) {
    let output = tempfile::NamedTempFile::new().expect("a file can be made");
    let file = |output: &tempfile::NamedTempFile| output.reopen().expect("it is there");
    let mut child = command
        .env("NOTIFY_SOCKET", &manager.path)
        .stdout(file(&output))
        .stderr(file(&output))
        .spawn()
        .expect("it can be run");
    let mut told = Vec::new();
    while child.try_wait().expect("it is ours").is_none() {
        told.extend(manager.heard());
        sleep(Duration::from_millis(5));
    }
    told.extend(manager.heard());
    (told, std::fs::read_to_string(output.path()).expect("it is there"))
}

#[test]
fn systemd_hears_the_phases_and_the_journal_has_the_end() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let (manager, journal) = (Socket::new(home.path(), "notify"), Socket::new(home.path(), "log"));
    let mut shown = Command::new(std::env::current_exe().expect("it runs"));
    shown.args(["--ignored", "--exact", "voices::show_to_somebody", "--nocapture"]);
    let (told, written) = service_told(shown.env("HOLDSTILL_SHOW_LOG", &journal.path), &manager);
    let status: Vec<_> = told.iter().map(|one| one.trim_end()).collect();
    assert_eq!(
        status[..3],
        ["STATUS=prepare", "STATUS=wait for long statements", "STATUS=stop the applier"]
    );
    assert!(status.contains(&"STATUS=hold still") && status.contains(&"STATUS=copy: 100 %"));
    let end = status.last().expect("it ends");
    assert!(end.starts_with("STATUS=published '/backup/20260921T130640Z-0000002a': "), "{end}");

    let entries = journal.heard();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    let message = end.replacen("STATUS=", "MESSAGE=", 1);
    for field in [
        message.as_str(),
        "MESSAGE_ID=4d191de6b238472ba352c241424ede6b",
        "PRIORITY=5",
        "SYSLOG_IDENTIFIER=holdstill",
        "HOLDSTILL_EXIT=0",
        "HOLDSTILL_PHASE=settle",
        "HOLDSTILL_RUN=20260921T130640Z-0000002a",
        "HOLDSTILL_BACKUP=/backup/20260921T130640Z-0000002a",
    ] {
        assert!(entry.lines().any(|line| line == field), "no {field}: {entry}");
    }
    assert!(entry.contains("\nHOLDSTILL_LOCKED_MS=") && entry.contains("\nHOLDSTILL_WAITED_MS="));
    assert!(!written.contains("published"), "said twice: {written}");
}

#[test]
fn an_end_that_no_journal_takes_is_written() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let manager = Socket::new(home.path(), "notify");
    let mut program = Command::new(env!("CARGO_BIN_EXE_holdstill"));
    let typed = ["backup", "--config", "/nowhere/h.toml"];
    let (told, written) = service_told(program.args(typed).env("JOURNAL_STREAM", "1:1"), &manager);
    let why = "cannot read '/nowhere/h.toml': there is no such file";
    assert_eq!(
        told.iter().map(|one| one.trim_end()).collect::<Vec<_>>(),
        [format!("STATUS={why}")]
    );
    assert!(written.starts_with(&format!("holdstill: {why}\nhint: ")), "{written}");
}

#[test]
fn a_failure_in_the_journal_is_an_error_with_its_hint() {
    let home = tempfile::tempdir().expect("a directory can be made");
    let journal = Socket::new(home.path(), "log");
    let leads = service::Streams { out: false, err: true };
    let service = Service::with_journal(&journal.path, leads).expect("it listens");
    let one = scenario("mariadb-replica");
    let kept = Kept::new(Manner::Brief, service);
    let script = [(call_of(&one, "rsync") + 2, Blow::Event(sim::Event::CopyFails))];
    show(&kept.screen, one.sim, &one.plan, &script, Screen::event);
    let entry = journal.heard().pop().expect("an entry");
    for words in ["failed while in 'copy'", "hint: Raise", "PRIORITY=3", "HOLDSTILL_PHASE=copy"] {
        assert!(entry.contains(words), "no {words}: {entry}");
    }
    assert!(entry.contains("HOLDSTILL_EXIT=4") && !entry.contains("HOLDSTILL_BACKUP"));
    assert_eq!(kept.text(), Shown::default(), "said twice");
}

/// Shows a run in the manner that `holdstill backup` would choose here, at a pace that can be
/// followed; beside that, it is the process whose words the tests above listen to.
#[test]
#[ignore = "for a person to look at, and started by others"]
fn show_to_somebody() {
    let pace = std::env::var("HOLDSTILL_SHOW_MS").ok().and_then(|ms| ms.parse().ok());
    let pace = Duration::from_millis(pace.unwrap_or(0));
    let manner = Sheet::of_stdout().map_or(Manner::Brief, Manner::Terminal);
    let leads = service::Streams { out: true, err: true };
    let service = match std::env::var_os("HOLDSTILL_SHOW_LOG") {
        Some(path) => Service::with_journal(Path::new(&path), leads).expect("it listens"),
        None => Service::of_process(),
    };
    let name = std::env::var("HOLDSTILL_SHOW_RUN").unwrap_or_else(|_| "mariadb-replica".into());
    let mut one = scenario(&name);
    one.plan.copy_bytes = Bytes(12 << 30);
    println!();
    let screen = Screen::new(manner, Streams::standard(), service);
    show(&screen, one.sim, &one.plan, &[], |screen, event| match event {
        Event::Copying(progress) if progress.percent < 100 => copying(screen, pace),
        Event::Copied(..) => {
            screen.event(&Event::Copied(Stats { files: 214, bytes: Bytes(12 << 30) }, Millis(1)));
        }
        Event::Copying(_) | Event::Filling(_) => {}
        other => {
            screen.event(other);
            sleep(pace);
        }
    });
}

/// A copy of some size, and a store that fills.
fn copying(screen: &Screen, pace: Duration) {
    for percent in 0..=100_u8 {
        let full_in = (percent > 10).then_some(Millis(900_000));
        screen.event(&Event::Filling(Filling { percent: u64::from(percent) / 5, full_in }));
        let bytes = Bytes((12 << 30) / 100 * u64::from(percent));
        screen.event(&Event::Copying(Progress { bytes, percent }));
        sleep(pace / 4);
    }
}
