//! `holdstill explain`: what an aspect of the audit, or an exit code, is about.

use crate::config::Complaint;
use crate::error::{Code, Stop};
use crate::plan::{explained, explanation};
use crate::ui;

/// Prints the explanation of a name, or the names that there are.
pub(super) fn explain(words: &[String]) -> Result<Code, Stop> {
    let name = words.join(" ");
    if name.is_empty() {
        ui::show(&(explained().join("\n") + "\n"))?;
        return Ok(Code::Clean);
    }
    if let Some(text) = explanation(&name) {
        ui::show(&format!("{name}\n\n{text}\n"))?;
        return Ok(Code::Clean);
    }
    let what = format!("there is nothing to explain about '{name}'");
    Err(Stop::Usage(vec![Complaint::new(what, hint(&name))]))
}

fn hint(name: &str) -> String {
    let near = |one: &&'static str| strsim::normalized_damerau_levenshtein(name, one) > 0.5;
    match explained().into_iter().find(near) {
        Some(near) => format!("Did you mean '{near}'?"),
        None => "Run 'holdstill explain' for all names.".into(),
    }
}
