//! Why a text is no server: what was found, what is allowed.

use http::uri::InvalidUri;

use crate::stamp::StampError;

/// Why a text is not a [`Server`](crate::Server). To blame is the configuration; trying again never
/// helps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The text is no URL at all.
    #[error(
        "not a URL (found `{found}`, allowed such as `https://host[:port]/path[#address,...]`)"
    )]
    Url {
        /// The text before the `#`.
        found: String,
        /// What the URL parser stopped at.
        #[source]
        source: InvalidUri,
    },
    /// The scheme is none that servers have.
    #[error(
        "not a scheme of servers (found `{found}`, allowed `https://`, `tls://`, `tcp://`, \
         `udp://`, `sdns://` and `h2c://`)"
    )]
    Scheme {
        /// The scheme, empty when there is none.
        found: String,
    },
    /// The URL carries a user name or a password, which is not repeated here.
    #[error("no user name or password is sent (found one before `@`, allowed `host[:port]`)")]
    UserInfo,
    /// The host is empty or cannot stand in a certificate.
    #[error("not a host (found `{found}`, allowed a name such as `dns.quad9.net` or an address)")]
    Host {
        /// The host as written.
        found: String,
    },
    /// The port is no number from 1 to 65,535.
    #[error("not a port (found `{found}`, allowed 1 to 65535)")]
    Port {
        /// Host and port as written.
        found: String,
    },
    /// A server that is no web server has a path.
    #[error("only web servers have paths (found `{found}`, allowed `{scheme}://host[:port]`)")]
    Path {
        /// The path as written.
        found: String,
        /// The scheme as it is usually written.
        scheme: &'static str,
    },
    /// The URL has a query, or is a template that is not the usual one.
    #[error(
        "nothing but the query for a name is sent (found `?{}`, allowed a bare path, or one that \
         ends in `{{?dns}}` for GET)", found.trim_matches(['{', '}', '?', '&'])
    )]
    Query {
        /// What follows the `?`.
        found: String,
    },
    /// Something behind the `#` is neither an IP address nor an option.
    #[error(
        "neither an address to dial nor an option (found `{found}`, allowed `9.9.9.9`, \
         `2620:fe::9`, `pin=BASE64` and `metered`)"
    )]
    Option {
        /// The piece between two commas.
        found: String,
    },
    /// A pin is not the SHA-256 of anything.
    #[error(
        "not a pin (found `{found}`, allowed the 32 octets of a SHA-256 in base64, 44 characters)"
    )]
    Pin {
        /// What follows `pin=`.
        found: String,
    },
    /// A pin where no certificate is shown.
    #[error(
        "without TLS nothing can be pinned (found `pin=` after `{scheme}://`, allowed it after \
         `https://` and `tls://`)"
    )]
    PinWithoutTls {
        /// The scheme as it is usually written.
        scheme: &'static str,
    },
    /// The text behind `sdns://` is no stamp of ours.
    #[error(transparent)]
    Stamp(#[from] StampError),
}
