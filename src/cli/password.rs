//! `dnsward hash-password`: a password goes in, the hash for `admin.password_hash` comes out.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::{Exit, error_line, print};

pub(super) fn run() -> Exit {
    let password = match read() {
        Ok(password) => password,
        Err(error) => {
            error_line(format_args!("no password could be read: {error}"));
            return Exit::Usage;
        }
    };
    match admin_ui::hash_password(&password) {
        Ok(hash) => print(hash),
        Err(error) => {
            error_line(error);
            Exit::Usage
        }
    }
}

/// One line: without echo from a terminal, else from standard input.
fn read() -> io::Result<String> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password("Password: ");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
