//! `dnsward serve --demo`: a server to try out, without root, without a file, gone without a trace.

use std::{fmt::Write as _, io};

use tempfile::TempDir;

use crate::{
    config::{Config, Environment, Source},
    server::Server,
};

/// What the demo serves: loopback only, a handful of names that everybody knows.
const CONFIG: &str = r#"
[dns]
listen = ["127.0.0.1:1053"]

[[lists]]
name = "demo"
inline = [
    "||doubleclick.net^",
    "||google-analytics.com^",
    "||googlesyndication.com^",
    "||scorecardresearch.com^",
    "||ads.example^",
]
"#;

/// The parts of a demo that outlive its start.
pub(super) struct Demo {
    directory: TempDir,
}

impl Demo {
    pub(super) fn new() -> io::Result<Self> {
        TempDir::with_prefix("dnsward-demo-").map(|directory| Self { directory })
    }

    pub(super) fn source() -> Source {
        Source::Text(CONFIG.into(), Environment::of_process())
    }

    /// The configuration with the temporary data directory, unless the environment names another.
    pub(super) fn complete(&self, mut config: Config) -> Config {
        config.data_dir.get_or_insert_with(|| self.directory.path().to_owned());
        config
    }

    /// What a newcomer needs: where it is, the password, and a line to paste.
    pub(super) fn welcome(server: &Server) -> String {
        let addresses = server.addresses();
        let mut text = String::from("\ndnsward is answering.\n\n");
        // Writing to a String does not fail.
        if let Some(dns) = addresses.dns.first() {
            let (ip, port) = (dns.ip(), dns.port());
            let _ = writeln!(text, "  blocked   dig +vc -p {port} @{ip} doubleclick.net");
            let _ = writeln!(text, "  resolved  dig +vc -p {port} @{ip} example.com");
        }
        if let Some(admin) = addresses.admin {
            let _ = writeln!(text, "  admin     http://{admin}{}", addresses.admin_path);
        }
        if let Some(first) = server.first_password() {
            let _ = writeln!(text, "  password  {}  (for this run only)", first.password);
        }
        if let Some(socket) = &addresses.control {
            let _ = writeln!(text, "  status    dnsward status --socket {}", socket.display());
        }
        if let Some(metrics) = addresses.metrics {
            let _ = writeln!(text, "  metrics   http://{metrics}/metrics");
        }
        text
    }
}
