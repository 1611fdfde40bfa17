//! A client's address goes in, the groups it belongs to come out.

use std::net::IpAddr;

use blocker::{GroupId, GroupSet};
use ipnet::IpNet;

use crate::config::{ClientMatch, Config};

/// The groups that count, and who belongs to which.
///
/// A group that is switched off has no bit, neither for clients nor for rules: it is as if
/// nobody and nothing belonged to it.
#[derive(Debug)]
pub struct Groups {
    /// Names in the order of their bits; none where a group is switched off.
    names: Vec<Option<String>>,
    /// What a client without a row belongs to.
    default: GroupSet,
    /// Longest prefix first, so that the first that fits is the right one.
    clients: Vec<(IpNet, GroupSet)>,
}

impl Groups {
    /// The groups of a configuration.
    pub fn new(config: &Config) -> Self {
        let is_off = |name: &str| config.groups.iter().any(|g| g.name == name && !g.enabled);
        let named = config.group_names();
        let counted = |name: &&str| (!is_off(name)).then(|| (*name).to_owned());
        let mut groups = Self {
            names: named.iter().map(counted).collect(),
            default: GroupSet::EMPTY,
            clients: Vec::new(),
        };
        groups.default = groups.set(named.first());
        for client in &config.clients {
            if let ClientMatch::Network(network) = &client.matches {
                groups.clients.push((*network, groups.set(&client.groups)));
            }
        }
        groups.clients.sort_by_key(|(network, _)| std::cmp::Reverse(network.prefix_len()));
        groups
    }

    /// The groups that these names stand for.
    pub fn set<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> GroupSet {
        let mut set = GroupSet::EMPTY;
        for name in names {
            let is_same = |known: &Option<String>| known.as_deref() == Some(name.as_ref());
            let bit = self.names.iter().position(is_same).and_then(|bit| u8::try_from(bit).ok());
            if let Some(group) = bit.and_then(GroupId::new) {
                set.insert(group);
            }
        }
        set
    }

    /// The groups of a client: those of its row, else `default` alone.
    pub fn of(&self, client: IpAddr) -> GroupSet {
        let row = self.clients.iter().find(|(network, _)| network.contains(&client));
        row.map_or(self.default, |(_, groups)| *groups)
    }
}
