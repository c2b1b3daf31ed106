//! Layouts that a plan must see through: bind mounts, data beside the data directory, links, mounts
//! over mounts, and what is worth a warning.

use super::world::{Planned, REDO, ROOT, SOURCE, THIN, World, mount};
use crate::claim::Claim;
use crate::database::statements;
use crate::host::{Brim, Link};
use crate::plan::{Take, Verdict};
use crate::snapshot::Kind;

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");

fn plan(change: impl FnOnce(&mut World)) -> Planned {
    let mut world = World::new(MARIADB);
    change(&mut world);
    world.plan().expect("everything is sound")
}

/// The copy's sources and excludes.
fn copied(plan: &Planned) -> Vec<&str> {
    let source = &plan.sources[0];
    let point = format!("{}/./", source.view.point.display());
    let part = |arg: &'_ String| arg.starts_with(&point) || arg.starts_with("--exclude");
    source
        .copy
        .args
        .iter()
        .filter(|arg| part(arg))
        .map(|arg| arg.strip_prefix(&point).unwrap_or(arg))
        .collect()
}

fn warnings(plan: &Planned) -> Vec<String> {
    let warnings = plan.notes.iter().filter(|note| note.verdict == Verdict::Warning);
    warnings.map(|note| format!("{}: {}", note.aspect, note.found)).collect()
}

#[test]
fn the_data_directory_is_the_root_of_its_filesystem() {
    let plan = plan(|_| {});
    assert_eq!(copied(&plan), ["--exclude=/lost+found", "--exclude=/ibtmp1", "."]);
    assert_eq!(plan.datadir.to_str(), Some(""));
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
    assert_eq!(plan.datadir.to_str(), Some("mysql"));
}

#[test]
fn a_bind_mount_is_found_in_its_filesystem() {
    let plan = plan(|world| world.mounts[2].root = "/servers/one".into());
    let expected = ["--exclude=/lost+found", "--exclude=/servers/one/ibtmp1", "servers/one"];
    assert_eq!(copied(&plan), expected);
    assert_eq!(plan.datadir.to_str(), Some("servers/one"));
}

#[test]
fn of_two_mounts_at_one_point_the_later_counts() {
    let plan = plan(|world| {
        let below = mount("/var/lib/mysql", "ext4", "/dev/mapper/data-redo", REDO);
        world.mounts.insert(2, below);
    });
    assert_eq!(
        (plan.sources[0].lv.as_str(), plan.sources[0].view.data.as_str()),
        ("mysql", "nouuid")
    );
}

#[test]
fn ext4_is_mounted_without_nouuid() {
    let plan = plan(|world| world.mounts[2].kind = "ext4".into());
    assert_eq!(
        (plan.sources[0].view.kind.as_str(), plan.sources[0].view.data.as_str()),
        ("ext4", "")
    );
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
        let rows = world.sql.get_mut(&statements::question(5)).expect("it is asked");
        rows.columns = ["ID", "USER", "TIME", "VERB"].map(String::from).to_vec();
        rows.rows.push(["8", "app", "61", "CREATE"].map(|word| Some(word.to_owned())).to_vec());
        world.config.push_str("[lock]\nlong_statements = \"wait\"\n");
    });
    let expected = [
        "links: '/var/lib/mysql/old' leads to '/gone', which is not there",
        "snapshots: 'data/mysql' already has the snapshot 'data/snap': it slows every write, and \
         ours will slow it further",
        "binary log: '/logs' is on '/dev/sda1': not in the backup",
        "statements: CREATE of 'app' in session 8 for 61 s: it will be waited for",
        "replication: the channel from db1.example:3306: its applier is stopped and stays stopped",
    ];
    assert_eq!(warnings(&plan), expected);
    assert!(plan.replica.as_ref().is_some_and(|replica| replica.stop.is_empty()));
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

#[test]
fn logs_on_a_volume_of_their_own_are_frozen_taken_and_copied_too() {
    let plan = plan(|world| {
        world.mounts.push(mount("/redo", "xfs", "/dev/mapper/data-redo", REDO));
        world.put("/redo", REDO);
        world.answer("innodb_log_group_home_dir", "/redo");
    });
    let trees: Vec<_> =
        plan.sources.iter().map(|one| (one.lv.as_str(), one.tree.as_str())).collect();
    assert_eq!(trees, [("mysql", "tree"), ("redo", "tree.2")]);
    let frozen = ["/var/lib/mysql", "/redo"].map(std::path::PathBuf::from);
    assert_eq!(plan.window.freeze, frozen);
    assert_eq!(plan.window.guard.thaw, frozen);
    let thawed = plan.claims.iter().filter(|claim| matches!(claim, Claim::Frozen { .. }));
    assert_eq!(thawed.count(), 2);
}

#[test]
fn of_two_thin_volumes_each_snapshot_is_a_whole_command_and_their_pool_has_one_brim() {
    let plan = plan(|world| {
        world.lvs =
            THIN.replace("\"hs-1\"", "\"redo\"").replace("_minor\":\"6\"", "_minor\":\"1\"");
        world.mounts.push(mount("/redo", "xfs", "/dev/mapper/data-redo", REDO));
        world.put("/redo", REDO);
        world.answer("innodb_log_group_home_dir", "/redo");
    });
    let takes: Vec<_> = plan.sources.iter().map(|source| &source.take).collect();
    let [Take::Whole(first), Take::Whole(second)] = takes[..] else { panic!("{takes:?}") };
    for cmd in [first, second] {
        assert!(!cmd.args.contains(&"--size".to_owned()), "a size would make it a thick one");
    }
    assert!(plan.sources.iter().all(|source| source.kind == Kind::Thin));
    assert_eq!(plan.brims, [Brim { pool: "data-pool-tpool".into(), percent_max: 90 }]);
}

#[test]
fn a_volume_with_a_snapshot_is_taken_by_a_whole_command_under_the_lock() {
    let plan = plan(|world| world.lvs = world.lvs.replacen("-wi-ao", "owi-ao", 1));
    assert!(matches!(plan.sources[0].take, Take::Whole(_)) && plan.shell.is_none());
    assert!(!plan.claims.iter().any(|claim| matches!(claim, Claim::Shell { .. })));
}

#[test]
fn a_plan_has_the_id_of_the_run_that_asks_for_it() {
    let run = "20260101T000000Z-00002a";
    let plan = World::new(MARIADB).plan_of(run).expect("everything is sound");
    assert_eq!((plan.run.as_str(), &plan.tag), (run, &format!("holdstill.{run}")));
    let named = [&plan.ledger, &plan.publish.partial, &plan.publish.published];
    assert!(named.iter().all(|path| path.to_string_lossy().contains(run)), "{named:?}");
    assert!(plan.sources[0].snapshot.contains(run), "{:?}", plan.sources[0]);
}
