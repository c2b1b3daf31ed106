//! The program: everything is in the library; here a result becomes text and an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    holdstill::cli::main()
}
