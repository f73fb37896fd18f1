//! The program: parse, run, exit code.

#![expect(unreachable_pub, reason = "nothing of a program is reachable from outside")]

mod cli;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::read();
    let json = cli.is_json();
    match cli.run() {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            cli::complain(&error, json);
            cli::outcome_of(&error).into()
        }
    }
}
