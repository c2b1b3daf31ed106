//! What a plan finds and what it will do, word for word, for each server.
//!
//! `HOLDSTILL_BLESS=1 cargo test` writes the files anew; the diff is then the review.

use std::fmt::Write;

use super::world::{THIN, World};
use crate::database::attach::{self, Heading};
use crate::database::coordinates::{self, Coordinates};
use crate::plan::Verdict;

pub(super) const SERVERS: [(&str, &str); 5] = [
    ("mariadb-10.11", include_str!("../../../tests/facts/mariadb-10.11.txt")),
    ("mariadb-11.8", include_str!("../../../tests/facts/mariadb-11.8.txt")),
    ("mysql-8.0", include_str!("../../../tests/facts/mysql-8.0.txt")),
    ("mysql-8.4", include_str!("../../../tests/facts/mysql-8.4.txt")),
    ("mysql-9.7", include_str!("../../../tests/facts/mysql-9.7.txt")),
];

fn told(world: &World) -> String {
    let plan = world.plan().expect("everything is sound");
    let mut text = format!("run {}\n\n", plan.run);
    for note in &plan.notes {
        let verdict = if note.verdict == Verdict::Pass { "pass" } else { "warning" };
        let _ = writeln!(text, "{verdict} {}: {}", note.aspect, note.found);
    }
    let lists = [
        plan.claims.iter().map(ToString::to_string).collect(),
        plan.window.position.clone(),
        plan.acts(),
    ];
    for list in lists {
        let _ = writeln!(text, "\n{}", list.join("\n"));
    }
    text
}

/// Holds a text against a file below `tests/golden`.
pub(super) fn check(name: &str, text: &str) {
    hold(&format!("tests/golden/{name}.txt"), text);
}

/// Holds a text against a file of the project.
#[expect(clippy::disallowed_methods, reason = "a test reads and writes its own golden files")]
pub(super) fn hold(path: &str, text: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("HOLDSTILL_BLESS").is_some() {
        std::fs::write(&path, text).expect("the golden file is ours");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(golden == text, "{path} differs from\n{text}\nRun with HOLDSTILL_BLESS=1 if it should");
}

#[test]
fn plans_are_as_blessed() {
    for (name, facts) in SERVERS {
        check(&format!("plan-{name}"), &told(&World::new(facts)));
    }
}

#[test]
fn the_plan_for_a_thin_volume_is_as_blessed() {
    let (name, facts) = SERVERS[0];
    let world = World { lvs: THIN.into(), ..World::new(facts) };
    check(&format!("plan-{name}-thin"), &told(&world));
}

/// The statements that attach a new replica, as the run would write them.
#[test]
fn coordinates_are_as_blessed() {
    for (name, facts) in SERVERS {
        let world = World::new(facts);
        let plan = world.plan().expect("everything is sound");
        let answers: Vec<_> =
            plan.window.position.iter().map(|question| world.sql[question].clone()).collect();
        let own = coordinates::own(&plan.server, &answers).expect("it is whole");
        let status = &world.sql[plan.server.replica_status()];
        let channels = coordinates::channels(&plan.server, status).expect("it is whole");
        let (host, started) = (&plan.machine.host, &plan.machine.began().to_string());
        let of = Heading { run: &plan.run, host, started };
        let found = Coordinates { own, channels };
        check(&format!("coordinates-{name}"), &attach::statements(&of, &plan.server, &found));
    }
}
