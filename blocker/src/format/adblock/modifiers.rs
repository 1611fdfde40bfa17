//! What follows `$` goes in, the terms of the rule come out.

use super::clients;
use super::pages::is_page_only;
use super::rewrite;
use super::split::split;
use crate::record_type;
use crate::report::{Reason, check_count};
use crate::terms::{Except, MAX_EXCEPT, MAX_TYPES, Terms, Types};

/// Reads modifiers with commas between them; no terms when they say nothing.
///
/// # Errors
/// When one of them is unknown, about pages, or has a value that cannot be used.
pub(super) fn parse(text: &str) -> Result<Option<Box<Terms>>, Reason> {
    if text.is_empty() {
        return Ok(None);
    }
    let mut terms = Terms::default();
    for modifier in split(text, ',').map(str::trim).filter(|modifier| !modifier.is_empty()) {
        let (name, value) = modifier.split_once('=').unwrap_or((modifier, ""));
        add(&mut terms, name, value)?;
    }
    Ok((terms != Terms::default()).then(|| Box::new(terms)))
}

fn add(terms: &mut Terms, name: &str, value: &str) -> Result<(), Reason> {
    match name {
        "important" => terms.is_important = true,
        "badfilter" => terms.is_cancelling = true,
        "dnstype" => set_once(&mut terms.types, "dnstype", types(value)?)?,
        "client" => set_once(&mut terms.clients, "client", clients::parse(value)?)?,
        "denyallow" if terms.except.is_empty() => {
            check_count("denyallow", value.split('|').count(), MAX_EXCEPT)?;
            let names = value.split('|').map(crate::format::name);
            terms.except = Except::new(&names.collect::<Result<Vec<_>, _>>()?);
        }
        "denyallow" => return Err(Reason::Twice("denyallow")),
        "dnsrewrite" => {
            rewrite::join(&mut terms.reply, "dnsrewrite", rewrite::parse(value)?)?;
        }
        // Blocks all that is fetched from the names, which is what we do.
        "all" => {}
        _ if name.bytes().all(|byte| byte == b'_') => {}
        _ if is_page_only(name) => return Err(Reason::PageOnly(name.into())),
        _ => return Err(Reason::Modifier(name.into())),
    }
    Ok(())
}

/// Reads `A|AAAA` or `~HTTPS`.
fn types(value: &str) -> Result<Types, Reason> {
    let bad = |found: &str| Reason::BadValue {
        option: "dnstype",
        found: found.into(),
        wanted: "record types, such as `A|AAAA` or `~HTTPS`",
    };
    check_count("dnstype", value.split('|').count(), MAX_TYPES)?;
    let (mut included, mut excluded) = (Vec::new(), Vec::new());
    for each in value.split('|') {
        let (list, text) = match each.strip_prefix('~') {
            Some(text) => (&mut excluded, text),
            None => (&mut included, each),
        };
        list.push(record_type::number(text).ok_or_else(|| bad(each))?);
    }
    Types::new(included, excluded).ok_or_else(|| bad(value))
}

fn set_once<T>(place: &mut Option<T>, option: &'static str, value: T) -> Result<(), Reason> {
    match place.replace(value) {
        Some(_) => Err(Reason::Twice(option)),
        None => Ok(()),
    }
}
