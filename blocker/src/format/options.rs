//! Pi-hole's options behind a regular expression, `;querytype=A;reply=NXDOMAIN`, go in, the terms
//! of the rule come out.

use super::{adblock, name};
use crate::record_type;
use crate::report::{Reason, check_count};
use crate::terms::{MAX_TYPES, Reply, Terms, Types};

/// Reads options with semicolons between them; no terms when there are none.
///
/// # Errors
/// When one of them is unknown, stands there twice, or has a value that cannot be used.
pub(super) fn parse(text: &str) -> Result<Option<Box<Terms>>, Reason> {
    let mut terms = Terms::default();
    for option in text.split(';').map(str::trim) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name.to_ascii_lowercase().as_str() {
            "querytype" if terms.types.is_some() => return Err(Reason::Twice("querytype")),
            "querytype" => terms.types = Some(types(value)?),
            "invert" if terms.is_inverted => return Err(Reason::Twice("invert")),
            "invert" if value.is_empty() => terms.is_inverted = true,
            "reply" => adblock::join(&mut terms.reply, "reply", reply(value)?)?,
            _ => return Err(Reason::UnknownOption(option.into())),
        }
    }
    Ok(Some(Box::new(terms)))
}

/// Reads `A,AAAA`, or `!A,AAAA` for all but these.
fn types(value: &str) -> Result<Types, Reason> {
    let bad = |found: &str| Reason::BadValue {
        option: "querytype",
        found: found.into(),
        wanted: "record types, such as `A,AAAA` or `!HTTPS`",
    };
    let (are_excluded, list) = match value.strip_prefix('!') {
        Some(list) => (true, list),
        None => (false, value),
    };
    check_count("querytype", list.split(',').count(), MAX_TYPES)?;
    let number = |text: &str| record_type::number(text).ok_or_else(|| bad(text));
    let numbers = list.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    let (included, excluded) =
        if are_excluded { (Vec::new(), numbers) } else { (numbers, Vec::new()) };
    Types::new(included, excluded).ok_or_else(|| bad(value))
}

/// Reads a word, an address, or `CNAME,name`.
fn reply(value: &str) -> Result<Reply, Reason> {
    let bad = || Reason::BadValue {
        option: "reply",
        found: value.into(),
        wanted: "`NODATA`, `NXDOMAIN`, `REFUSED`, `NONE`, `IP`, an address or `CNAME,name`",
    };
    if let Some((word, target)) = value.split_once(',') {
        let is_alias = word.eq_ignore_ascii_case("CNAME");
        let target = is_alias.then(|| name(target)).ok_or_else(bad)??;
        return Ok(Reply::Alias(Box::new(target)));
    }
    match value.to_ascii_uppercase().as_str() {
        // Pi-hole's own address, where its page says why; there is no such page here.
        "IP" => Ok(Reply::Addresses(None, None)),
        "NONE" => Ok(Reply::Silence),
        word => match (adblock::reply(word), value.parse()) {
            (Some(reply), _) => Ok(reply),
            (None, Ok(address)) => Ok(Reply::address(address)),
            (None, Err(_)) => Err(bad()),
        },
    }
}
