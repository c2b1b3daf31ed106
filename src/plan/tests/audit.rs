//! What the audit tells beside the plan: every refusal at once, the past, the tables, and whether
//! the snapshot will last.

use super::golden::{SERVERS, check};
use super::world::{BACKUP, THIN, World, entry};
use crate::claim::Claim;
use crate::host::{Kind, Rows, Synchrony};
use crate::plan::audit::Audit;
use crate::plan::{Verdict, unlocked};
use crate::ui;
use crate::units::Bytes;

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");

/// A backup of 3 GiB whose copy took 100 seconds, two hours before the audit.
const NEWEST: &str = r#"{"host": "db2", "run": "20261122T001226Z-000001", "state": "published",
  "started": "2026-11-22T00:12:26Z", "copied": {"files": 7, "bytes": 3221225472},
  "window": {"waited_ms": 3, "locked_ms": 27}, "timings_ms": {"copy": 100000}}"#;

fn audit_of(change: impl FnOnce(&mut World)) -> Audit {
    let mut world = World::new(MARIADB);
    change(&mut world);
    world.audit()
}

fn with_a_backup(world: &mut World) {
    for path in ["20261122T001226Z-000001", "20261122T001226Z-000001/tree"] {
        world.entries.extend([entry(&format!("/backup/{path}"), BACKUP, Kind::Directory)]);
    }
    world.files.insert("/backup/20261122T001226Z-000001/backup.json".into(), NEWEST.into());
}

/// The lines about an aspect, each with its verdict's letter.
fn lines(audit: &Audit, aspect: &str) -> Vec<String> {
    let of = audit.notes.iter().filter(|note| note.aspect.name() == aspect);
    of.map(|note| {
        let letter = match note.verdict {
            Verdict::Pass => ' ',
            Verdict::Warning => '!',
            Verdict::Refusal => 'X',
        };
        let hint = note.hint.as_ref().map_or_else(String::new, |hint| format!(" | {hint}"));
        format!("{letter} {}{hint}", note.found)
    })
    .collect()
}

#[test]
fn audits_are_as_blessed() {
    for (name, facts) in SERVERS {
        let mut world = World::new(facts);
        with_a_backup(&mut world);
        check(&format!("audit-{name}"), &ui::audit::text(&world.audit(), None));
    }
}

#[test]
fn an_audit_with_refusals_is_as_blessed() {
    let audit = audit_of(|world| {
        world.machine.uid = 1000;
        world.answer("wsrep_on", "ON");
        world.answer("innodb_flush_log_at_trx_commit", "0");
        world.entries.remove(std::path::Path::new("/backup"));
    });
    assert!(audit.plan.is_none());
    assert_eq!(ui::audit::code(&audit).number(), 3);
    check("audit-refused", &ui::audit::text(&audit, None));
}

#[test]
fn every_refusal_is_told_and_each_only_once() {
    let audit = audit_of(|world| {
        world.missing_program = "lvcreate";
        world.entries.remove(std::path::Path::new("/backup"));
    });
    let refused: Vec<&str> = audit
        .notes
        .iter()
        .filter(|note| note.verdict == Verdict::Refusal)
        .map(|note| note.aspect.name())
        .collect();
    assert_eq!(refused, ["programs", "destination"]);
}

#[test]
fn the_newest_backup_tells_its_age_and_how_long_a_copy_takes() {
    let audit = audit_of(with_a_backup);
    let told = " 20261122T001226Z-000001: 2 h 00 min old, 3 GiB, locked for 27 ms";
    assert_eq!(lines(&audit, "last backup"), [format!(" {told}")]);
    let told = "  3 GiB in about 1 min 40 s, as fast as that of 20261122T001226Z-000001";
    assert_eq!(lines(&audit, "copy"), [told]);
    assert_eq!(
        lines(&audit, "write rate"),
        [
            "  'data/mysql': 1 MiB/s in 2.0 s: about 100 MiB while it is copied, of a COW store of 2 GiB"
        ]
    );
}

#[test]
fn without_a_backup_nothing_is_made_up() {
    let audit = audit_of(|_| {});
    assert_eq!(lines(&audit, "last backup"), ["! none at '/backup'"]);
    assert_eq!(
        lines(&audit, "copy"),
        ["  how long it will take is not known: no earlier backup tells"]
    );
    assert_eq!(
        lines(&audit, "write rate"),
        [
            "  'data/mysql': 1 MiB/s in 2.0 s; a COW store of 2 GiB, extended to 4.7 GiB, lasts about 1 h 21 min"
        ]
    );
    let quiet = audit_of(|world| world.written_each_s = Bytes(0));
    assert_eq!(lines(&quiet, "write rate"), ["  'data/mysql': nothing in 2.0 s"]);
}

#[test]
fn a_store_that_will_be_extended_or_will_not_last_is_told() {
    let at = |mib: u64| {
        let audit = audit_of(|world| {
            with_a_backup(world);
            world.written_each_s = Bytes(mib << 20);
            world.config.push_str("[snapshot]\nsize = \"1GiB\"\ncow_extend_max = \"2GiB\"\n");
        });
        lines(&audit, "write rate").remove(0)
    };
    assert!(at(9).ends_with("about 900 MiB while it is copied, of a COW store of 1 GiB"));
    assert!(
        at(19).starts_with("  ") && at(19).ends_with("of a COW store of 1 GiB, which is extended")
    );
    assert!(at(30).starts_with("! "), "{}", at(30));
    let told = at(30);
    assert!(told.contains(", at most 1.8 GiB: it may be given up after 1 min 04 s"), "{told}");
    assert!(told.contains(" | Raise 'size'"), "{told}");
}

#[test]
fn the_room_of_a_thin_snapshot_is_that_of_its_pool() {
    let audit = audit_of(|world| {
        world.lvs = THIN.into();
        with_a_backup(world);
    });
    let told = lines(&audit, "write rate").remove(0);
    assert!(told.contains("about 100 MiB while it is copied, of "), "{told}");
    assert!(told.ends_with("of the thin pool 'data/pool'"), "{told}");
}

#[test]
fn a_group_that_cannot_reach_the_limit_is_told() {
    let told = lines(
        &audit_of(|world| {
            with_a_backup(world);
            world.written_each_s = Bytes(80 << 20);
        }),
        "write rate",
    );
    assert!(told[0].starts_with("! ") && told[0].contains(", at most 4.7 GiB: "), "{told:?}");
}

#[test]
fn a_signal_ends_the_sampling() {
    let audit = audit_of(|world| world.signal = Some(2));
    assert_eq!(lines(&audit, "write rate"), ["! not known: interrupted"]);
}

#[test]
fn a_clock_that_has_gone_back_is_told() {
    let audit = audit_of(|world| {
        with_a_backup(world);
        world.machine.unix_seconds -= 86_400;
    });
    let told = lines(&audit, "clock").remove(1);
    assert!(told.starts_with("! it is 2026-11-21T02:12:26Z, and the backup"), "{told}");
}

#[test]
fn a_clock_that_nobody_keeps_is_told() {
    let audit = audit_of(|world| world.synchrony = Synchrony::Free);
    let told = lines(&audit, "clock").remove(0);
    assert!(told.starts_with("! 2026-11-22T02:12:26Z, and nothing keeps it right | "), "{told}");
}

#[test]
fn every_claim_but_those_of_a_dead_lvm_undoes_an_act() {
    let plan = audit_of(|_| {}).plan.expect("nothing speaks against it");
    let named: Vec<_> = plan.steps().iter().filter_map(|step| step.undone_by).collect();
    for (at, claim) in plan.claims.iter().enumerate() {
        let of_the_dead = matches!(claim, Claim::Half { .. } | Claim::Extended { .. });
        assert_eq!(named.contains(&at), !of_the_dead, "{claim}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_told() {
    let audit = audit_of(|world| {
        with_a_backup(world);
        let torn = "/backup/20261121T001226Z-000001";
        world.entries.extend([entry(torn, BACKUP, Kind::Directory)]);
        world.files.insert(format!("{torn}/backup.json").into(), "{".into());
    });
    let told = lines(&audit, "last backup");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("! '/backup/20261121T001226Z-000001': damaged record"), "{told:?}");
}

#[test]
fn ledgers_are_told() {
    let ledger = "/var/lib/holdstill/ledger/20261121T001226Z-000001.json";
    let audit = audit_of(|world| drop(world.files.insert(ledger.into(), String::new())));
    let told = lines(&audit, "leftovers");
    assert!(told[0].starts_with(&format!("! '{ledger}'")), "{told:?}");
}

#[test]
fn tables_of_other_engines_are_named() {
    let columns = ["TABLE_SCHEMA", "TABLE_NAME", "ENGINE", "BYTES", "FOUND"].map(String::from);
    let row = ["app", "log", "MyISAM", "1048576", "12"].map(|word| Some(word.to_owned()));
    let told = |rows: Vec<Vec<Option<String>>>| {
        let audit = audit_of(|world| {
            world.answer(
                "Grants for backup@localhost",
                "GRANT ALL PRIVILEGES ON *.* TO `backup`@`localhost`",
            );
            let rows = Rows { columns: columns.to_vec(), rows };
            world.sql.insert(unlocked::other_engines(), rows);
        });
        lines(&audit, "engines")
    };
    let named = "  12 table(s) are not InnoDB, the largest 'app.log' (MyISAM, 1 MiB)";
    assert_eq!(told(vec![row.to_vec()]), [named]);
    assert_eq!(told(Vec::new()), ["  every table is InnoDB"]);
    let unseen = lines(&audit_of(|_| {}), "engines").remove(0);
    assert!(
        unseen
            .starts_with("  not looked at: 'backup@localhost' may not see the tables | Run: GRANT")
    );
}

#[test]
fn the_json_says_what_the_text_says_and_its_schema_is_shipped() {
    let audit = audit_of(with_a_backup);
    let json: serde_json::Value =
        serde_json::from_str(&ui::audit::json(&audit)).expect("it is JSON");
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["exit"], 0);
    assert_eq!(json["aspects"].as_array().map(Vec::len), Some(audit.notes.len()));
    let acts = audit.plan.as_ref().map(|plan| plan.acts().len());
    assert_eq!(json["plan"]["acts"].as_array().map(Vec::len), acts);
    let schema = schemars::schema_for!(ui::audit::Answer);
    let text = serde_json::to_string_pretty(&schema).expect("it is JSON") + "\n";
    super::golden::hold("packaging/schema/audit.json", &text);
}
