//! The table of backups. The newest is last: that is what stands above the prompt when the table is
//! longer than the terminal, and names sort so everywhere else.

use super::super::words::{Text, fit, hanging};
use super::lasting;
use crate::catalog::{Backup, Catalog};
use crate::units::Bytes;

/// What stands between two columns.
const GAP: &str = "  ";

/// What stands in front of what is told beneath a row.
const BENEATH: &str = "        ";

/// A position of fewer letters than this says nothing.
const POSITION_MIN: usize = 8;

/// What stands for the beginning that a position has lost: what counts is its end.
const CUT: char = '…';

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Age,
    Run,
    State,
    Size,
    Locked,
    Took,
    Position,
}

impl Column {
    const ALL: [Self; 7] =
        [Self::Age, Self::Run, Self::State, Self::Size, Self::Locked, Self::Took, Self::Position];

    /// Those that a narrow terminal does without, the first one first.
    const SPARED: [Self; 4] = [Self::Position, Self::Took, Self::Locked, Self::Size];

    fn head(self) -> &'static str {
        match self {
            Self::Age => "AGE",
            Self::Run => "RUN",
            Self::State => "STATE",
            Self::Size => "SIZE",
            Self::Locked => "LOCKED",
            Self::Took => "TOOK",
            Self::Position => "POSITION",
        }
    }

    fn is_a_figure(self) -> bool {
        matches!(self, Self::Age | Self::Size | Self::Locked | Self::Took)
    }

    fn cell(self, catalog: &Catalog, one: &Backup) -> String {
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        let published = || one.ours.as_ref().filter(|_| one.state.is_published());
        match self {
            Self::Age => match one.began.map(|began| catalog.age(began)) {
                None => "-".into(),
                Some(None) => "future".into(),
                Some(Some(age)) => tight(&lasting(age)),
            },
            Self::Run => one.run.clone(),
            Self::State => {
                let since = one.state.since().and_then(|at| catalog.age(at));
                let since = since.map(|age| format!(" {}", tight(&lasting(age))));
                format!("{}{}", one.state.word(), since.unwrap_or_default())
            }
            Self::Size => known(published().and_then(|_| one.bytes()).map(|all| all.to_string())),
            Self::Locked => {
                known(published().map(|ours| ours.summary.window.locked_ms.to_string()))
            }
            Self::Took => known(one.took_ms().map(|ms| tight(&ms.lasting()))),
            Self::Position => known(one.position().map(|position| position.to_string())),
        }
    }
}

/// Without spaces: in a table a column is one word.
fn tight(text: &str) -> String {
    text.replace(" min", "m").replace(' ', "")
}

/// The backups, oldest first, and how many they are. Where there is a width, each line is within it
/// but for hints, which may be copied.
pub fn list(catalog: &Catalog, columns: Option<usize>) -> String {
    let mut text = Text::default();
    let directory = catalog.directory.display();
    if catalog.backups.is_empty() {
        text.line(format!("no backups in '{directory}'"));
        text.line(
            "hint: Make one by 'holdstill backup'; 'holdstill audit' tells what it would do.",
        );
        return text.0;
    }
    let rows: Vec<Vec<(Column, String)>> = rows(catalog, columns);
    let width = |at: usize| rows.iter().map(|row| letters(&row[at].1)).max().unwrap_or(0);
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().enumerate().map(|(at, (column, cell))| {
            let pad = " ".repeat(width(at) - letters(cell));
            if column.is_a_figure() { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        let line = line.trim_end();
        text.line(columns.map_or_else(|| line.to_owned(), |columns| fit(line, columns)));
        if let Some(one) = number.checked_sub(1).and_then(|at| catalog.backups.get(at)) {
            beneath(&mut text, one, columns);
        }
    }
    text.line(hanging("", &total(catalog), columns));
    text.0
}

/// The head and a row for each backup, of the columns that there is room for.
fn rows(catalog: &Catalog, columns: Option<usize>) -> Vec<Vec<(Column, String)>> {
    let all = Column::ALL.into_iter();
    let head = all.clone().map(|column| (column, column.head().to_owned())).collect();
    let row =
        |one: &Backup| all.clone().map(|column| (column, column.cell(catalog, one))).collect();
    let mut rows: Vec<Vec<(Column, String)>> = vec![head];
    rows.extend(catalog.backups.iter().map(row));
    let Some(columns) = columns else { return rows };
    for spared in Column::SPARED {
        let wanted = total_width(&rows);
        if wanted <= columns {
            break;
        }
        let at = rows[0].iter().position(|(column, _)| *column == spared);
        let Some(at) = at else { continue };
        let widest = rows.iter().map(|row| letters(&row[at].1)).max().unwrap_or(0);
        let room = widest.saturating_sub(wanted - columns);
        if spared == Column::Position && room >= POSITION_MIN {
            for row in &mut rows {
                row[at].1 = shortened(&row[at].1, room);
            }
            break;
        }
        for row in &mut rows {
            row.remove(at);
        }
    }
    rows
}

fn total_width(rows: &[Vec<(Column, String)>]) -> usize {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| rows.iter().map(|row| letters(&row[at].1)).max().unwrap_or(0);
    (0..columns).map(width).sum::<usize>() + GAP.len() * columns.saturating_sub(1)
}

/// The end of a text, as far as there is room for it.
fn shortened(text: &str, room: usize) -> String {
    let all = letters(text);
    if all <= room {
        return text.to_owned();
    }
    std::iter::once(CUT).chain(text.chars().skip(all + 1 - room)).collect()
}

fn letters(text: &str) -> usize {
    text.chars().count()
}

/// What is wrong with a backup, and what helps.
fn beneath(text: &mut Text, one: &Backup, columns: Option<usize>) {
    if let Some(problem) = one.state.problem() {
        text.line(hanging(BENEATH, problem, columns));
    }
    if let Err(why) = &one.known {
        let told = format!("what was found of it cannot be read: {why}");
        text.line(hanging(BENEATH, &told, columns));
    }
    if let Some(hint) = one.state.hint() {
        text.line(format!("{BENEATH}hint: {hint}"));
    }
}

/// How many, how large, and how much room there is.
fn total(catalog: &Catalog) -> String {
    let count = |number: usize, one: &str, more: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {more}")),
    };
    let published = catalog.published().count();
    let others = catalog.backups.len() - published;
    let counted = count(published, "backup", "backups").unwrap_or_else(|| "no whole backup".into());
    let data = match catalog.bytes() {
        Bytes(0) => String::new(),
        bytes => format!(" of {bytes} in all"),
    };
    let others =
        count(others, "other", "others").map_or_else(String::new, |all| format!(", {all}"));
    let free = catalog
        .space
        .map_or_else(String::new, |space| format!("; {} of {} free", space.free, space.total));
    format!("{counted}{data}{others} in '{}'{free}", catalog.directory.display())
}
