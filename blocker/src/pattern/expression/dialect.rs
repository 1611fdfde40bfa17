//! An expression as Pi-hole's users write it goes in, one in our parser's own dialect comes out.
//! What the dialects do not share is refused here by its name, or it would be read as something
//! else.

use std::borrow::Cow;

use crate::report::Reason;

/// Takes comments out, and refuses what would mean something else to the parser.
///
/// # Errors
/// When the expression has letters that no name has, matches approximately, refers back, or
/// repeats a repetition.
pub(super) fn translate(text: &str) -> Result<Cow<'_, str>, Reason> {
    if !text.is_ascii() {
        return Err(Reason::BadRegex("names are asked for in ASCII; write the `xn--` form".into()));
    }
    let mut kept = Cow::Borrowed("");
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.bytes().next() {
        if let Some(comment) = rest.strip_prefix(COMMENT) {
            let unclosed = || Reason::BadRegex("a comment is not closed".into());
            rest = comment.split_once(')').ok_or_else(unclosed)?.1;
            continue;
        }
        let end = match first {
            b'\\' => escape_length(rest)?,
            b'[' => class_length(rest),
            _ => 1,
        };
        check_repetition(before, rest)?;
        let (part, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        kept += part;
        rest = after;
        before = Some(first);
    }
    Ok(kept)
}

/// The length of a backslash with what it escapes.
fn escape_length(rest: &str) -> Result<usize, Reason> {
    match rest.as_bytes().get(1) {
        Some(b'1'..=b'9') => Err(Reason::BackReference),
        _ => Ok(2),
    }
}

/// The length of a bracket expression, in which nothing else has a meaning.
fn class_length(rest: &str) -> usize {
    let mut end = 1 + usize::from(rest.starts_with("[^"));
    // A bracket that stands first is one of the characters.
    end += usize::from(rest.get(end..).is_some_and(|rest| rest.starts_with(']')));
    let mut depth = 1;
    while depth > 0 {
        match rest.as_bytes().get(end) {
            Some(b'\\') => end += 1,
            Some(b'[') => depth += 1,
            Some(b']') => depth -= 1,
            Some(_) => {}
            None => return rest.len(),
        }
        end += 1;
    }
    end
}

/// Refuses braces that count mistakes, and a repetition of a repetition, which is a slip.
fn check_repetition(before: Option<u8>, rest: &str) -> Result<(), Reason> {
    let is_repeated = matches!(before, Some(b'*' | b'+')) && rest.starts_with(['*', '+']);
    if is_repeated {
        return Err(Reason::BadRegex("a repetition follows a repetition".into()));
    }
    let braces = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
    match braces {
        Some((inside, _)) if inside.contains(['+', '-', '#', '~', '<']) => Err(Reason::Approximate),
        _ => Ok(()),
    }
}

/// How a comment begins; it ends at the next parenthesis.
const COMMENT: &str = "(?#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_taken_out() {
        let cases = [
            (r"^ads?\.[a-z]{2,3}$", r"^ads?\.[a-z]{2,3}$"),
            ("(?#why)^ads(?#and more)+", "^ads+"),
            (r"a\(?#b", r"a\(?#b"),
            ("[(?#)]x", "[(?#)]x"),
            ("[]*]*?[^]+]", "[]*]*?[^]+]"),
            (r"[^\]{~}]{2}", r"[^\]{~}]{2}"),
            ("[[:alpha:]]+", "[[:alpha:]]+"),
            ("", ""),
        ];

        for (text, expected) in cases {
            assert_eq!(translate(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_would_mean_something_else_is_refused() {
        let wrong = |what: &str| Reason::BadRegex(what.into());
        let cases = [
            (r"(a)\1", Reason::BackReference),
            ("(foobar){~2}", Reason::Approximate),
            ("(foobar){+1-1#1}", Reason::Approximate),
            ("a{2i + 1d < 5}", Reason::Approximate),
            ("a**", wrong("a repetition follows a repetition")),
            ("a+*", wrong("a repetition follows a repetition")),
            ("bücher", wrong("names are asked for in ASCII; write the `xn--` form")),
            ("(?#open", wrong("a comment is not closed")),
        ];

        for (text, reason) in cases {
            assert_eq!(translate(text), Err(reason), "{text}");
        }
    }
}
