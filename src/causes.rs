//! An error goes in, one line with all its causes comes out, for logs and for people.

use std::error::Error;

/// The error and its causes, each said once.
pub(crate) fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some libraries repeat their cause in their own words.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] Inside);

    #[derive(Debug, thiserror::Error)]
    #[error("inside")]
    struct Inside;

    #[test]
    fn every_cause_is_said_once() {
        assert_eq!(one_line(&Outside(Inside)), "outside: inside");
        assert_eq!(one_line(&std::io::Error::other(Inside)), "inside");
    }
}
