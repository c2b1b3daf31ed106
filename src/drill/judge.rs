//! Which tables are checked, what the answers of a check mean, and whether an assertion holds.
//! Pure.

use crate::host::Rows;

/// Every table that has files: views have none, and what is in memory is not in a backup. One that
/// cannot be opened has no type on some versions, and is just what is looked for.
pub(super) const TABLES: &str = "SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name \
     FROM information_schema.TABLES \
     WHERE (TABLE_TYPE IS NULL OR TABLE_TYPE NOT IN ('VIEW', 'SYSTEM VIEW', 'TEMPORARY')) \
     AND TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema') \
     ORDER BY TABLE_SCHEMA, TABLE_NAME";

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) db: String,
    pub(super) name: String,
}

/// What a check says of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What is wrong with it.
    pub(super) problems: Vec<String>,
    /// What is worth a word.
    pub(super) remarks: Vec<String>,
    /// Whether its engine cannot check.
    pub(super) uncheckable: bool,
}

/// Reads the list of tables.
pub(super) fn tables(rows: &Rows) -> Vec<Table> {
    let table = |row| {
        let word = |column| rows.get(row, column).map(String::from);
        Some(Table { db: word("db")?, name: word("name")? })
    };
    (0..rows.rows.len()).filter_map(table).collect()
}

impl Table {
    /// Its name as a statement and a message have it.
    pub(super) fn quoted(&self) -> String {
        let quote = |name: &str| format!("`{}`", name.replace('`', "``"));
        format!("{}.{}", quote(&self.db), quote(&self.name))
    }

    /// Checks it.
    pub(super) fn check(&self) -> String {
        format!("CHECK TABLE {}", self.quoted())
    }

    /// What the answer means: `status` and `OK` is sound, a `note` that the engine has no check, an
    /// `error` a damage; so is another `status` (MySQL, "CHECK TABLE Statement").
    pub(super) fn judge(&self, rows: &Rows) -> Verdict {
        let mut verdict = Verdict::default();
        for row in 0..rows.rows.len() {
            let word = |column| rows.get(row, column).unwrap_or_default();
            let (kind, text) = (word("Msg_type").to_ascii_lowercase(), word("Msg_text"));
            let told = format!("{}: {text}", self.quoted());
            match kind.as_str() {
                "status" if ["OK", "Table is already up to date"].contains(&text) => {}
                "note" if text.contains("support check") => verdict.uncheckable = true,
                "status" | "error" => verdict.problems.push(told),
                _ => verdict.remarks.push(told),
            }
        }
        if rows.rows.is_empty() {
            verdict.problems.push(format!("{}: its check says nothing", self.quoted()));
        }
        verdict
    }
}

/// Whether an assertion holds: its first row begins with what counts as true. What it said instead.
pub(super) fn holds(rows: &Rows) -> Result<(), String> {
    if rows.rows.len() != 1 {
        return Err(format!("expected one row, found {}", rows.rows.len()));
    }
    let found = rows.rows[0].first().cloned().flatten();
    let found = found.as_deref().map(str::trim);
    let is_true = |text: &str| {
        text.eq_ignore_ascii_case("true")
            || text.parse().is_ok_and(|number: f64| (number - 1.0).abs() < f64::EPSILON)
    };
    match found {
        Some(text) if is_true(text) => Ok(()),
        found => Err(format!("expected 1, found {}", found.unwrap_or("NULL"))),
    }
}

/// The assertions in a file: one a line; empty lines and comments are passed over.
pub(super) fn assertions(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().trim_end_matches(';').trim_end());
    let comment = |line: &str| line.starts_with("--") || line.starts_with('#');
    lines.filter(|line| !line.is_empty() && !comment(line)).map(String::from).collect()
}
