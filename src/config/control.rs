//! The key `control_socket` goes in, where commands and the server meet comes out.
//!
//! Both sides work the place out from the same settings, so that nobody has to name it twice.

use std::{net::SocketAddr, path::PathBuf};

use toml::Value;

use super::{Config, setting::Setting};

/// The socket's name in a data directory, which belongs to one server.
const NAME: &str = "control.sock";

/// Where a host keeps the sockets of its services.
const RUN: &str = "/run/dnsward";

/// Where the control socket is wished to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlSocket {
    /// In the first of the usual places that can be had.
    Usual,
    /// Here.
    At(PathBuf),
    /// Nowhere.
    Off,
}

impl Setting for ControlSocket {
    fn allowed() -> String {
        "a path, \"\" for the usual places, or off".into()
    }

    fn parse(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "" => Some(Self::Usual),
            "off" => Some(Self::Off),
            path => Some(Self::At(path.into())),
        }
    }
}

impl Config {
    /// Where the control socket may be, the first one that can be had before the others.
    ///
    /// Directories that servers share tell them apart by the address they answer at: no two can
    /// have the same.
    pub fn control_sockets(&self) -> Vec<PathBuf> {
        match &self.control_socket {
            ControlSocket::Off => Vec::new(),
            ControlSocket::At(path) => vec![path.clone()],
            ControlSocket::Usual => {
                let address =
                    self.dns.listen.first().map_or_else(String::new, SocketAddr::to_string);
                let own = self.data_dir.as_ref().map(|directory| directory.join(NAME));
                let shared = PathBuf::from(RUN).join(format!("{address}.sock"));
                let temporary = std::env::temp_dir().join(format!("dnsward-{address}.sock"));
                own.into_iter().chain([shared, temporary]).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn places(toml: &str) -> Vec<PathBuf> {
        Config::parse(toml, &Environment::default()).unwrap().control_sockets()
    }

    #[test]
    fn the_data_directory_comes_first_and_shared_places_are_told_apart_by_address() {
        let usual = places("data_dir = '/data'\ndns.listen = ['127.0.0.1:53']");
        let temporary = std::env::temp_dir().join("dnsward-127.0.0.1:53.sock");
        let expected =
            ["/data/control.sock".into(), "/run/dnsward/127.0.0.1:53.sock".into(), temporary];

        assert_eq!(usual, expected);
        assert_eq!(
            places("dns.listen = ['[::1]:53']")[0],
            PathBuf::from("/run/dnsward/[::1]:53.sock")
        );
        assert_eq!(places("data_dir = '/data'\ncontrol_socket = 'x'"), [PathBuf::from("x")]);
        assert!(places("control_socket = 'off'").is_empty());
    }
}
