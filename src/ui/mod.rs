//! What a person sees: the run as it happens, the report at its end, the audit, the lists.
//!
//! Only this folder knows indicatif and prints. Deliberately absent: any say in what happens.

pub mod audit;
mod brief;
mod canvas;
pub mod catalog;
pub mod drill;
mod entry;
mod json;
mod lines;
pub mod offsite;
mod report;
mod restore;
mod retention;
mod screen;
mod setup;
mod stream;
mod terminal;
mod timeline;
pub mod verify;
mod voice;
mod words;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, Write};

use anyhow::Context as _;
use tracing_subscriber::prelude::*;

pub use json::Clock;
pub use report::recovered;
pub use restore::{
    Told as RestoreTold, exported, plan as restore_plan, restore_json, restore_trouble, restored,
    table_json, table_plan,
};
pub use retention::{pruned, pruning};
pub use screen::{Manner, Screen};
pub use setup::{checked, found, is_a_person, question};
pub use terminal::{Colours, Paper, Sheet};
pub use voice::{PushedTo, Sink, Streams};

/// Sends the diagnostic log to standard error: warnings, or with `--verbose` every look.
pub fn log_to_stderr(verbose: bool) {
    let level = if verbose { tracing::Level::TRACE } else { tracing::Level::WARN };
    let ours = tracing_subscriber::filter::Targets::new()
        .with_target("holdstill", level)
        .with_default(tracing::Level::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(|| Log).without_time();
    let _already_set = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// Standard error, as the diagnostic log writes to it: one line with each call.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        stream::lock(stream::err()).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells of panics on standard error as everything else is told there: the usual hook would wait
/// for a reader that hangs, and nobody ever settled what the run has begun.
pub fn tell_of_panics() {
    std::panic::set_hook(Box::new(|info| {
        let trace = Backtrace::capture();
        let trace = match trace.status() {
            BacktraceStatus::Captured => format!("{trace}"),
            _ => String::new(),
        };
        stream::write_if_free(stream::err(), &format!("holdstill: {info}\n{trace}"));
    }));
}

/// Prints what was asked for, and waits for its reader as long as that takes: only for commands
/// that nothing else waits for, and that have done nothing unless it is seen.
pub fn show(text: &str) -> anyhow::Result<()> {
    let shown = stream::lock(stream::out()).show(text.as_bytes());
    shown.context("cannot write to standard output")
}

/// Prints a text to standard output.
pub fn tell(text: &str) {
    let _never_fails = stream::lock(stream::out()).write_all(text.as_bytes());
}

/// Prints a message to standard error.
pub fn complain(message: &str) {
    let _never_fails = stream::lock(stream::err()).write_all(message.as_bytes());
}
