//! The table of faults in ARCHITECTURE.md: what shows each row must be there, and whatever the lab
//! has to show of faults must have its row.

use std::fs;
use std::path::Path;

/// The groups of the lab whose every case is a fault.
const FAULTS: [&str; 7] = [
    "case_storage.py",
    "case_cow.py",
    "case_destination.py",
    "case_server.py",
    "case_hang.py",
    "case_surroundings.py",
    "power.py",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names in the last column of each row, with the row's fault.
fn rows() -> Vec<(String, Vec<String>)> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it can be read");
    let (_, table) = text.split_once("\n## Faults\n").expect("there is such a section");
    let lines = table.lines().take_while(|line| !line.starts_with("## "));
    let rows = lines.filter(|line| line.starts_with("| ") && !line.starts_with("| fault"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        let names = cells[4].split(',').map(|name| name.trim().trim_matches('`').to_owned());
        (cells[0].to_owned(), names.collect())
    })
    .collect()
}

/// All texts of a folder whose names end so.
fn texts(folder: &str, end: &str) -> String {
    let mut all = String::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it can be listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == end) {
                all += &fs::read_to_string(&path).expect("it can be read");
            }
        }
    }
    all
}

#[test]
fn every_fault_is_shown_by_something_that_is_there() {
    let (rust, python) = (texts("src", "rs") + &texts("tests", "rs"), texts("tests/guest", "py"));
    let power = fs::read_to_string(root().join("tests/guest/power.py")).expect("it is there");
    let phases = cases(&power);
    let is_there = |name: &str| {
        if name.starts_with("power_") {
            return phases.iter().any(|phase| phase == name);
        }
        rust.contains(&format!("fn {name}()"))
            || rust.contains(&format!("\"{name}\""))
            || python.contains(&format!("def {name}("))
            || python.contains(&format!("\n{name} = "))
    };
    let rows = rows();
    assert!(rows.len() > 30, "the table was not found: {rows:?}");
    for (fault, names) in &rows {
        for name in names {
            assert!(
                !name.is_empty() && is_there(name),
                "'{fault}' is shown by '{name}', which is nowhere"
            );
        }
    }
}

#[test]
fn every_fault_of_the_lab_has_its_row() {
    let shown: Vec<String> = rows().into_iter().flat_map(|(_, names)| names).collect();
    for file in FAULTS {
        let text = fs::read_to_string(root().join("tests/guest").join(file)).expect("it is there");
        let cases = cases(&text);
        assert!(cases.len() >= 3, "{file}: {cases:?}");
        for case in cases {
            assert!(shown.contains(&case), "{file}: '{case}' has no row in ARCHITECTURE.md");
        }
    }
}

/// The cases that a file lists, or the phases in which the power fails.
fn cases(text: &str) -> Vec<String> {
    if let Some((_, list)) = text.split_once("\nCASES = [\n") {
        let lines = list.lines().take_while(|line| *line != "]");
        return lines.map(|line| line.trim().trim_end_matches(',').to_owned()).collect();
    }
    let (_, phases) = text.split_once("\nPHASES = {\n").expect("it has cases or phases");
    let lines = phases.lines().take_while(|line| *line != "}");
    let (_, races) = phases.split_once("\nRACES = (").expect("it has races");
    let races = races.lines().next().unwrap_or_default().split(',').map(str::trim);
    let names = lines.map(str::trim).chain(races);
    let names = names.filter_map(|name| name.strip_prefix('"')?.split('"').next());
    names.map(|name| format!("power_{name}")).collect()
}
