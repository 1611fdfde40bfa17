//! Where upstreams were found goes in, and comes out again after a restart: a small file in the
//! data directory, so that upstreams can be reached while nobody can be asked where they are.
//!
//! It is written aside and renamed; where it is damaged, nothing is known.

use std::{
    collections::BTreeMap,
    fs, io,
    io::{Read as _, Write as _},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use doh_client::AddressBook;
use tokio::sync::Notify;

/// The file in the data directory.
const FILE: &str = "upstream-addresses.json";

/// Most that is read of it: a hundred times what a few upstreams take.
const MAX_FILE: u64 = 64 << 10;

/// Hosts that are remembered: more than anybody configures, those of earlier configurations
/// included.
const MAX_HOSTS: usize = 64;

/// Addresses of one host that are remembered; more would never be dialled.
const MAX_ADDRESSES: usize = 16;

/// The addresses at which upstreams were found last; clones share everything.
#[derive(Clone)]
pub struct KnownAddresses {
    shared: Arc<Shared>,
}

struct Shared {
    file: Option<PathBuf>,
    hosts: Mutex<Hosts>,
    changed: Notify,
}

/// By host, in small letters.
#[derive(Default)]
struct Hosts {
    addresses: BTreeMap<String, Vec<IpAddr>>,
    /// Those that a client of this process has asked for.
    in_use: Vec<String>,
}

impl KnownAddresses {
    /// Those that are kept in a data directory; without one, none, and only as long as the process
    /// lives.
    pub(super) fn of(data_dir: Option<&Path>) -> Self {
        let file = data_dir.map(|directory| directory.join(FILE));
        let addresses = file.as_deref().map(load).unwrap_or_default();
        let hosts = Mutex::new(Hosts { addresses, in_use: Vec::new() });
        Self { shared: Arc::new(Shared { file, hosts, changed: Notify::new() }) }
    }

    /// Writes the file whenever something was learnt, for ever.
    pub async fn keep(self) {
        loop {
            self.shared.changed.notified().await;
            let shared = self.shared.clone();
            let written = tokio::task::spawn_blocking(move || shared.save()).await;
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "the addresses of upstreams cannot be kept over a restart");
            }
        }
    }
}

impl AddressBook for KnownAddresses {
    fn recall(&self, host: &str) -> Vec<IpAddr> {
        let mut hosts = self.shared.hosts();
        hosts.note_use(host);
        hosts.addresses.get(host).cloned().unwrap_or_default()
    }

    fn learn(&self, host: &str, addresses: &[IpAddr]) {
        let mut hosts = self.shared.hosts();
        hosts.note_use(host);
        let mut addresses = addresses.to_vec();
        addresses.truncate(MAX_ADDRESSES);
        hosts.addresses.insert(host.to_owned(), addresses);
        hosts.shrink();
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn save(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let text = serde_json::to_string_pretty(&self.hosts().addresses)?;
        let aside = file.with_extension("json.new");
        let mut written = fs::File::create(&aside)?;
        written.write_all(text.as_bytes())?;
        // Without it a crash may leave the name of the new file on nothing.
        written.sync_all()?;
        fs::rename(&aside, file)
    }
}

impl Hosts {
    fn note_use(&mut self, host: &str) {
        if !self.in_use.iter().any(|known| known == host) && self.in_use.len() < MAX_HOSTS {
            self.in_use.push(host.to_owned());
        }
    }

    /// Makes room, first of what nobody in this process has asked for.
    fn shrink(&mut self) {
        while self.addresses.len() > MAX_HOSTS {
            let mut hosts = self.addresses.keys();
            let unused = hosts.find(|host| !self.in_use.contains(host)).cloned();
            match unused {
                Some(host) => drop(self.addresses.remove(&host)),
                None => drop(self.addresses.pop_last()),
            }
        }
    }
}

/// What a file says; nothing where there is none, or the least doubt.
fn load(file: &Path) -> BTreeMap<String, Vec<IpAddr>> {
    match read(file) {
        Ok(addresses) => addresses,
        Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => {
            let path = file.display();
            tracing::warn!(%path, %error, "what was known of upstreams' addresses cannot be read");
            BTreeMap::new()
        }
    }
}

fn read(file: &Path) -> io::Result<BTreeMap<String, Vec<IpAddr>>> {
    let mut text = String::new();
    fs::File::open(file)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other("it is larger than any that is written"));
    }
    let addresses: BTreeMap<String, Vec<IpAddr>> = serde_json::from_str(&text)?;
    let is_sound = addresses.len() <= MAX_HOSTS
        && addresses.values().all(|addresses| (1..=MAX_ADDRESSES).contains(&addresses.len()));
    is_sound.then_some(addresses).ok_or_else(|| io::Error::other("it is not one that is written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(addresses: &[&str]) -> Vec<IpAddr> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn what_was_learnt_is_known_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownAddresses::of(Some(directory.path()));
        known.learn("dns.example", &parse(&["192.0.2.1", "2001:db8::1"]));
        known.learn("other.example", &parse(&["192.0.2.2"]));
        known.learn("other.example", &parse(&["192.0.2.3"]));
        known.shared.save().unwrap();

        let known = KnownAddresses::of(Some(directory.path()));

        assert_eq!(known.recall("dns.example"), parse(&["192.0.2.1", "2001:db8::1"]));
        assert_eq!(known.recall("other.example"), parse(&["192.0.2.3"]));
        assert!(known.recall("stranger.example").is_empty());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing lies aside");
    }

    #[tokio::test]
    async fn a_file_is_written_when_something_was_learnt() {
        let directory = tempfile::tempdir().unwrap();
        let known = KnownAddresses::of(Some(directory.path()));
        let keeper = tokio::spawn(known.clone().keep());

        known.learn("dns.example", &parse(&["192.0.2.1"]));

        while KnownAddresses::of(Some(directory.path())).recall("dns.example").is_empty() {
            tokio::task::yield_now().await;
        }
        keeper.abort();
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        let many: Vec<String> =
            (0..65).map(|n| format!("\"{n}.example\": [\"192.0.2.1\"]")).collect();
        for text in [
            "",
            "{",
            "[]",
            "{\"dns.example\": [\"192.0.2.1\"]",
            "{\"dns.example\": []}",
            "{\"dns.example\": [\"dns.example\"]}",
            &format!("{{\"dns.example\": [{}\"192.0.2.1\"]}}", "\"192.0.2.1\", ".repeat(20)),
            &format!("{{\"dns.example\": [\"192.0.2.1\"]{}}}", " ".repeat(100_000)),
            &format!("{{{}}}", many.join(", ")),
        ] {
            fs::write(&file, text).unwrap();
            let known = KnownAddresses::of(Some(directory.path()));
            assert!(known.recall("dns.example").is_empty(), "{text:.80}");
            assert!(known.shared.hosts().addresses.is_empty(), "{text:.80}");
        }
        fs::write(&file, b"\xff\xfe").unwrap();
        assert!(KnownAddresses::of(Some(directory.path())).recall("dns.example").is_empty());
    }

    #[test]
    fn hosts_in_use_outlive_those_of_the_past() {
        let known = KnownAddresses::of(None);
        known.learn("a.example", &parse(&["192.0.2.1"]));
        known.shared.hosts().in_use.clear();
        known.learn("z.example", &parse(&["192.0.2.1"]));
        for number in 0..MAX_HOSTS - 1 {
            known.learn(&format!("m{number}.example"), &parse(&["192.0.2.1"]));
        }

        assert_eq!(known.shared.hosts().addresses.len(), MAX_HOSTS);
        assert!(known.recall("a.example").is_empty());
        assert_eq!(known.recall("z.example").len(), 1);
        assert!(known.shared.save().is_ok(), "without a data directory there is nothing to do");
    }
}
