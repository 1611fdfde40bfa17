//! dnsward itself: as it comes, with metrics, admin page and query log, or bare; with one thread
//! that answers, as all the others have.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Site, write};

/// Which parts are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// As it comes: metrics, admin page, query log on disk.
    Default,
    /// Answering alone.
    Bare,
}

/// What it blocks, and where its other listeners stand.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which parts are on.
    pub parts: Parts,
    /// A file of rules.
    pub list: Option<PathBuf>,
    /// The hash of the admin page's password; it makes one of its own without.
    pub password_hash: Option<String>,
    /// Free ports for the admin page and for metrics.
    pub others: [SocketAddr; 2],
}

/// Writes the settings and says how to start it.
///
/// # Errors
/// When the site cannot be written.
pub fn command(program: &Path, site: &Site, options: &Options) -> io::Result<Command> {
    let (listen, directory) = (site.listen, site.directory.display());
    let (url, roots) = (&site.doh.url, site.doh.roots.display());
    let mut settings = String::new();
    if options.parts == Parts::Default {
        settings += &format!("data_dir = \"{directory}/data\"\n");
    }
    settings += &format!(
        r#"control_socket = "off"
[dns]
listen = ["{listen}"]
threads = 1
[upstream]
servers = ["{url}"]
ca_file = "{roots}"
[blocking]
until_loaded = "servfail"
[log]
level = "error"
"#
    );
    let [admin, metrics] = options.others;
    settings += &match options.parts {
        Parts::Default => {
            let hash = options.password_hash.as_deref().unwrap_or_default();
            format!(
                "[admin]\nlisten = \"{admin}\"\npassword_hash = \"{hash}\"\n\
                 [metrics]\nlisten = \"{metrics}\"\n"
            )
        }
        Parts::Bare => "[admin]\nlisten = \"\"\n[metrics]\nlisten = \"\"\n\
                        [query_log]\nprivacy = \"off\"\n"
            .to_owned(),
    };
    if let Some(list) = &options.list {
        settings += &format!("[[lists]]\nname = \"bench\"\npath = \"{}\"\n", list.display());
    }
    let file = write(site, "dnsward.toml", &settings)?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(file);
    Ok(command)
}

/// Writes a list of so many rules that nobody asks for, and the names that are to be blocked.
///
/// # Errors
/// When the file cannot be written.
pub fn write_list(path: &Path, rules: usize, names: &[String]) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    for n in 0..rules {
        writeln!(out, "||r{n}.tracker{}.example^", n % 997)?;
    }
    for name in names {
        writeln!(out, "||{}^", name.trim_end_matches('.'))?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_the_rules_and_the_names() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list");

        write_list(&path, 2, &["n0.bench.example.".to_owned()]).unwrap();

        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "||r0.tracker0.example^\n||r1.tracker1.example^\n||n0.bench.example^\n");
    }
}
