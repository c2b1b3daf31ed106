//! The completions of three shells, as clap writes them.

use clap_complete::Shell;

use super::{Files, visible};

/// Where packages have them, and so how each has to be called.
const SHELLS: [(Shell, &str); 3] =
    [(Shell::Bash, "holdstill"), (Shell::Zsh, "_holdstill"), (Shell::Fish, "holdstill.fish")];

pub(super) fn all() -> Files {
    SHELLS.into_iter().map(|(shell, name)| (name.to_owned(), of(shell))).collect()
}

fn of(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut visible(), "holdstill", &mut text);
    let text = String::from_utf8(text).expect("clap writes UTF-8");
    assert!(!text.contains(holdstill::host::linux::deadman::COMMAND), "a hidden command is told");
    text
}
