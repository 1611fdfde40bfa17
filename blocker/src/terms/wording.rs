//! Terms go in, the modifiers that say the same come out, so that a rule can be shown whole and
//! its line read again.

use std::fmt::{self, Display, Formatter, Write};

use super::{ClientPattern, Clients, Reply, Terms, Types};
use crate::record_type::Mnemonic;

impl Display for Terms {
    /// Writes what follows the names: adblock's modifiers, or Pi-hole's options for an inverted
    /// rule, which the modifiers cannot say.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        if self.is_inverted {
            return self.write_options(formatter);
        }
        let mut out = List { formatter, next: '$' };
        if self.is_important {
            out.item(format_args!("important"))?;
        }
        if let Some(types) = &self.types {
            out.item(format_args!("dnstype={types}"))?;
        }
        if let Some(clients) = &self.clients {
            out.item(format_args!("client={clients}"))?;
        }
        if !self.except.is_empty() {
            out.item(format_args!("denyallow={}", self.except))?;
        }
        match &self.reply {
            Some(Reply::Addresses(Some(v4), Some(v6))) => {
                out.item(format_args!("dnsrewrite={v4}"))?;
                out.item(format_args!("dnsrewrite={v6}"))?;
            }
            Some(reply) => out.item(format_args!("dnsrewrite={reply}"))?,
            None => {}
        }
        if self.is_cancelling { out.item(format_args!("badfilter")) } else { Ok(()) }
    }
}

impl Terms {
    fn write_options(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(";invert")?;
        if let Some(Types { numbers, are_excluded }) = &self.types {
            let sign = if *are_excluded { "!" } else { "" };
            let mut out = List { formatter, next: '=' };
            out.formatter.write_str(";querytype")?;
            for (place, number) in numbers.iter().enumerate() {
                let sign = if place == 0 { sign } else { "" };
                out.item(format_args!("{sign}{}", Mnemonic(*number)))?;
            }
        }
        match &self.reply {
            Some(Reply::Addresses(Some(v4), Some(v6))) => {
                write!(formatter, ";reply={v4};reply={v6}")
            }
            Some(Reply::Alias(name)) => write!(formatter, ";reply=CNAME,{name}"),
            Some(Reply::Silence) => formatter.write_str(";reply=NONE"),
            Some(reply) => write!(formatter, ";reply={reply}"),
            None => Ok(()),
        }
    }
}

/// Items with a comma between them and another character before the first.
struct List<'a, 'f> {
    formatter: &'a mut Formatter<'f>,
    next: char,
}

impl List<'_, '_> {
    fn item(&mut self, item: fmt::Arguments<'_>) -> fmt::Result {
        self.formatter.write_char(self.next)?;
        self.next = ',';
        self.formatter.write_fmt(item)
    }
}

/// Values with a bar between them.
struct Joined<'a, T>(&'a [T]);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for (place, value) in self.0.iter().enumerate() {
            let bar = if place == 0 { "" } else { "|" };
            write!(formatter, "{bar}{value}")?;
        }
        Ok(())
    }
}

impl Display for Types {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let sign = if self.are_excluded { "~" } else { "" };
        let types = self.numbers.iter().map(|number| format!("{sign}{}", Mnemonic(*number)));
        Joined(&types.collect::<Vec<_>>()).fmt(formatter)
    }
}

impl Display for Clients {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let included = self.included.iter().map(ToString::to_string);
        let excluded = self.excluded.iter().map(|client| format!("~{client}"));
        Joined(&included.chain(excluded).collect::<Vec<_>>()).fmt(formatter)
    }
}

impl Display for ClientPattern {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Network(address, bits) => return write!(formatter, "{address}/{bits}"),
            Self::Name(name) => name,
        };
        formatter.write_char('\'')?;
        // Nearly all marks mean something somewhere before names are looked at.
        for character in name.chars() {
            if character.is_ascii_punctuation() && !matches!(character, '-' | '.' | '/' | ':' | '_')
            {
                formatter.write_char('\\')?;
            }
            formatter.write_char(character)?;
        }
        formatter.write_char('\'')
    }
}

impl Display for Reply {
    /// Writes what `$dnsrewrite` would be set to; of two addresses the first.
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoData => formatter.write_str("NODATA"),
            Self::NxDomain => formatter.write_str("NXDOMAIN"),
            Self::Refused => formatter.write_str("REFUSED"),
            Self::ServFail => formatter.write_str("SERVFAIL"),
            Self::Silence => formatter.write_str("DROP"),
            Self::Addresses(Some(v4), _) => v4.fmt(formatter),
            Self::Addresses(None, Some(v6)) => v6.fmt(formatter),
            Self::Addresses(None, None) => formatter.write_str("0.0.0.0"),
            // The dot tells a name from the words above.
            Self::Alias(name) => write!(formatter, "{name}."),
        }
    }
}
