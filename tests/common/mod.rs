//! Worlds and plans that the tests share, built by hand: what the planner would decide, without
//! the planner.

pub(crate) mod recorder;
pub(crate) mod runs;
pub(crate) mod shown;

mod links;
mod plans;
mod policies;
mod worlds;

use std::path::Path;

pub(crate) use links::BASE;
pub(crate) use plans::POOL;

use holdstill::host::sim::Sim;
use holdstill::plan::Plan;

/// A world and a plan for it.
#[derive(Clone)]
pub(crate) struct Scenario {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The machine before the run.
    pub(crate) sim: Sim,
    /// Whether the backup succeeds if nothing else goes wrong.
    pub(crate) succeeds: bool,
    /// What is to be done there.
    pub(crate) plan: Plan,
}

/// Everything holdstill keeps between runs.
pub(crate) const STATE: &str = "/var/lib/holdstill";

/// All scenarios.
pub(crate) fn scenarios() -> Vec<Scenario> {
    let good = |name, sim, plan| Scenario { name, sim, succeeds: true, plan };
    let mut all = vec![
        good("mariadb-replica", worlds::mariadb_replica(), plans::mariadb_replica()),
        good("lock-first", worlds::mariadb_replica(), plans::lock_first()),
        good("untraceable", worlds::untraceable(), plans::mariadb_replica()),
        good("whole-command", worlds::mariadb_replica(), plans::whole()),
        good(
            "mariadb-replica-explicit-freeze",
            worlds::mariadb_replica(),
            plans::explicit_freeze(),
        ),
        good("thin", worlds::thin(), plans::thin_replica()),
        good("thin-first", worlds::thin(), plans::thin_first()),
        good("thin-whole", worlds::thin(), plans::thin_whole()),
        good("two-volumes", worlds::two_volumes(), plans::two_volumes()),
        good("mysql-two-channels", worlds::mysql_two_channels(), plans::mysql_two_channels()),
        good("mysql-alone", worlds::mysql_alone(), plans::mysql_alone()),
        good("linked", links::with_a_base(), links::linked()),
        Scenario {
            succeeds: false,
            ..good("freezes-do-not-nest", worlds::linux_6_1(), plans::explicit_freeze())
        },
        Scenario {
            succeeds: false,
            ..good("name-taken-by-others", worlds::name_taken(), plans::mariadb_replica())
        },
    ];
    all.extend(policies::scenarios());
    all
}

/// One scenario.
pub(crate) fn scenario(name: &str) -> Scenario {
    scenarios().into_iter().find(|one| one.name == name).expect("there is such a scenario")
}

/// Holds a text against a file of `tests/golden`.
pub(crate) fn golden(name: &str, text: &str) {
    blessed(&format!("tests/golden/{name}"), text);
}

/// Holds a text against a file of the repository; with `HOLDSTILL_BLESS=1` writes it anew, and the
/// difference is for review.
pub(crate) fn blessed(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("HOLDSTILL_BLESS").is_some() {
        std::fs::write(&path, text).expect("blessed files can be written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{file} differs from\n{text}");
}
