//! Scenarios of what an operator may choose: what is done about long statements, whether anything
//! is locked, and how long the appliers stand.

use holdstill::claim::Claim;
use holdstill::database::dialect::{LockKind, WRITE_LOGS};
use holdstill::host::Sql;
use holdstill::host::sim::{Running, Sim};
use holdstill::plan::{Plan, Policy, Resume};
use holdstill::units::Millis;

use super::{Scenario, plans, worlds};

/// How long a statement may be waited for.
const WAIT_MS_MAX: Millis = Millis(10_000);
/// When the one that is waited for ends, in nanoseconds on the clock.
const WAITED_FOR: u64 = 2_500_000_000;

/// All of them.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let good = |name, sim, plan| Scenario { name, sim, succeeds: true, plan };
    vec![
        good("long-select-is-killed", reporting(), impatient()),
        good("long-statement-is-waited-for", importing(), patient()),
        good("replica-without-a-lock", quiet(), unlocked()),
        good("stopped-during-copy", worlds::mysql_two_channels(), stopped_during_copy()),
    ]
}

/// A MySQL server on which somebody runs a SELECT for ten minutes, without an end.
pub(crate) fn reporting() -> Sim {
    running(worlds::mysql_alone(), Running { id: 77, verb: "SELECT", age_s: 600, until: u64::MAX })
}

/// A MariaDB replica on which somebody makes a table from a long SELECT.
fn importing() -> Sim {
    let one = Running { id: 78, verb: "CREATE", age_s: 600, until: WAITED_FOR };
    running(worlds::mariadb_replica(), one)
}

fn running(sim: Sim, one: Running) -> Sim {
    sim.arrange().server.statements.push(one);
    sim
}

/// Old SELECTs are ended.
pub(crate) fn impatient() -> Plan {
    let mut plan = plans::mysql_alone();
    plan.patience.policy = Policy::Kill { select_s_min: 60, ms_max: WAIT_MS_MAX };
    plan.patience.ending = vec![77];
    plan
}

/// Long statements are waited for.
pub(crate) fn patient() -> Plan {
    let mut plan = plans::mariadb_replica();
    plan.patience.policy = Policy::Wait { ms_max: WAIT_MS_MAX };
    plan
}

/// A MariaDB replica to which nobody writes but its applier.
pub(crate) fn quiet() -> Sim {
    let sim = worlds::mariadb_replica();
    sim.arrange().server.quiet = true;
    sim
}

/// Nothing is locked.
pub(crate) fn unlocked() -> Plan {
    let mut plan = plans::lock_first();
    plan.claims.retain(|claim| !matches!(claim, Claim::Locked { .. }));
    plan.session.clear();
    plan.patience.question = None;
    plan.window.kind = LockKind::Nothing;
    plan.window.lock = None;
    plan.window.write_logs = Sql::control(WRITE_LOGS, plan.window.write_logs.ms_max);
    plan
}

/// The appliers stand until the copy has ended.
fn stopped_during_copy() -> Plan {
    let mut plan = plans::mysql_two_channels();
    if let Some(replica) = &mut plan.replica {
        replica.resume = Resume::AfterCopy;
    }
    plan
}
