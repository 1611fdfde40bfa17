//! An address that is taken goes in, the process that likely holds it comes out.
//!
//! The kernel lists sockets with their inode, and processes with the inodes they have open; where
//! both can be read the operator learns a name instead of "address in use".

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
};

/// A process that holds an address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    name: String,
    pid: u32,
}

impl Holder {
    /// The process that holds a port on this address or on all addresses.
    pub(super) fn of(address: SocketAddr) -> Option<Self> {
        let tables = ["tcp", "tcp6", "udp", "udp6"];
        let inode = tables.iter().find_map(|table| {
            let text = fs::read_to_string(format!("/proc/net/{table}")).ok()?;
            text.lines().skip(1).find_map(|line| inode_in(line, address).map(str::to_owned))
        })?;
        let wanted = format!("socket:[{inode}]");
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| has_open(*pid, &wanted)).find_map(Self::of_process)
    }

    /// A process that is known by its number.
    pub(crate) fn of_process(pid: u32) -> Option<Self> {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        Some(Self { name: name.trim().to_owned(), pid })
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.name, self.pid)
    }
}

/// The inode of a line of `/proc/net/*`, where it is bound to the address or to all.
fn inode_in(line: &str, address: SocketAddr) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let (local, port) = fields.nth(1)?.split_once(':')?;
    let is_all = local.bytes().all(|digit| digit == b'0');
    let is_same = match address.ip() {
        IpAddr::V4(v4) => local == format!("{:08X}", u32::from_le_bytes(v4.octets())),
        IpAddr::V6(_) => local.len() == 32,
    };
    let has_port = u16::from_str_radix(port, 16).ok()? == address.port();
    let matches = has_port && (is_all || is_same || address.ip().is_unspecified());
    fields.nth(7).filter(|inode| matches && *inode != "0")
}

fn has_open(pid: u32, wanted: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let mut links = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    links.any(|link| link.as_os_str() == wanted)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_of_our_own_is_held_by_us() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();

        let holder = Holder::of(listener.local_addr().unwrap()).expect("a holder");

        assert_eq!(holder.pid, std::process::id());
    }
}
