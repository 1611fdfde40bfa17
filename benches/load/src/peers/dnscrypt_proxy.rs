//! dnscrypt-proxy in front of a DoH server: its example configuration, one server, its own cache.

use std::{io, path::Path, process::Command};

use super::{Peer, Site, write};

/// How it is found and started.
pub const PEER: Peer =
    Peer { name: "dnscrypt-proxy", program: "dnscrypt-proxy", version: "-version", command };

fn command(program: &Path, site: &Site) -> io::Result<Command> {
    let (listen, upstream) = (site.listen, site.upstream);
    let stamp = stamp(&site.doh.url);
    let settings = format!(
        r#"listen_addresses = ['{listen}']
server_names = ['local']
max_clients = 1000
ignore_system_dns = true
bootstrap_resolvers = ['{upstream}']
netprobe_timeout = 0
cache = true
log_level = 4

[static.local]
stamp = '{stamp}'
"#
    );
    let file = write(site, "dnscrypt-proxy.toml", &settings)?;
    let mut command = Command::new(program);
    command.arg("-config").arg(file).env("SSL_CERT_FILE", &site.doh.roots);
    Ok(command)
}

/// The server's stamp (<https://dnscrypt.info/stamps-specifications>): DoH, no properties, no hash.
fn stamp(url: &str) -> String {
    let location = url.trim_start_matches("https://");
    let (host, path) = location.split_once('/').unwrap_or((location, ""));
    let mut octets = vec![2];
    octets.extend([0; 8]);
    let address = host.split(':').next().unwrap_or_default();
    for text in [address, "", host, &format!("/{path}")] {
        octets.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        octets.extend(text.bytes());
    }
    format!("sdns://{}", base64url(&octets))
}

/// RFC 4648 section 5, without padding.
fn base64url(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for piece in octets.chunks(3) {
        let bits = [0, 1, 2].map(|n| u32::from(piece.get(n).copied().unwrap_or(0)));
        let bits = bits.iter().fold(0, |bits, octet| bits << 8 | octet);
        for place in 0..=piece.len() {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            text.extend(LETTERS.get(index).map(|letter| char::from(*letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_become_letters_as_the_standard_says() {
        for (octets, letters) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(octets.as_bytes()), letters);
        }
    }
}
