//! One TOML value goes in, a typed setting comes out, or nothing where it does not fit.
//!
//! Each type says once what it allows, so that every problem can name it.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;
use toml::Value;

/// A type that a configuration key can have.
pub(super) trait Setting: Sized {
    /// What is said of a value that does not fit.
    const PROBLEM: &'static str = "is not a value this key can have";

    /// What fits, for the problem's text.
    fn allowed() -> String;

    /// The typed value, or nothing where it does not fit.
    fn parse(value: &Value) -> Option<Self>;

    /// An environment variable's text as TOML: as it is, unless the type is not a string.
    fn from_text(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

/// Text that is TOML, such as `["a"]`; anything else stays text and fails to parse with a problem.
pub(super) fn toml_from_text(text: &str) -> Value {
    format!("value = {text}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A setting that is one of a few words.
pub(super) trait Choice: Copy + Sized + 'static {
    /// The words, in the order they are told.
    const CHOICES: &'static [(&'static str, Self)];
}

impl<T: Choice> Setting for T {
    fn allowed() -> String {
        Self::CHOICES.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        Self::CHOICES.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice)
    }
}

impl Setting for bool {
    fn allowed() -> String {
        "true or false".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn from_text(text: &str) -> Value {
        toml_from_text(text)
    }
}

impl Setting for u64 {
    fn allowed() -> String {
        "a whole number, 0 or more".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        Self::try_from(value.as_integer()?).ok()
    }

    fn from_text(text: &str) -> Value {
        toml_from_text(text)
    }
}

impl Setting for String {
    fn allowed() -> String {
        "text".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

/// A path that may be left out.
impl Setting for Option<PathBuf> {
    fn allowed() -> String {
        "a path".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        Some((!text.is_empty()).then(|| PathBuf::from(text)))
    }
}

/// A span of time: a whole number and `ms`, `s`, `m`, `h` or `d`.
impl Setting for Duration {
    fn allowed() -> String {
        "a whole number with ms, s, m, h or d, such as 4500ms".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        let (number, unit) = number_and_unit(value.as_str()?)?;
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        number.checked_mul(milliseconds).map(Self::from_millis)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Setting for Bytes {
    fn allowed() -> String {
        "a whole number with B, KiB, MiB or GiB, such as 64MiB".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        let (number, unit) = number_and_unit(value.as_str()?)?;
        let bytes: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        number.checked_mul(bytes).map(Self)
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit))
}

impl Setting for IpNet {
    fn allowed() -> String {
        "an address or a prefix, such as 10.0.0.0/8".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        parse_prefix(value.as_str()?)
    }
}

/// An address (a prefix of its own) or a prefix.
pub(super) fn parse_prefix(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Types whose text form is what `FromStr` reads.
macro_rules! parsed_from_text {
    ($($type:ty => $allowed:literal),* $(,)?) => {$(
        impl Setting for $type {
            fn allowed() -> String {
                $allowed.into()
            }

            fn parse(value: &Value) -> Option<Self> {
                value.as_str()?.parse().ok()
            }
        }
    )*};
}

parsed_from_text! {
    std::net::SocketAddr => "an address and a port, such as 0.0.0.0:1053 or [::]:1053",
    std::net::Ipv4Addr => "an IPv4 address",
    std::net::Ipv6Addr => "an IPv6 address",
    IpAddr => "an IP address",
    blocker::Name => "a domain name",
}

/// A list is one value in the environment too: TOML that replaces the whole of it.
impl<T: Setting> Setting for Vec<T> {
    const PROBLEM: &'static str = "is not a list this key can have";

    fn allowed() -> String {
        format!("a list of: {}", T::allowed())
    }

    fn parse(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::parse).collect()
    }

    fn from_text(text: &str) -> Value {
        toml_from_text(text)
    }
}
