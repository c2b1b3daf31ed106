//! Texts that nobody meant: every reader of what comes from outside takes any text, and what is
//! left of a good one after some accident, and says yes or no. It never panics, and it ends.

use std::path::Path;

use holdstill::config;
use holdstill::copy::rsync::Tail;
use holdstill::ledger::{self, Ledger};
use holdstill::option_file::OptionFile;
use holdstill::snapshot::lvm;
use holdstill::store;
use holdstill::units::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::scenario;

/// How many accidents happen to each good text; `PROPTEST_CASES` changes it.
const ACCIDENTS: u32 = 2_000;

/// A reader: whatever it says, it must say it.
type Reader = fn(&str);

/// What happens to a text.
#[derive(Clone, Debug)]
enum Accident {
    /// It ends here.
    Cut(usize),
    /// A piece is missing.
    Lost(usize, usize),
    /// A piece comes twice.
    Doubled(usize, usize),
    /// Something else stands in it.
    Slipped(usize, String),
}

fn accident() -> impl Strategy<Value = Accident> {
    let at = || any::<usize>();
    let odd = prop_oneof![
        "\\PC{0,8}",
        Just("\0".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("-1".to_owned()),
        Just("null".to_owned()),
        Just("{[{[\"".to_owned()),
        Just("\r\n[[]]\n".to_owned()),
        Just("x".repeat(100_000)),
    ];
    prop_oneof![
        at().prop_map(Accident::Cut),
        (at(), 1..64_usize).prop_map(|(at, len)| Accident::Lost(at, len)),
        (at(), 1..64_usize).prop_map(|(at, len)| Accident::Doubled(at, len)),
        (at(), odd).prop_map(|(at, text)| Accident::Slipped(at, text)),
    ]
}

/// The text after an accident; places are taken modulo its length.
fn after(text: &str, accident: &Accident) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let place = |at: usize| at % (letters.len() + 1);
    match accident {
        Accident::Cut(at) => letters.truncate(place(*at)),
        Accident::Lost(at, len) => {
            let from = place(*at);
            let to = (from + len).min(letters.len());
            letters.drain(from..to);
        }
        Accident::Doubled(at, len) => {
            let from = place(*at);
            let piece = letters[from..(from + len).min(letters.len())].to_vec();
            letters.splice(from..from, piece);
        }
        Accident::Slipped(at, odd) => {
            let at = place(*at);
            letters.splice(at..at, odd.chars());
        }
    }
    letters.into_iter().collect()
}

fn ledger_text() -> String {
    let plan = scenario("mysql-two-channels").plan;
    let ledger = Ledger {
        version: ledger::VERSION,
        run: plan.run,
        host: plan.machine.host,
        boot: plan.machine.boot,
        pid: plan.machine.pid,
        claims: plan.claims,
    };
    serde_json::to_string_pretty(&ledger).expect("a ledger can be written")
}

const RECORD: &str = r#"{"run": "20260921T130640Z-0000002a", "state": "published",
  "started": "2026-09-21T13:06:40Z", "copied": {"files": 7, "bytes": 123456},
  "window": {"lock": "ftwrl", "waited_ms": 3, "locked_ms": 27}}"#;

const PROGRESS: &str = "     32,768  56%  78.90MB/s    0:00:01 (xfr#5, to-chk=169/396)
Number of regular files transferred: 1,234
Total transferred file size: 5,678,901 bytes
";

/// Every reader, and a text that it takes.
fn readers() -> Vec<(&'static str, Reader, String)> {
    vec![
        (
            "configuration",
            |text| drop(config::parse(Path::new("/etc/holdstill.toml"), text)),
            include_str!("../config/full.toml").into(),
        ),
        (
            "option file",
            |text| drop(OptionFile::parse(text)),
            "[client]\nuser = holdstill\npassword = \"o'n#e\\t\"\nport=3306\n".into(),
        ),
        (
            "volumes",
            |text| drop(lvm::volumes(text)),
            include_str!("facts/lvm/lvs-thin.json").into(),
        ),
        ("groups", |text| drop(lvm::groups(text)), include_str!("facts/lvm/vgs.json").into()),
        (
            "devices",
            |text| drop(lvm::devices(text, "lab")),
            include_str!("facts/lvm/pvs.json").into(),
        ),
        ("ledger", |text| drop(ledger::parse(text)), ledger_text()),
        (
            "record",
            |text| {
                drop(store::run_of(text));
                drop(store::read(text));
            },
            RECORD.into(),
        ),
        ("size", |text| drop(text.parse::<Bytes>()), "512MiB".into()),
        (
            "progress",
            |text| {
                let mut tail = Tail::default();
                for line in text.split(['\n', '\r']) {
                    let _progress = tail.read(line);
                }
            },
            PROGRESS.into(),
        ),
    ]
}

#[test]
fn no_text_makes_a_reader_panic() {
    let cases = Config::default().cases.max(ACCIDENTS);
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let mut read = 0_u64;
    for (name, reader, good) in readers() {
        println!("reader: {name}");
        let accidents = vec(accident(), 1..4);
        let spoiled = runner.run(&accidents, |all| {
            reader(&all.iter().fold(good.clone(), |text, one| after(&text, one)));
            Ok(())
        });
        let foreign = runner.run(&"\\PC{0,200}", |text| {
            reader(&text);
            Ok(())
        });
        assert!(spoiled.is_ok() && foreign.is_ok(), "{name}: {spoiled:?} {foreign:?}");
        read += 2 * u64::from(cases);
    }
    println!("{read} texts were read");
}

#[test]
fn every_reader_takes_its_good_text() {
    assert!(config::parse(Path::new("/c"), include_str!("../config/full.toml")).is_ok());
    assert!(lvm::volumes(include_str!("facts/lvm/lvs-thin.json")).is_ok_and(|all| !all.is_empty()));
    assert!(lvm::groups(include_str!("facts/lvm/vgs.json")).is_ok_and(|all| !all.is_empty()));
    assert!(ledger::parse(&ledger_text()).is_ok());
    assert!(store::run_of(RECORD).is_some() && store::read(RECORD).is_ok());
    let mut tail = Tail::default();
    assert_eq!(PROGRESS.lines().filter_map(|line| tail.read(line)).count(), 1);
    assert_eq!(tail.stats().files, 1234);
}
