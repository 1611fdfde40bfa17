//! The octets of a stamp come in, its parts go out one by one, each checked.

use std::net::{IpAddr, Ipv6Addr};

use super::{StampAddress, StampError};

/// In front of an element of a set: another one follows.
const MORE: u8 = 0x80;

/// What is left of a stamp.
pub(super) struct Reader<'s> {
    rest: &'s [u8],
}

impl<'s> Reader<'s> {
    pub(super) fn new(octets: &'s [u8]) -> Self {
        Self { rest: octets }
    }

    pub(super) fn octet(&mut self) -> Result<u8, StampError> {
        let (first, rest) =
            self.rest.split_first().ok_or(StampError::Short { part: "protocol" })?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, StampError> {
        let short = StampError::Short { part: "properties" };
        let (octets, rest) = self.rest.split_first_chunk().ok_or(short)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*octets))
    }

    pub(super) fn address(&mut self) -> Result<StampAddress, StampError> {
        parse_address(self.text("address")?, "address")
    }

    pub(super) fn hashes(&mut self) -> Result<Vec<[u8; 32]>, StampError> {
        let parse = |octets: &[u8]| {
            octets.try_into().map_err(|_| StampError::Part {
                part: "hash",
                found: format!("{} octets", octets.len()),
                allowed: "the 32 octets of a SHA-256",
            })
        };
        self.set("hash")?.into_iter().map(parse).collect()
    }

    pub(super) fn host(&mut self) -> Result<String, StampError> {
        let host = self.text("host")?;
        // These would make a path or a user name of what follows.
        if host.is_empty() || host.contains(['/', '?', '#', '@', '\\']) {
            return Err(bad("host", host, "a name or an address, with a port or without"));
        }
        Ok(host.to_owned())
    }

    pub(super) fn path(&mut self) -> Result<String, StampError> {
        let path = self.text("path")?;
        if !path.starts_with('/') || path.contains('#') {
            return Err(bad("path", path, "one that begins with `/`"));
        }
        Ok(path.to_owned())
    }

    /// The resolvers at the end of a stamp, which may be missing altogether.
    pub(super) fn bootstrap(&mut self) -> Result<Vec<StampAddress>, StampError> {
        if self.rest.is_empty() {
            return Ok(Vec::new());
        }
        let parse = |octets| {
            let part = "bootstrap address";
            let text = text_of(octets, part)?;
            match parse_address(text, part)? {
                StampAddress { ip: None, .. } => Err(bad(part, text, ADDRESS)),
                address => Ok(address),
            }
        };
        self.set("bootstrap address")?.into_iter().map(parse).collect()
    }

    pub(super) fn end(&self) -> Result<(), StampError> {
        match self.rest.len() {
            0 => Ok(()),
            found => Err(StampError::Long { found }),
        }
    }

    /// The elements of a set; an empty one stands for no element.
    fn set(&mut self, part: &'static str) -> Result<Vec<&'s [u8]>, StampError> {
        let mut elements = Vec::new();
        loop {
            let length = self.length(part)?;
            let element = self.take(length & !MORE, part)?;
            if !element.is_empty() {
                elements.push(element);
            }
            if length & MORE == 0 {
                return Ok(elements);
            }
        }
    }

    fn text(&mut self, part: &'static str) -> Result<&'s str, StampError> {
        let length = self.length(part)?;
        text_of(self.take(length, part)?, part)
    }

    fn length(&mut self, part: &'static str) -> Result<u8, StampError> {
        self.octet().map_err(|_| StampError::Short { part })
    }

    fn take(&mut self, length: u8, part: &'static str) -> Result<&'s [u8], StampError> {
        let split = self.rest.split_at_checked(length.into());
        let (taken, rest) = split.ok_or(StampError::Short { part })?;
        self.rest = rest;
        Ok(taken)
    }
}

const ADDRESS: &str = "`192.0.2.1` or `[2001:db8::1]`, with a port or without";

fn text_of<'s>(octets: &'s [u8], part: &'static str) -> Result<&'s str, StampError> {
    let text = std::str::from_utf8(octets).ok().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| bad(part, &String::from_utf8_lossy(octets), "text"))
}

fn parse_address(text: &str, part: &'static str) -> Result<StampAddress, StampError> {
    let (ip, port) = match text.rsplit_once(':') {
        // A colon within the brackets is one of the address.
        Some((_, port)) if port.contains(']') => (text, None),
        Some((ip, port)) => (ip, Some(port)),
        None => (text, None),
    };
    let no_address = || bad(part, text, ADDRESS);
    let port = port.map(|port| parse_port(port).ok_or_else(no_address)).transpose()?;
    let ip = match ip {
        "" => None,
        ip => Some(parse_ip(ip).ok_or_else(no_address)?),
    };
    Ok(StampAddress { ip, port })
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok().filter(IpAddr::is_ipv4),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `parse` would take a sign.
    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|port| is_number && *port != 0)
}

fn bad(part: &'static str, found: &str, allowed: &'static str) -> StampError {
    StampError::Part { part, found: found.escape_debug().to_string(), allowed }
}
