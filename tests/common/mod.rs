//! Worlds and plans that the tests share, built by hand: what the planner would decide, without
//! the planner.

mod plans;
mod worlds;

use holdstill::host::sim::Sim;
use holdstill::plan::Plan;

/// A world and a plan for it.
#[derive(Clone)]
pub(crate) struct Scenario {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The machine before the run.
    pub(crate) sim: Sim,
    /// What is to be done there.
    pub(crate) plan: Plan,
}

/// Everything holdstill keeps between runs.
pub(crate) const STATE: &str = "/var/lib/holdstill";

/// All scenarios.
pub(crate) fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "mariadb-replica",
            sim: worlds::mariadb_replica(),
            plan: plans::mariadb_replica(),
        },
        Scenario {
            name: "mariadb-replica-explicit-freeze",
            sim: worlds::mariadb_replica(),
            plan: plans::explicit_freeze(),
        },
        Scenario {
            name: "mysql-two-channels",
            sim: worlds::mysql_two_channels(),
            plan: plans::mysql_two_channels(),
        },
        Scenario { name: "mysql-alone", sim: worlds::mysql_alone(), plan: plans::mysql_alone() },
        Scenario {
            name: "name-taken-by-others",
            sim: worlds::name_taken(),
            plan: plans::mariadb_replica(),
        },
    ]
}
