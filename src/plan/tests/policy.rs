//! What the operator chose: long statements, no lock at all, appliers that stand until the copy has
//! ended; and what of a replica must not matter.

use super::world::{Planned, World};
use crate::claim::Claim;
use crate::database::statements;
use crate::host::Rows;
use crate::plan::{Refusal, Resume, Verdict, When, unlocked};

const MARIADB: &str = include_str!("../../../tests/facts/mariadb-10.11.txt");
const MYSQL: &str = include_str!("../../../tests/facts/mysql-8.0.txt");
const GRANTS: &str = "Grants for backup@localhost";

fn plan(facts: &str, change: impl FnOnce(&mut World)) -> Result<Planned, Refusal> {
    let mut world = World::new(facts);
    change(&mut world);
    world.plan()
}

/// A refusal and its hint.
fn refused(facts: &str, change: impl FnOnce(&mut World)) -> (String, String) {
    let refusal = plan(facts, change).expect_err("it must be refused");
    (refusal.what, refusal.hint.unwrap_or_default())
}

fn rows(columns: &[&str], rows: &[&[&str]]) -> Rows {
    let cell = |word: &&str| Some((*word).to_owned());
    Rows {
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
    }
}

/// Statements that run: session, seconds, first word.
fn running(world: &mut World, all: &[[&str; 3]]) {
    let all: Vec<[&str; 4]> = all.iter().map(|[id, age, verb]| [*id, "app", *age, *verb]).collect();
    let all: Vec<&[&str]> = all.iter().map(|row| &row[..]).collect();
    world.sql.insert(statements::question(5), rows(&["ID", "USER", "TIME", "VERB"], &all));
}

fn lock(world: &mut World, line: &str) {
    world.config.push_str("[lock]\n");
    world.config.push_str(line);
}

fn all_privileges(world: &mut World) {
    world.answer(GRANTS, "GRANT ALL PRIVILEGES ON *.* TO `backup`@`localhost`");
}

/// The notes about an aspect, with `!` before a warning.
fn notes(plan: &Planned, aspect: &str) -> Vec<String> {
    let mark = |verdict| if verdict == Verdict::Warning { "! " } else { "" };
    let of = plan.notes.iter().filter(|note| note.aspect.name() == aspect);
    of.map(|note| format!("{}{}", mark(note.verdict), note.found)).collect()
}

#[test]
fn a_long_statement_that_the_lock_waits_for_is_refused() {
    let hint = "Try again when it is over, end it with 'KILL QUERY 8', or write 'long_statements = \
                \"wait\"' or \"kill\" (for SELECTs of 'kill_select_s_min' seconds) under [lock].";
    assert_eq!(
        refused(MYSQL, |world| running(world, &[["8", "61", "SELECT"], ["9", "7", "UPDATE"]])),
        (
            "the lock would wait for what has run for long, and others behind it: SELECT of 'app' \
             in session 8 for 61 s, UPDATE of 'app' in session 9 for 7 s"
                .into(),
            hint.into()
        )
    );
}

#[test]
fn what_the_lock_does_not_wait_for_is_only_told() {
    let plan = plan(MARIADB, |world| {
        running(world, &[["8", "61", "SELECT"], ["9", "7", "UPDATE"]]);
    });
    assert_eq!(
        notes(&plan.expect("nothing is in the way"), "statements"),
        [
            "'refuse' for those of 5 s or more that the lock would wait for: none runs",
            "SELECT of 'app' in session 8 for 61 s: this lock does not wait for it",
            "UPDATE of 'app' in session 9 for 7 s: this lock does not wait for it",
        ]
    );
}

#[test]
fn old_selects_are_ended_and_nothing_else() {
    let kill = |world: &mut World| {
        all_privileges(world);
        lock(world, "long_statements = \"kill\"\n");
    };
    let good = plan(MYSQL, |world| {
        kill(world);
        running(world, &[["8", "61", "SELECT"]]);
    });
    let good = good.expect("it may be ended");
    assert_eq!(
        notes(&good, "statements"),
        [
            "'kill' (SELECTs of 60 s, then wait at most 60000 ms) for those of 5 s or more that the \
             lock would wait for: 1 found",
            "! SELECT of 'app' in session 8 for 61 s: it will be ended if it still runs then",
        ]
    );
    let acts = good.acts();
    let at = |words: &str| acts.iter().position(|act| act == words).expect("it is promised");
    let stop = "control session: STOP REPLICA SQL_THREAD FOR CHANNEL ''";
    assert!(at("control session: KILL QUERY 8") < at(stop));
    for (age, verb) in [("59", "SELECT"), ("600", "UPDATE")] {
        let (what, _) = refused(MYSQL, |world| {
            kill(world);
            running(world, &[["7", "61", "SELECT"], ["8", age, verb]]);
        });
        assert!(what.ends_with(&format!(": {verb} of 'app' in session 8 for {age} s")), "{what}");
    }
}

#[test]
fn ending_others_needs_a_privilege() {
    let some = "GRANT RELOAD, PROCESS, REPLICATION CLIENT, REPLICATION_SLAVE_ADMIN ON *.* TO `b`";
    let (what, hint) = refused(MYSQL, |world| {
        world.answer(GRANTS, some);
        lock(world, "long_statements = \"kill\"\n");
    });
    assert_eq!(
        what,
        "the account 'backup@localhost' lacks CONNECTION_ADMIN (ending long statements of others)"
    );
    assert_eq!(hint, "Run: GRANT CONNECTION_ADMIN ON *.* TO 'backup'@'localhost';");
}

/// A replica that may be left unlocked.
fn unlocked(world: &mut World) {
    all_privileges(world);
    lock(world, "kind = \"none\"\n");
    world.sql.insert(unlocked::other_engines(), Rows::default());
}

#[test]
fn without_a_lock_there_is_nothing_to_release() {
    let plan = plan(MARIADB, unlocked).expect("it is a quiet replica of InnoDB tables");
    assert!(!plan.claims.iter().any(|claim| matches!(claim, Claim::Locked { .. })));
    assert!(plan.window.lock.is_none() && plan.unlock().is_none());
    assert_eq!(plan.patience.question, None);
    let notes = notes(&plan, "lock");
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn without_a_lock_everything_must_be_innodb_and_standing() {
    let refused = |change: fn(&mut World)| {
        refused(MARIADB, |world| {
            unlocked(world);
            change(world);
        })
        .0
    };
    assert_eq!(
        refused(|world| world
            .sql
            .get_mut("SHOW ALL SLAVES STATUS")
            .expect("it is asked")
            .rows
            .clear()),
        "cannot leave the server unlocked: it is not a replica, its clients write"
    );
    let columns = ["TABLE_SCHEMA", "TABLE_NAME", "ENGINE", "BYTES", "FOUND"];
    let others = rows(&columns, &[&["app", "log", "MyISAM", "3145728", "7"]]);
    let told = plan(MARIADB, |world| {
        unlocked(world);
        world.sql.insert(unlocked::other_engines(), others);
    });
    assert_eq!(
        told.expect_err("there are others").what,
        "cannot leave the server unlocked: 7 table(s) are not InnoDB, such as 'app.log' (MyISAM, 3 \
         MiB)"
    );
    assert_eq!(
        refused(|world| {
            let few = "GRANT RELOAD, BINLOG MONITOR, SLAVE MONITOR, PROCESS, \
                       REPLICATION SLAVE ADMIN ON *.* TO `b`@`localhost`";
            world.answer(GRANTS, few);
        }),
        "the account 'backup@localhost' lacks SELECT (seeing every table's engine)"
    );
}

#[test]
fn without_a_lock_the_position_must_tell() {
    let no_log = |world: &mut World| {
        unlocked(world);
        world.sql.get_mut("SHOW MASTER STATUS").expect("it is asked").rows.clear();
    };
    let by_gtid = plan(MARIADB, no_log).expect("there is a GTID position");
    let notes = notes(&by_gtid, "lock");
    assert!(notes.iter().any(|note| note.starts_with("! the binary log is off")), "{notes:?}");
    let (what, _) = refused(MARIADB, |world| {
        no_log(world);
        for set in ["gtid_binlog_pos", "gtid_slave_pos", "gtid_current_pos"] {
            world.answer(set, "");
        }
    });
    assert_eq!(
        what,
        "cannot leave the server unlocked: it has neither a binary log nor a GTID position, so \
         nothing would tell that somebody writes"
    );
}

#[test]
fn the_appliers_may_stand_until_the_copy_has_ended() {
    let plan = plan(MARIADB, |world| {
        world.config.push_str("[replica]\nkeep_replication_stopped = \"copy\"\n");
    });
    let plan = plan.expect("everything is sound");
    assert_eq!(plan.resume(), Resume::AfterCopy);
    let acts = plan.acts();
    let at = |words: &str| acts.iter().position(|act| act.contains(words)).expect("it is promised");
    assert!(at("rsync ") < at("START SLAVE") && at("START SLAVE") < at("coordinates.sql"));
    assert_eq!(
        notes(&plan, "replication"),
        ["the channel from db1.example:3306, its lag not known: its applier runs, stops, and \
             runs again when the copy has ended"]
    );
}

/// What a delayed replica has executed is exact, however far behind that is.
#[test]
fn a_delay_does_not_matter() {
    let acts = |facts: &str, delay: &str| {
        plan(facts, |world| world.answer("SQL_Delay", delay)).expect("it is sound").acts()
    };
    for facts in [MARIADB, MYSQL] {
        assert_eq!(acts(facts, "3600"), acts(facts, "0"));
    }
}

#[test]
fn every_running_channel_is_stopped_and_started_by_name() {
    let plan = plan(MARIADB, |world| {
        let status = world.sql.get_mut("SHOW ALL SLAVES STATUS").expect("it is asked");
        let name = status.columns.iter().position(|name| name == "Connection_name");
        let applies = status.columns.iter().position(|name| name == "Slave_SQL_Running");
        let (name, applies) = (name.expect("it is there"), applies.expect("it is there"));
        for (channel, runs) in [("east", "Yes"), ("old", "No")] {
            let mut row = status.rows[0].clone();
            row[name] = Some(channel.into());
            row[applies] = Some(runs.into());
            status.rows.push(row);
        }
    });
    let plan = plan.expect("everything is sound");
    let stop: Vec<_> = plan.replica.iter().flat_map(|one| &one.stop).map(|sql| &sql.text).collect();
    assert_eq!(stop, ["STOP SLAVE SQL_THREAD", "STOP SLAVE 'east' SQL_THREAD"]);
    let start: Vec<_> = plan.restarts().into_iter().map(|(text, _)| text).collect();
    assert_eq!(start, ["START SLAVE SQL_THREAD", "START SLAVE 'east' SQL_THREAD"]);
}

#[test]
fn a_server_that_is_no_replica_is_backed_up_all_the_same() {
    let plan = plan(MYSQL, |world| {
        world.sql.get_mut("SHOW REPLICA STATUS").expect("it is asked").rows.clear();
    });
    let plan = plan.expect("a source can be backed up");
    assert!(plan.replica.is_none());
    let told = ["not a replica: its clients wait while the lock is held"];
    assert_eq!(notes(&plan, "replication"), told);
}

#[test]
fn the_lock_is_late_where_lvm_may_be_held() {
    let of = |change: fn(&mut World)| {
        let plan = plan(MARIADB, change).expect("a plan");
        (plan.window.when, notes(&plan, "lock").pop().unwrap_or_default())
    };
    let late = "asked for when lvm is held just before it suspends the volume";
    assert_eq!(of(|_| {}), (When::Late, late.into()));
    let first = |why: &str| format!("asked for before the snapshot is ordered: {why}");
    assert_eq!(of(|world| lock(world, "when = \"first\"")), (When::First, first("'when' says so")));
    assert_eq!(
        of(|world| lock(world, "tries_max = 20")),
        (When::First, first("lvm, and its volume group, could be held for more than two minutes"))
    );
    assert_eq!(
        of(|world| world.ptrace_scope = "3\n"),
        (When::First, first("the kernel lets no process be traced (yama/ptrace_scope)"))
    );
}
