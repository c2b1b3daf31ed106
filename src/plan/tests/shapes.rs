//! Layouts that a plan must see through: bind mounts, data beside the data directory, links, mounts
//! over mounts, and what is worth a warning.

use super::world::{REDO, ROOT, SOURCE, World, mount};
use crate::claim::Claim;
use crate::database::dialect::LONG_STATEMENTS;
use crate::host::Link;
use crate::plan::{Plan, Verdict};

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");

fn plan(change: impl FnOnce(&mut World)) -> Plan {
    let mut world = World::new(MARIADB);
    change(&mut world);
    world.plan().expect("everything is sound")
}

/// The copy's sources and excludes.
fn copied(plan: &Plan) -> Vec<&str> {
    let point = format!("{}/./", plan.mount.point.display());
    let part = |arg: &'_ String| arg.starts_with(&point) || arg.starts_with("--exclude");
    plan.copy
        .args
        .iter()
        .filter(|arg| part(arg))
        .map(|arg| arg.strip_prefix(&point).unwrap_or(arg))
        .collect()
}

fn warnings(plan: &Plan) -> Vec<String> {
    let warnings = plan.notes.iter().filter(|note| note.verdict == Verdict::Warning);
    warnings.map(|note| format!("{}: {}", note.aspect, note.found)).collect()
}

#[test]
fn the_data_directory_is_the_root_of_its_filesystem() {
    let plan = plan(|_| {});
    assert_eq!(copied(&plan), ["--exclude=/lost+found", "--exclude=/ibtmp1", "."]);
    assert_eq!(plan.source.datadir.to_str(), Some(""));
    assert!(warnings(&plan).is_empty());
}

#[test]
fn the_data_directory_is_deeper_and_other_data_beside_it() {
    let plan = plan(|world| {
        world.mounts[2].point = "/var/lib".into();
        world.put("/var/lib/mysql", SOURCE);
        world.put("/var/lib/undo", SOURCE);
        world.put("/var/lib/mysql/sub", SOURCE);
        world.put("/var/lib", SOURCE);
        world.put("/srv", ROOT);
        world.config.insert_str(0, "state_dir = \"/srv/state\"\n");
        world.answer("innodb_undo_directory", "/var/lib/undo/");
        world.put("/var/lib/linked", SOURCE);
        world.links.push(Link { at: "/var/lib/mysql/l".into(), to: "/var/lib/linked".into() });
        world.links.push(Link { at: "/var/lib/mysql/d".into(), to: "/var/lib/mysql/sub".into() });
    });
    let expected = ["--exclude=/lost+found", "--exclude=/mysql/ibtmp1", "mysql", "undo", "linked"];
    assert_eq!(copied(&plan), expected);
    assert_eq!(plan.source.datadir.to_str(), Some("mysql"));
}

#[test]
fn a_bind_mount_is_found_in_its_filesystem() {
    let plan = plan(|world| world.mounts[2].root = "/servers/one".into());
    let expected = ["--exclude=/lost+found", "--exclude=/servers/one/ibtmp1", "servers/one"];
    assert_eq!(copied(&plan), expected);
    assert_eq!(plan.source.datadir.to_str(), Some("servers/one"));
}

#[test]
fn of_two_mounts_at_one_point_the_later_counts() {
    let plan = plan(|world| {
        let below = mount("/var/lib/mysql", "ext4", "/dev/mapper/data-redo", REDO);
        world.mounts.insert(2, below);
    });
    assert_eq!((plan.source.lv.as_str(), plan.mount.data.as_str()), ("mysql", "nouuid"));
}

#[test]
fn ext4_is_mounted_without_nouuid() {
    let plan = plan(|world| world.mounts[2].kind = "ext4".into());
    assert_eq!((plan.mount.kind.as_str(), plan.mount.data.as_str()), ("ext4", ""));
}

#[test]
fn what_is_not_in_the_backup_is_told() {
    let plan = plan(|world| {
        world.put("/logs", ROOT);
        world.put("/etc/my.log", ROOT);
        world.answer("log_bin_basename", "/logs/binlog");
        let link = |at: &str, to: &str| Link { at: at.into(), to: to.into() };
        world.links.push(link("/var/lib/mysql/old", "/gone"));
        world.lvs = world.lvs.replace("\"lv_name\":\"redo\"", "\"lv_name\":\"snap\"").replace(
            "\"lv_size\":\"1073741824\", \"origin\":\"\"",
            "\"lv_size\":\"1073741824\", \"origin\":\"mysql\"",
        );
        world.answer("Slave_SQL_Running", "No");
        let rows = world.sql.get_mut(LONG_STATEMENTS).expect("it is asked");
        rows.columns = ["ID", "USER", "TIME"].map(String::from).to_vec();
        rows.rows.push(["8", "app", "61"].map(|word| Some(word.to_owned())).to_vec());
    });
    let expected = [
        "links: '/var/lib/mysql/old' leads to '/gone', which is not there",
        "binary log: '/logs' is on '/dev/sda1': not in the backup",
        "snapshots: 'data/mysql' already has the snapshot 'data/snap': it slows every write, and \
         ours will slow it further",
        "statements: session 8 of 'app' has run one for 61 s: the lock may wait",
        "replication: the channel from db1.example:3306: its applier is stopped and stays stopped",
    ];
    assert_eq!(warnings(&plan), expected);
    assert!(plan.replica.is_some_and(|replica| replica.stop.is_empty()));
    assert!(!plan.claims.iter().any(|claim| matches!(claim, Claim::Replication { .. })));
}

#[test]
fn an_explicit_freeze_is_a_claim_and_the_dead_mans_duty() {
    let plan = plan(|world| world.config.push_str("[lock]\nfreeze = \"explicit\"\n"));
    assert!(matches!(plan.claims.last(), Some(Claim::Frozen { .. })));
    assert_eq!(plan.window.guard.thaw, ["/var/lib/mysql"].map(std::path::PathBuf::from));
}

#[test]
fn a_tablespace_elsewhere_on_the_volume_is_copied_too() {
    let plan = plan(|world| {
        world.mounts[2].point = "/data".into();
        world.put("/data/mysql", SOURCE);
        world.put("/data/spaces", SOURCE);
        let named = |row: &mut Vec<Option<String>>| {
            for value in row.iter_mut().flatten() {
                *value = value.replace("/var/lib/mysql", "/data/mysql");
            }
        };
        world.sql.values_mut().for_each(|rows| rows.rows.iter_mut().for_each(named));
        let question = world.sql.keys().find(|text| text.contains("TABLESPACES")).cloned();
        let rows = world.sql.get_mut(&question.expect("it is asked")).expect("it is there");
        rows.columns = vec!["FILENAME".into()];
        rows.rows.push(vec![Some("/data/spaces/t.ibd".into())]);
    });
    let expected = ["--exclude=/lost+found", "--exclude=/mysql/ibtmp1", "mysql", "spaces"];
    assert_eq!(copied(&plan), expected);
}
