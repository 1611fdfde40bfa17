//! A row of values goes in, the values come out. Quotes and backslashes keep a separator from
//! being one, as in `client='Frank\'s phone, old'`.

/// The values between separators, as they are written.
pub(super) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = first_separator(text, separator) else { return rest.take() };
        rest = text.get(end + separator.len_utf8()..);
        text.get(..end)
    })
}

/// The text without its quotes and backslashes; nothing when a quote is not closed.
pub(super) fn unquote(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(is_quote);
    let inner = text.get(quote.map_or(0, char::len_utf8)..)?;
    let mut plain = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => plain.extend(rest.next()),
            _ if Some(character) == quote => return rest.as_str().is_empty().then_some(plain),
            _ => plain.push(character),
        }
    }
    quote.is_none().then_some(plain)
}

/// Where the first separator is that is neither escaped nor in quotes.
fn first_separator(text: &str, separator: char) -> Option<usize> {
    let mut quote = None;
    let mut before = None;
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if quote.is_some() {
            quote = quote.filter(|&open| open != character);
        } else if character == separator {
            return Some(place);
        } else if is_quote(&character) && before.is_none_or(begins_value) {
            quote = Some(character);
        }
        before = Some(character);
    }
    None
}

const fn is_quote(character: &char) -> bool {
    matches!(character, '\'' | '"')
}

/// Whether a value begins behind this character, so that a quote may open there. Elsewhere it is
/// an apostrophe.
const fn begins_value(before: char) -> bool {
    matches!(before, '=' | '|' | '~' | ',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_keep_values_whole() {
        let cases: [(&str, &[&str]); 8] = [
            ("a,b=c|d,e", &["a", "b=c|d", "e"]),
            ("", &[""]),
            ("a,,b", &["a", "", "b"]),
            ("client='a, b',c", &["client='a, b'", "c"]),
            (r"client=a\, b,c", &[r"client=a\, b", "c"]),
            (r"client='Frank\'s, old',c", &[r"client='Frank\'s, old'", "c"]),
            ("client=Frank's,c", &["client=Frank's", "c"]),
            ("client='open,c", &["client='open,c"]),
        ];

        for (text, expected) in cases {
            assert_eq!(split(text, ',').collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn values_lose_their_quotes() {
        let cases = [
            ("plain", Some("plain")),
            ("Frank's", Some("Frank's")),
            (r"Frank\'s\, old", Some("Frank's, old")),
            (r"'Frank\'s'", Some("Frank's")),
            ("\"a 'b'\"", Some("a 'b'")),
            ("'open", None),
            ("'a'b", None),
            (r"'a\", None),
            ("", Some("")),
        ];

        for (text, expected) in cases {
            assert_eq!(unquote(text).as_deref(), expected, "{text}");
        }
    }
}
