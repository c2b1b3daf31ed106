//! Preparations on a machine of paper: what the server is told and sees, and what is left of it.
//!
//! Deliberately absent: recovery itself. That is the server's, and the lab tries it.

use std::path::Path;

use super::past::Past;
use super::tests::{Paper, rows, said};
use super::*;
use crate::database::attach::{Applied, Source, Statement};
use crate::host::{Cause, Fault, Rows, Secret};
use crate::plan::Refusal;
use crate::units::Bytes;

const RECORD: &str = include_str!("record.json");

const STATUS: [(&str, &str); 14] = [
    ("Connection_name", ""),
    ("Slave_SQL_Running", "No"),
    ("Slave_IO_Running", "No"),
    ("Until_Condition", "None"),
    ("Master_Host", "db9"),
    ("Master_Port", "3306"),
    ("Master_User", "repl"),
    ("Master_Log_File", "bin.1"),
    ("Read_Master_Log_Pos", "9"),
    ("Relay_Master_Log_File", "bin.1"),
    ("Exec_Master_Log_Pos", "9"),
    ("Using_Gtid", "No"),
    ("Last_SQL_Errno", "0"),
    ("Gtid_IO_Pos", ""),
];

fn status(change: (&str, &str)) -> Rows {
    let value = |(name, value): (&str, &'static str)| {
        if name == change.0 { change.1.to_owned() } else { value.to_owned() }
    };
    let values: Vec<String> = STATUS.map(value).into();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    rows(&STATUS.map(|(name, _)| name), &[&values])
}

/// A machine on which a server comes up in the restored directory, and is shut down.
fn paper() -> Paper {
    let talk = [
        said(&["@jail 4711"], None),
        said(&["@begun 5000000", "0 [Note] Starting MariaDB"], None),
        said(&["0 [Note] Normal shutdown", "@over it ended with status 0"], Some("")),
    ];
    let mut paper = Paper::new().talking(&talk);
    paper.directories.push("/new".into());
    paper.answers.push(("SHOW ALL SLAVES STATUS", Ok(status(("", "")))));
    paper
}

fn applied() -> Applied {
    let change = "CHANGE MASTER TO MASTER_HOST = 'db9', MASTER_PASSWORD = ";
    let source =
        Source { channel: String::new(), host: "db9".into(), port: 3306, user: "repl".into() };
    let reset = Statement::Plain("RESET SLAVE".into());
    let statements = vec![reset, Statement::Keyed(change.into(), String::new())];
    Applied { statements, sources: vec![source] }
}

fn decided(paper: &Paper, owner: u32, spare: Bytes) -> Result<Preparation, Refusal> {
    let past = Past::read(RECORD).expect("it is a record");
    let places = [Moved { was: past.datadir(), to: "/new".into() }];
    let has = |path: &Path| path == Path::new("/srv/db/mysql/bin.index");
    let secret = Secret::OptionFile("/login".into());
    let applied = applied();
    plan_preparation(
        paper,
        &Wanted {
            servers: &PrivateServers::default(),
            server: &past.server,
            opening: &past.opening,
            places: &places,
            has: &has,
            owner: (owner, owner),
            spare,
            apply: Some((&applied, &secret)),
        },
    )
}

fn prepared(mut paper: Paper) -> (Result<Prepared, Fault>, Paper) {
    let preparation = decided(&paper, 102, Bytes(1 << 40)).expect("nothing stands against it");
    let done = prepare(&mut paper, &preparation, &mut |_| {});
    (done, paper)
}

#[test]
fn a_server_recovers_it_is_told_whose_replica_it_is_and_is_shut_down() {
    let (done, paper) = prepared(paper());
    done.expect("it is carried through");
    let expected = [
        "mkdir /new/.holdstill-tmp".into(),
        "exe jail".into(),
        format!("connect the drill session to root@/proc/4711/root{}", crate::host::jail::SOCKET),
        "drill session: RESET SLAVE".into(),
        "drill session: CHANGE MASTER TO MASTER_HOST = 'db9', MASTER_PASSWORD = ***".into(),
        "drill session: SHUTDOWN".into(),
        "close the drill session".into(),
        "end the long command, if it still runs".into(),
        "rm --recursive --one-file-system /new/.holdstill-tmp".into(),
    ];
    assert_eq!(paper.acts, expected);
}

#[test]
fn it_sees_the_files_at_both_paths_and_writes_for_good() {
    let preparation = decided(&paper(), 102, Bytes(1 << 40)).expect("nothing is against it");
    let jail = format!("{preparation:?}").replace('\\', "");
    for word in [
        r#""layers":[{"layer":"kept","merged":"/new"}]"#,
        r#""at":"/new""#,
        r#""at":"/srv/db/mysql""#,
        "--datadir=/new",
        "--log-bin=/new/bin",
        "--loose-innodb-flush-log-at-trx-commit=1",
        "--skip-networking",
        "--loose-skip-slave-start",
        "--relay-log=/new/relay-bin",
    ] {
        assert!(jail.contains(word), "{word} is not in {jail}");
    }
    assert!(!jail.contains("=/srv/db/mysql"), "an option leads to the old path: {jail}");
}

#[test]
fn what_stands_against_it_is_told_before_anything_is_touched() {
    let told = |owner, spare| decided(&paper(), owner, spare).expect_err("it is refused").what;
    assert!(told(0, Bytes(1 << 40)).contains("no server runs as root"));
    assert!(told(102, Bytes(1 << 20)).contains("too little space at '/new'"));
}

#[test]
fn whatever_goes_wrong_no_server_is_left_and_it_is_told() {
    let ended = |paper: &Paper| paper.acts.iter().any(|act| act.starts_with("end the long"));
    for fails_at in 1..=9 {
        // A visit that fails is tried again; what is closed is gone in any case; and of the word to
        // shut down only the end counts.
        let counts = ![3, 6, 7].contains(&fails_at);
        let (done, paper) = prepared(Paper { fails_at, ..paper() });
        assert!(done.is_err() || !counts, "{fails_at}: {:?}", paper.acts);
        assert!(ended(&paper), "{fails_at}: {:?}", paper.acts);
    }
    let mut interrupted = 0;
    for signal_at in 1..60 {
        let (done, paper) = prepared(Paper { signal_at, ..paper() });
        interrupted += usize::from(done.is_err());
        assert!(ended(&paper), "{signal_at}");
    }
    assert!(interrupted > 10, "only {interrupted} of them were noticed");
    let dies = [
        said(&["@jail 4711"], None),
        said(&["@begun 5000000"], None),
        said(&["0 [ERROR] no", "@over it was killed by SIGABRT"], Some("")),
    ];
    let (done, _) = prepared(paper().talking(&dies));
    let told = done.expect_err("it died").to_string();
    assert!(told.contains("did not shut down: it was killed by SIGABRT: [ERROR] no"), "{told}");
}

#[test]
fn what_was_applied_is_asked_for() {
    for (change, words) in [
        (("Master_Host", "other"), "expected the source repl@db9:3306"),
        (("Connection_name", "c"), "found none"),
        (("Slave_SQL_Running", "Yes"), "has begun"),
    ] {
        let mut paper = paper();
        paper.answers.pop();
        paper.answers.push(("SHOW ALL SLAVES STATUS", Ok(status(change))));
        let told = prepared(paper).0.expect_err(words).to_string();
        assert!(told.contains(words), "{told}");
    }
    let mut refusing = paper();
    refusing.answers.pop();
    let cause = Cause { sql: Some(1064), why: "no".into() };
    refusing.answers.push(("SHOW ALL SLAVES STATUS", Err(Fault::Refused(cause))));
    assert!(prepared(refusing).0.is_err());
}
