//! What a verification found: a text for people, one line of JSON for programs, and a bar
//! meanwhile. Pure but for the bar: data in, text out.

use indicatif::{ProgressBar, ProgressStyle};
use schemars::JsonSchema;
use serde::Serialize;

use super::terminal::{Paper, Sheet};
use super::voice::Streams;
use super::words::Text;
use crate::memory::How;
use crate::sums::Progress;
use crate::units::{Bytes, Millis};
use crate::verify::{End, Problem, Sharer, Verdict};

/// The version of the JSON's shape. What is added does not change it.
const VERSION: u32 = 1;

/// How many problems of a backup are shown to people.
const PROBLEMS_MAX: usize = 20;

/// How the bar looks.
const BAR: &str =
    "  read [{wide_bar}] {percent:>3} % {bytes:>10} {bytes_per_sec:>12} {eta:>3} left";

/// The answer of `holdstill verify --json` about one backup.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answer<'a> {
    /// The version of this shape; keys may be added to it, none goes or changes its meaning.
    version: u32,
    /// The backup.
    run: &'a str,
    /// How it stands.
    state: State,
    /// `verify` if every file was read, `sample` if a share; null if nothing was.
    how: Option<How>,
    /// When it was over, in UTC (RFC 3339).
    time: Option<String>,
    /// How long it took.
    ms: Option<Millis>,
    /// How many files were read.
    files: Option<u64>,
    /// How many bytes were read.
    bytes: Option<Bytes>,
    /// Everything that is wrong, by path.
    problems: &'a [Problem],
    /// The other backups that hold damaged files of it as hard links; null if that cannot be told.
    shared: Option<&'a [Sharer]>,
}

/// How a backup stands.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Everything that was looked at is as it should be.
    Sound,
    /// Something is not.
    Damaged,
    /// It was made before there were manifests.
    NoManifest,
    /// It was removed meanwhile.
    Gone,
}

impl<'a> Answer<'a> {
    /// What became of a backup.
    pub fn of(run: &'a str, end: &'a End) -> Self {
        let state = match end {
            End::Looked(verdict) if verdict.is_sound() => State::Sound,
            End::Looked(_) => State::Damaged,
            End::NoManifest => State::NoManifest,
            End::Gone => State::Gone,
        };
        let verdict = if let End::Looked(verdict) = end { Some(verdict) } else { None };
        Self {
            version: VERSION,
            run,
            state,
            how: verdict.map(|one| one.how),
            time: verdict.map(|one| one.at.to_string()),
            ms: verdict.map(|one| one.took),
            files: verdict.map(|one| one.files),
            bytes: verdict.map(|one| one.bytes),
            problems: verdict.map_or(&[], |one| &one.problems),
            shared: verdict.map_or(Some(&[]), |one| one.sharers.as_deref().ok()),
        }
    }

    /// On one line.
    pub fn line(&self) -> String {
        // Strings and numbers alone: there is nothing in it that cannot be written.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// What became of a backup, for people.
pub fn text(run: &str, end: &End) -> String {
    let mut text = Text::default();
    match end {
        End::Looked(verdict) => looked(&mut text, run, verdict),
        End::Gone => text.line(format!("{run}: removed meanwhile")),
        End::NoManifest => {
            text.line(format!(
                "{run}: cannot be verified: it was made before there were manifests"
            ));
        }
    }
    text.0
}

fn looked(text: &mut Text, run: &str, verdict: &Verdict) {
    let Verdict { files, bytes, took, problems, sharers, .. } = verdict;
    let share = if verdict.how == How::Sample { "a share of " } else { "" };
    let (word, count) = match problems.len() {
        0 => ("sound", String::new()),
        1 => ("DAMAGED", "1 problem; ".into()),
        more => ("DAMAGED", format!("{more} problems; ")),
    };
    let took = took.lasting();
    text.line(format!("{run}: {word}: {count}read {share}{files} files, {bytes} in {took}"));
    for problem in problems.iter().take(PROBLEMS_MAX) {
        text.line(format!("  {problem}"));
    }
    if let Some(more) = problems.len().checked_sub(PROBLEMS_MAX).filter(|more| *more > 0) {
        text.line(format!("  and {more} more, which '--json' tells"));
    }
    match sharers {
        Ok(sharers) => sharers.iter().for_each(|one| shared(text, one)),
        Err(why) => text.line(format!("  which other backups share them cannot be told: {why}")),
    }
}

/// Another backup that holds the same files.
fn shared(text: &mut Text, Sharer { run, problems }: &Sharer) {
    let first = problems.first().map(|one| one.path.as_str()).unwrap_or_default();
    let more = match problems.len() {
        0 | 1 => String::new(),
        more => format!(" and {} more", more - 1),
    };
    text.line(format!("{run}: DAMAGED: it shares '{first}'{more}"));
}

/// How far a reading is, on a terminal that can be written over; nothing anywhere else.
pub struct Bar {
    sheet: Option<Sheet>,
    bar: Option<ProgressBar>,
}

impl Bar {
    /// None is drawn yet.
    pub fn new(sheet: Option<Sheet>) -> Self {
        Self { sheet: sheet.filter(|sheet| sheet.paper == Paper::Erasable), bar: None }
    }

    /// Draws it.
    pub fn further(&mut self, progress: Progress) {
        let Some(sheet) = self.sheet else { return };
        let bar = self.bar.get_or_insert_with(|| {
            let target = Streams::standard().bar(sheet.columns);
            let style = ProgressStyle::with_template(BAR).map(|style| style.progress_chars("=> "));
            ProgressBar::with_draw_target(Some(progress.total.0), target)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(progress.bytes.0);
    }

    /// Takes it away.
    pub fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
