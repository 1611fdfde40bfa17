//! Text that others wrote goes in, text that a terminal may have comes out.
//!
//! Lines of lists, names and errors can hold anything; a terminal must not take a part of them
//! for a command to it.

use std::fmt::{self, Write as _};

/// A text in a form that is safe to show.
pub(super) struct Shown<'t> {
    text: &'t str,
    form: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Json,
}

impl<'t> Shown<'t> {
    /// What cannot be seen is written as its number, such as `\u{1b}`.
    pub(super) fn text(text: &'t str) -> Self {
        Self { text, form: Kind::Text }
    }

    /// The same for JSON, which stays what it is.
    pub(super) fn json(text: &'t str) -> Self {
        Self { text, form: Kind::Json }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.text.chars() {
            match self.form {
                _ if is_visible(character) => f.write_char(character)?,
                Kind::Text => write!(f, "{}", character.escape_unicode())?,
                Kind::Json => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        write!(f, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether a character is something to look at, or a space; what the standard library would escape
/// beside quotes is not, such as marks that turn the direction of writing.
fn is_visible(character: char) -> bool {
    matches!(character, ' ' | '\'' | '"' | '\\') || character.escape_debug().len() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commands_a_terminal_is_shown_as_a_number() {
        for (text, shown) in [
            ("||ads.example^ \"a\" \\ 'b'", "||ads.example^ \"a\" \\ 'b'"),
            ("bücher.example", "bücher.example"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\r\nb", "a\\u{d}\\u{a}b"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}moc", "\\u{202e}moc"),
        ] {
            assert_eq!(Shown::text(text).to_string(), shown);
        }
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let json = serde_json::json!({ "rule": "/\u{9b}\u{1b}\u{e0001}\u{202e}\"\\/" });

        let shown = Shown::json(&json.to_string()).to_string();

        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), json);
    }
}
