//! A running server in this process with a scripted upstream: what every test starts from.
//!
//! ```ignore
//! let lab = Lab::builder().upstream(Fake::new().a("x.example", [192, 0, 2, 1])).start().await;
//! assert_eq!(lab.ask("x.example", "A").await.addresses(), ["192.0.2.1"]);
//! ```

mod ask;
mod doh;
mod hostile;
mod list_host;
mod tls;
mod tunnel;

use std::{fmt::Write as _, net::SocketAddr, path::PathBuf};

use dnsward::{
    config::{Config, Environment},
    server::{Server, TakenPort},
};
use tempfile::TempDir;

pub(crate) use ask::{Conversation, Reply, frame, question, receive_from};
pub(crate) use doh::{Fake, Running, plain_client};
pub(crate) use hostile::{Expected, Hostility, POISON, TRICKS, Trick, VICTIM};
pub(crate) use list_host::ListHost;
pub(crate) use tls::{authority_pem, client_credentials};
pub(crate) use tunnel::Tunnels;

/// What a lab is made of, until it starts.
pub(crate) struct LabBuilder {
    upstreams: Vec<Fake>,
    config: String,
    keeps_data: bool,
    waits_for_lists: bool,
    host: &'static str,
}

/// A running server, its upstreams and its directory.
pub(crate) struct Lab {
    pub(crate) server: Server,
    pub(crate) upstreams: Vec<Running>,
    directory: TempDir,
    preamble: String,
}

impl Lab {
    /// A lab without upstream and with an empty configuration.
    pub(crate) fn builder() -> LabBuilder {
        LabBuilder {
            upstreams: Vec::new(),
            config: String::new(),
            keeps_data: false,
            waits_for_lists: true,
            host: "127.0.0.1",
        }
    }
}

impl LabBuilder {
    /// Adds an upstream, less preferred than those before it.
    pub(crate) fn upstream(mut self, fake: Fake) -> Self {
        self.upstreams.push(fake);
        self
    }

    /// Adds TOML; sections that the lab itself fills are `[dns]`, `[upstream]`, `[admin]` and
    /// `[metrics]`, whose further keys go in as `dns.key = ...`.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// Adds a block list.
    pub(crate) fn list(self, name: &str, lines: &[&str]) -> Self {
        self.config(&list(name, lines))
    }

    /// Gives the server a data directory.
    pub(crate) fn with_data_dir(mut self) -> Self {
        self.keeps_data = true;
        self
    }

    /// Answers DNS on another address of this host, whose ports no other test is given.
    pub(crate) fn on_host(mut self, host: &'static str) -> Self {
        self.host = host;
        self
    }

    /// Does not wait for the lists at the start.
    pub(crate) fn without_waiting(mut self) -> Self {
        self.waits_for_lists = false;
        self
    }

    /// Starts it and waits until its lists are loaded.
    pub(crate) async fn start(self) -> Lab {
        let directory = tempfile::tempdir().unwrap();
        let mut upstreams = Vec::new();
        for fake in self.upstreams {
            upstreams.push(fake.start().await);
        }
        let preamble = preamble(&upstreams, &directory, self.keeps_data, self.host);
        let config = parse(&preamble, &self.config);
        let server = Server::start(config, TakenPort::Fail).await.expect("the server starts");
        if self.waits_for_lists {
            server.lists_loaded().await;
        }
        Lab { server, upstreams, directory, preamble }
    }
}

impl Lab {
    /// The address that answers DNS.
    pub(crate) fn dns(&self) -> SocketAddr {
        self.server.addresses().dns[0]
    }

    /// Requests that reached the first upstream.
    pub(crate) fn upstream_hits(&self) -> usize {
        self.upstreams.first().map_or(0, Running::hits)
    }

    /// A path in the lab's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until a name is blocked.
    pub(crate) async fn comes_to_block(&self, name: &str) {
        let started = std::time::Instant::now();
        while self.ask(name, "A").await.ede().first().is_none_or(|(code, _)| *code != 15) {
            assert!(started.elapsed().as_secs() < 20, "{name} is not blocked");
        }
    }

    /// The settings that lead to this lab's upstreams, for a program of its own.
    pub(crate) fn preamble(&self) -> &str {
        &self.preamble
    }

    /// Gives the running server another configuration.
    pub(crate) async fn reload(&self, toml: &str) {
        self.server.reload(parse(&self.preamble, toml)).await.expect("it is taken over");
    }

    /// Gives the running server other upstreams in place of its own.
    pub(crate) async fn reload_with(&self, upstreams: &[&Running]) {
        let [all, own] = [upstreams.to_vec(), self.upstreams.iter().collect()]
            .map(|upstreams| format!("upstream.servers = {:?}", urls(&upstreams)));
        assert!(self.preamble.contains(&own));
        let config = parse(&self.preamble.replace(&own, &all), "");
        self.server.reload(config).await.expect("it is taken over");
    }

    /// Gets a page of the metrics listener: status and body.
    pub(crate) async fn get_metrics(&self, path: &str) -> (u16, String) {
        let address = self.server.addresses().metrics.expect("it listens");
        let response = plain_client().get(format!("http://{address}{path}")).send().await;
        let response = response.expect("an HTTP answer");
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The value of a sample, by its name and labels as they are written.
    pub(crate) async fn sample(&self, sample: &str) -> u64 {
        let (_, text) = self.get_metrics("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no sample {sample} in\n{text}")).parse().unwrap()
    }
}

/// A `[[lists]]` block with its lines in it.
pub(crate) fn list(name: &str, lines: &[&str]) -> String {
    format!("[[lists]]\nname = '{name}'\ninline = {lines:?}\n")
}

fn urls(upstreams: &[&Running]) -> Vec<String> {
    upstreams.iter().map(|upstream| upstream.url()).collect()
}

/// The keys that every lab sets, in dotted form so that tests can add to the same sections.
fn preamble(upstreams: &[Running], directory: &TempDir, keeps_data: bool, host: &str) -> String {
    let urls = urls(&upstreams.iter().collect::<Vec<_>>());
    // Nobody listens on the discard port: a lab without upstream has one that cannot be reached.
    let urls = if urls.is_empty() { vec!["https://127.0.0.1:9/dns-query".into()] } else { urls };
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority_pem()).unwrap();
    let mut toml = String::new();
    if keeps_data {
        writeln!(toml, "data_dir = '{}'", directory.path().join("data").display()).unwrap();
    } else {
        // Labs would meet in the directories that servers share.
        toml.push_str("control_socket = 'off'\n");
    }
    writeln!(
        toml,
        "dns.listen = ['{host}:0']\ndns.threads = 2\nadmin.listen = '127.0.0.1:0'\n\
         metrics.listen = '127.0.0.1:0'\nupstream.servers = {urls:?}\nupstream.ca_file = '{}'",
        ca.display()
    )
    .unwrap();
    toml
}

fn parse(preamble: &str, toml: &str) -> Config {
    match Config::parse(&format!("{preamble}{toml}"), &Environment::default()) {
        Ok(config) => config,
        Err(problems) => {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            panic!("{}", lines.join("\n"))
        }
    }
}
