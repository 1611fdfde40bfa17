//! A place to stand goes in, the command that starts a server there comes out. Each server has one
//! page with its settings, so that its friends can see whether we have been fair: one thread, a
//! warm cache, no logs, what its own documentation says for speed.

pub mod cloudflared;
pub mod dnscrypt_proxy;
pub mod dnsdist;
pub mod dnsmasq;
pub mod dnsward;
pub mod floor;
pub mod hickory;
pub mod knot_resolver;
pub mod recursor;
pub mod unbound;

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// Where a server stands while it is measured.
#[derive(Clone, Debug)]
pub struct Site {
    /// An empty directory of its own.
    pub directory: PathBuf,
    /// Where it listens, UDP and TCP.
    pub listen: SocketAddr,
    /// Who answers over UDP and TCP what it does not know.
    pub upstream: SocketAddr,
    /// Who answers over HTTPS what it does not know.
    pub doh: Doh,
}

/// An upstream that is asked over HTTPS.
#[derive(Clone, Debug)]
pub struct Doh {
    /// Its URL.
    pub url: String,
    /// The root certificate to believe, PEM.
    pub roots: PathBuf,
}

/// A server of somebody else, found by its name.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// As the tables call it.
    pub name: &'static str,
    /// As its file is called.
    pub program: &'static str,
    /// What makes it tell its version.
    pub version: &'static str,
    /// Writes its settings into the site and says how to start it.
    pub command: fn(&Path, &Site) -> io::Result<Command>,
}

/// All peers there is a page for.
pub const PEERS: [Peer; 6] = [
    unbound::PEER,
    dnsdist::PEER,
    recursor::PEER,
    knot_resolver::PEER,
    dnsmasq::PEER,
    hickory::PEER,
];

/// Those who forward over HTTPS, and take part where misses are measured.
pub const FORWARDERS: [Peer; 2] = [dnscrypt_proxy::PEER, cloudflared::PEER];

/// Where servers are installed besides `PATH`, which often lacks it for people who are not root.
const SERVER_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

impl Peer {
    /// Looks for the program.
    pub fn find(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories = std::env::split_paths(&path).chain(SERVER_DIRECTORIES.map(PathBuf::from));
        directories.map(|directory| directory.join(self.program)).find(|file| file.is_file())
    }
}

/// Asks a program for its version: the first word that looks like one.
pub fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    first_version(&text).map(str::to_owned)
}

fn first_version(text: &str) -> Option<&str> {
    let looks_like_one = |word: &&str| {
        let (major, rest) = word.split_once('.').unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        is_number(major) && rest.starts_with(|first: char| first.is_ascii_digit())
    };
    text.split_whitespace().find(looks_like_one)
}

/// Writes a file of settings into the site.
fn write(site: &Site, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = site.directory.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("Version 1.17.1\n\nConfigure line: --build=x86_64", "1.17.1"),
            ("dnsdist 1.7.3 (Lua 5.1.4 [LuaJIT 2.1.0-beta3])", "1.7.3"),
            ("Nov 21 13:36:08 PowerDNS Recursor 4.8.8 (C) 2001-2022", "4.8.8"),
            ("Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley", "2.90"),
        ] {
            assert_eq!(first_version(said), Some(version));
        }
        assert_eq!(first_version("no version ... at all."), None);
    }

    #[test]
    fn every_peer_writes_its_settings_and_names_where_it_listens() {
        for peer in PEERS.into_iter().chain(FORWARDERS) {
            let directory = tempfile::tempdir().unwrap();
            let site = Site {
                directory: directory.path().to_owned(),
                listen: "127.0.0.1:5301".parse().unwrap(),
                upstream: "127.0.0.1:5302".parse().unwrap(),
                doh: Doh { url: "https://127.0.0.1:5303/".to_owned(), roots: PathBuf::new() },
            };

            let command = (peer.command)(Path::new(peer.program), &site).unwrap();

            let mut said = format!("{command:?}");
            for file in fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
                said += &fs::read_to_string(file.path()).unwrap_or_default();
            }
            assert!(said.contains("5301"), "{}: {said}", peer.name);
            let asks_over_https = FORWARDERS.iter().any(|other| other.name == peer.name);
            assert!(asks_over_https || said.contains("5302"), "{}: {said}", peer.name);
        }
    }
}
