//! A server, or an lvm, that answers nonsense: each answer in turn is replaced by each kind of it.
//! A plan is made or refused, with words; nothing panics.

use super::world::World;
use crate::host::Rows;
use crate::plan::Refusal;

const FACTS: [&str; 2] = [
    include_str!("../../../tests/facts/mariadb-10.11.txt"),
    include_str!("../../../tests/facts/mysql-8.0.txt"),
];

/// What a text may be instead.
const TEXTS: [&str; 8] =
    ["", "0", "-1", "99999999999999999999", "/", "../../etc", "a\nb'c", "\u{0}"];

/// One kind of nonsense.
type Nonsense = (&'static str, fn(&mut Rows));

const KINDS: [Nonsense; 7] = [
    ("no rows", |rows| rows.rows.clear()),
    ("nothing at all", |rows| *rows = Rows::default()),
    ("no columns", |rows| rows.columns.clear()),
    ("NULL everywhere", |rows| rows.rows.iter_mut().flatten().for_each(|cell| *cell = None)),
    ("short rows", |rows| rows.rows.iter_mut().for_each(|row| row.truncate(row.len() / 2))),
    ("other columns", |rows| rows.columns.iter_mut().for_each(|name| name.push('_'))),
    ("a megabyte in each cell", |rows| {
        rows.rows.iter_mut().flatten().for_each(|cell| *cell = Some("x".repeat(1 << 20)));
    }),
];

/// There is no refusal without a word.
fn sensible(refusals: &[Refusal], how: &str) {
    assert!(!refusals.is_empty() && refusals.iter().all(|one| !one.what.is_empty()), "{how}");
}

#[test]
fn nonsense_from_the_server_is_refused_or_survived() {
    let mut refused = 0;
    for facts in FACTS {
        let questions: Vec<String> = World::new(facts).sql.keys().cloned().collect();
        for question in &questions {
            for (how, spoil) in KINDS {
                let mut world = World::new(facts);
                spoil(world.sql.get_mut(question).expect("it is one of its questions"));
                if let Err(refusals) = world.whole_plan() {
                    sensible(&refusals, &format!("{how} to '{question}'"));
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 20, "only {refused} of all that nonsense was refused");
}

#[test]
fn odd_values_from_the_server_are_refused_or_survived() {
    for facts in FACTS {
        let questions: Vec<String> = World::new(facts).sql.keys().cloned().collect();
        for (question, text) in questions.iter().flat_map(|one| TEXTS.map(|text| (one, text))) {
            let cells = World::new(facts).sql[question].rows.iter().map(Vec::len).sum::<usize>();
            for at in 0..cells.min(64) {
                let mut world = World::new(facts);
                let rows = world.sql.get_mut(question).expect("it is one of its questions");
                let cell = rows.rows.iter_mut().flatten().nth(at).expect("it was counted");
                *cell = Some(text.into());
                if let Err(refusals) = world.whole_plan() {
                    sensible(&refusals, &format!("'{text}' in an answer to '{question}'"));
                }
            }
        }
    }
}

#[test]
fn a_report_of_lvm_that_is_cut_anywhere_is_refused() {
    let whole = World::new(FACTS[0]);
    for cut in (0..whole.lvs.len()).step_by(7) {
        let mut world = World::new(FACTS[0]);
        world.lvs.truncate(cut);
        assert!(world.whole_plan().is_err(), "lvs cut at {cut}");
    }
    for cut in (0..whole.vgs.trim_end().len()).step_by(3) {
        let mut world = World::new(FACTS[0]);
        world.vgs.truncate(cut);
        assert!(world.whole_plan().is_err(), "vgs cut at {cut}");
    }
}
