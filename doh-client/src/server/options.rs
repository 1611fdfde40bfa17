//! What stands behind the `#` of a server comes in, addresses and options go out.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ServerError;

/// Addresses and options of one server.
#[derive(Default)]
pub(super) struct Options {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) pins: Vec<[u8; 32]>,
    pub(super) is_metered: bool,
}

impl Options {
    pub(super) fn parse(text: &str) -> Result<Self, ServerError> {
        let mut options = Self::default();
        for piece in text.split(',').map(str::trim) {
            options.take(piece)?;
        }
        Ok(options)
    }

    fn take(&mut self, piece: &str) -> Result<(), ServerError> {
        if piece == "metered" {
            self.is_metered = true;
        } else if let Some(pin) = piece.strip_prefix("pin=") {
            self.pins.push(parse_pin(pin)?);
        } else {
            let no_option = |_| ServerError::Option { found: piece.to_owned() };
            self.addresses.push(piece.parse().map_err(no_option)?);
        }
        Ok(())
    }
}

fn parse_pin(text: &str) -> Result<[u8; 32], ServerError> {
    let octets = STANDARD.decode(text).ok().and_then(|octets| octets.try_into().ok());
    octets.ok_or_else(|| ServerError::Pin { found: text.to_owned() })
}
