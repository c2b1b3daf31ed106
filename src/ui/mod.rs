//! What a person sees: the run as it happens, the report at its end, the audit, the lists.
//!
//! Only this folder knows indicatif and prints. Deliberately absent: any say in what happens.

pub mod audit;
mod brief;
mod entry;
mod json;
mod lines;
mod report;
mod retention;
mod screen;
mod setup;
mod terminal;
mod timeline;
mod voice;
mod words;

use std::io::Write as _;

use tracing_subscriber::prelude::*;

pub use json::Clock;
pub use report::{list, recovered};
pub use retention::{pruned, pruning};
pub use screen::{Manner, Screen};
pub use setup::{checked, found, is_a_person, question};
pub use terminal::{Colours, Paper, Sheet};
pub use voice::{Sink, Streams};

/// Sends the diagnostic log to standard error: warnings, or with `--verbose` every look.
pub fn log_to_stderr(verbose: bool) {
    let level = if verbose { tracing::Level::TRACE } else { tracing::Level::WARN };
    let ours = tracing_subscriber::filter::Targets::new()
        .with_target("holdstill", level)
        .with_default(tracing::Level::ERROR);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time();
    let _already_set = tracing_subscriber::registry().with(lines).with(ours).try_init();
}

/// Prints a text to standard output.
pub fn tell(text: &str) {
    let _nobody_reads = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a message to standard error.
pub fn complain(message: &str) {
    let _nobody_reads = std::io::stderr().write_all(message.as_bytes());
}
