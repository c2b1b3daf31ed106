//! What is told of the backups: the table, one in full, JSON and the page, of a machine whose first
//! backup a simulated run has made; and the program itself on real files.

mod facts;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use holdstill::catalog::{self, State};
use holdstill::host::faulty::{Blow, Faulty};
use holdstill::memory::How;
use holdstill::report;
use holdstill::store::Missing;
use holdstill::units::{Bytes, Millis};
use holdstill::{run, ui};
use serde_json::{Value, json};

use self::facts::{Facts, GIB, every_state, one};
use crate::common::runs::call_of;
use crate::common::{blessed, golden, scenario};
use crate::monitoring::{Place, configured, equipped, us};

#[test]
fn every_backup_is_told_as_it_stands() {
    let facts = every_state();
    let catalog = facts.look();
    let state = |day| one(&catalog, day, &facts).state;
    assert_eq!(state(0), State::Published);
    assert!(matches!(state(1), State::Verified(_)));
    assert!(matches!(state(2), State::Drilled(_)));
    assert!(matches!(state(3), State::Damaged(Some(_), why) if why.contains("is changed")));
    assert!(matches!(state(7), State::NotOurs(why) if why.contains("it is of host 'not-")));
    assert!(matches!(state(8), State::Unreadable(why) if why.starts_with("damaged record: ")));
    assert_eq!((state(10), state(11), state(12)), (State::Died, State::Forgotten, State::Removing));
    assert_eq!(catalog.backups.len(), 11, "what is no backup is listed");
    assert_eq!(catalog.bytes(), Bytes((400 * 6 + 2 * 19) * GIB));
    let times: Vec<_> = catalog.backups.iter().map(|one| one.run.clone()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

/// What the engine writes today is read today, whatever the source is like.
#[test]
fn a_record_of_every_shape_is_read_whole() {
    for one in crate::common::scenarios().into_iter().filter(|one| one.succeeds) {
        let mut host = Faulty::new(one.sim.clone(), &[]);
        let outcome = run::backup(&mut host, &one.plan, &mut |_| {});
        assert!(outcome.published().is_some(), "{}: {outcome:?}", one.name);
        let sim = host.end().0;
        let catalog = catalog::look(&sim, &configured()).expect("it can look");
        let [backup] = catalog.published().collect::<Vec<_>>()[..] else {
            panic!("{}: {catalog:?}", one.name)
        };
        assert_eq!(backup.state, State::Published, "{}", one.name);
        let summary = &backup.ours.as_ref().expect("it is ours").summary;
        assert_eq!(summary.server.as_ref(), Some(&one.plan.server), "{}", one.name);
        assert_eq!(summary.sources.len(), one.plan.sources.len(), "{}", one.name);
        assert!(backup.took_ms().is_some() && backup.position().is_some(), "{}", one.name);
        let shown = ui::catalog::show(&catalog, backup, None);
        for group in
            ["backup\n", "source\n", "lock window\n", "phases\n", "position\n", "to use it\n"]
        {
            assert!(shown.contains(group), "{}: no {group} in\n{shown}", one.name);
        }
    }
}

#[test]
fn the_table_fits_its_terminal() {
    let catalog = every_state().look();
    let mut told = String::new();
    for columns in [40, 60, 80, 132] {
        let text = ui::catalog::list(&catalog, Some(columns));
        for line in text.lines().filter(|line| !line.contains("hint: ")) {
            assert!(line.chars().count() <= columns, "{columns}: '{line}'");
        }
        if columns >= 80 {
            golden(&format!("list-{columns}.txt"), &text);
        }
        told += &text;
    }
    assert!(told.contains("hint: Run 'holdstill recover'"), "{told}");
    let whole = ui::catalog::list(&catalog, None);
    assert!(whole.contains("binlog.000123:4567890") && !whole.contains('…'), "{whole}");
    let facts = Facts::empty();
    let none = ui::catalog::list(&facts.look(), Some(80));
    assert!(none.starts_with("no backups in '/backup'\nhint: "), "{none}");
}

#[test]
fn one_backup_is_shown_in_full() {
    let facts = every_state();
    let catalog = facts.look();
    let mut told = String::new();
    for day in [2, 3, 4, 8, 10] {
        told += &ui::catalog::show(&catalog, &one(&catalog, day, &facts), Some(100));
        told += "\n";
    }
    golden("show.txt", &told);
}

#[test]
fn the_json_says_the_same_and_its_schemas_are_shipped() {
    let facts = every_state();
    let catalog = facts.look();
    let list = ui::catalog::list_json(&catalog);
    let all: Vec<Value> = serde_json::from_str(&list).expect("it is an array");
    assert_eq!(all.len(), catalog.backups.len());
    let show = ui::catalog::show_json(&catalog, &one(&catalog, 3, &facts));
    let shown: Value = serde_json::from_str(&show).expect("it is an object");
    assert_eq!(shown["record"]["run"], json!(facts.run(3)));
    assert_eq!(shown["found"]["verify"]["problems_found"], 2);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).expect("it is JSON") + "\n";
    golden("list.json", &pretty(&Value::from(all.clone())));
    let list_schema = schemars::schema_for!(Vec<ui::catalog::Listed>);
    let show_schema = schemars::schema_for!(ui::catalog::Shown);
    blessed("packaging/schema/list.json", &pretty(list_schema.as_value()));
    blessed("packaging/schema/show.json", &pretty(show_schema.as_value()));
    for one in &all {
        described("list.json", one, &list_schema.as_value()["$defs"]["Listed"]);
    }
    described("show.json", &shown, show_schema.as_value());
}

/// Whether an object has what its schema says, and nothing that it does not: keys, and the types of
/// plain values.
fn described(name: &str, object: &Value, schema: &Value) {
    let properties = schema["properties"].as_object().expect("it describes an object");
    let object = object.as_object().expect("it is an object");
    for (key, value) in object {
        let of = properties.get(key).unwrap_or_else(|| panic!("{name} does not tell of '{key}'"));
        let Some(types) = of.get("type") else { continue };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = types == kind || types.as_array().is_some_and(|all| all.contains(&kind.into()));
        assert!(fits, "{name}: '{key}' is {value}, not {types}");
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(object.contains_key(key), "{name}: '{key}' is missing");
    }
}

#[test]
fn a_backup_is_found_by_what_is_typed() {
    let facts = every_state();
    let catalog = facts.look();
    let found = |wanted: Option<&str>| catalog.find(wanted).map(|one| one.run.clone());
    assert_eq!(found(None), Ok(facts.run(9)), "the newest that is whole");
    assert_eq!(found(Some(&facts.run(4)[..13])), Ok(facts.run(4)));
    assert_eq!(found(Some(&facts.run(8))), Ok(facts.run(8)), "one that is damaged is shown, too");
    let Err(Missing::Several(_, names)) = found(Some("2026")) else { panic!("it is not plain") };
    assert_eq!(names.len(), catalog.backups.len());
    let typo = facts.run(4).replace("T14", "T15");
    let Err(Missing::Unknown(_, near)) = found(Some(&typo)) else { panic!("there is none") };
    assert_eq!((near.len(), &near[0]), (3, &facts.run(4)));
    assert_eq!(Facts::empty().look().find(None), Err(Missing::Any));
}

/// The pages that `scripts/browser` opens.
#[test]
fn the_page_is_as_blessed() {
    golden("report.html", &every_state().page());
    golden("report-none.html", &Facts::empty().page());
    let mut one = Facts::empty();
    one.backup(0, |_, _| {});
    one.now(0);
    golden("report-one.html", &one.page());
    let mut three = Facts::empty();
    (0..3).for_each(|day| three.backup(day, |_, _| {}));
    three.now(2);
    golden("report-three.html", &three.page());
    let mut many = Facts::empty();
    for day in 0..104 {
        match day {
            17 | 18 | 71 => many.failure(day, 4, Some("hold still"), "the lock was not granted"),
            40 => many.backup(day, |record, entry| {
                record["window"]["waited_ms"] = json!(4_020);
                entry.waited_ms = Some(Millis(4_020));
            }),
            88 => many.backup(day, |_, entry| {
                entry.took_ms = Some(Millis(14 * 3_600_000));
                entry.cow_percent_max = Some(97);
            }),
            _ => many.backup(day, |_, _| {}),
        }
    }
    many.found(102, How::Drill, &[]);
    many.now(103);
    golden("report-many.html", &many.page());
}

/// Names of anybody's are text, wherever they stand, and the page fetches nothing.
#[test]
fn the_page_holds_no_mark_up_but_its_own() {
    let page = every_state().page();
    assert!(page.starts_with(report::BEGIN));
    assert!(page.contains("&lt;script&gt;.ibd") && page.contains("&quot;&lt;b&gt;&quot;"));
    for word in
        ["<script", "<b>&quot;", "javascript:", "src=", "url(", "@import", "http:", "https:"]
    {
        assert!(!page.contains(word), "{word}");
    }
    for (tag, end) in
        [("<svg", "</svg>"), ("<table", "</table>"), ("<tr", "</tr>"), ("<td", "</td>")]
    {
        let opened =
            page.matches(&format!("{tag}>")).count() + page.matches(&format!("{tag} ")).count();
        assert_eq!(opened, page.matches(end).count(), "{tag}");
    }
}

/// The headline of the page is the word of a check.
#[test]
fn the_page_judges_as_a_check_does() {
    let facts = every_state();
    assert!(facts.page().contains("<h1>CRITICAL: "), "a run died");
    let mut good = Facts::empty();
    good.backup(0, |_, _| {});
    good.now(0);
    assert!(good.page().contains("<h1>OK: "), "{}", good.page());
    good.found(0, How::Verify, &["'tree/ibdata1' is cut"]);
    let page = good.page();
    assert!(page.contains("<h1>CRITICAL: "), "its only backup is damaged");
    assert!(page.contains("a newer backup is damaged: "), "{page}");
}

fn holdstill(place: &Place, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdstill"));
    command.args(words).args(["--config"]).arg(place.home().join("h.toml"));
    command.output().expect("the program can be run")
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("it is a text"))
}

const FIRST: &str = "20260101T030000Z-00002a";
const SECOND: &str = "20260102T030000Z-00002b";

#[test]
fn the_program_lists_shows_and_reports() {
    let place = Place::new();
    place.backup(FIRST, 60);
    place.backup(SECOND, 3);
    let (code, list) = said(&holdstill(&place, &["list"]));
    assert!(code == Some(0) && list.contains(FIRST) && list.contains("2 backups"), "{list}");
    let (code, shown) = said(&holdstill(&place, &["show", "20260102"]));
    assert!(code == Some(0) && shown.contains(SECOND) && !shown.contains(FIRST), "{shown}");
    let (code, told) = said(&holdstill(&place, &["show", "20260103T030000Z-00002b"]));
    assert!(
        code == Some(2) && told.contains(&format!("hint: Near to it are {SECOND}, ")),
        "{told}"
    );
    let (code, told) = said(&holdstill(&place, &["show", "2026"]));
    assert!(code == Some(2) && told.contains("is the beginning of 2 backups\nhint: "), "{told}");
    let (code, json) = said(&holdstill(&place, &["show", "--json"]));
    let json: Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!((code, &json["record"]["host"]), (Some(0), &json!(us())));
    let (code, page) = said(&holdstill(&place, &["report"]));
    assert!(code == Some(0) && page.starts_with(report::BEGIN), "{page}");
}

#[test]
fn a_report_is_written_where_it_harms_nothing() {
    let place = Place::new();
    place.backup(FIRST, 3);
    let at = |name: &str| place.home().join(name).display().to_string();
    let report = |to: &str| said(&holdstill(&place, &["report", "--output", &at(to)]));
    assert_eq!(report("page.html"), (Some(0), String::new()));
    assert_eq!(report("page.html"), (Some(0), String::new()), "one is written over");
    let page = fs::metadata(at("page.html")).expect("it is there");
    assert_eq!(page.permissions().mode() & 0o777, 0o600);
    place.file("mine.txt", "do not touch");
    for (to, why) in [
        ("mine.txt", "is there, and is no report"),
        ("backup/page.html", "is among the backups"),
        (&format!("backup/{FIRST}/backup.json"), "is among the backups"),
        ("state/page.html", "is not there"),
        ("away/page.html", "is not there\nhint: Run: mkdir --parents "),
        ("backup", "is among the backups"),
        ("..", "names no file"),
    ] {
        let (code, told) = report(to);
        assert!(code == Some(2) && told.contains(why), "{to}: {told}");
    }
    assert_eq!(fs::read_to_string(at("mine.txt")).expect("it is there"), "do not touch");
    fs::create_dir(at("state")).expect("it can be made");
    let (code, told) = report("state/page.html");
    assert!(code == Some(2) && told.contains("is among the state"), "{told}");
}

/// A run that died is told with what helps, as the machine stands after it.
#[test]
fn what_a_dead_run_left_is_told() {
    let one = scenario("mariadb-replica");
    let script = [(call_of(&one, "rsync") + 1, Blow::CrashBefore)];
    let mut host = Faulty::new(equipped(&one), &script);
    run::backup(&mut host, &one.plan, &mut |_| {});
    let catalog = catalog::look(&host.end().0, &configured()).expect("it can look");
    let text = ui::catalog::list(&catalog, Some(80));
    assert!(
        text.contains("the run that made it died") && text.contains("'holdstill recover'"),
        "{text}"
    );
}
