//! A client goes in, the groups it belongs to come out.

use std::{cmp::Reverse, net::IpAddr};

use blocker::{GroupId, GroupSet};
use ipnet::IpNet;
use jiff::Timestamp;

use super::schedule;
use crate::{
    config::{ClientMatch, Config, SpiffePattern},
    query::{Client, Identity},
};

/// The groups that count, and who belongs to which.
///
/// A group that is switched off has no bit, neither for clients nor for rules: it is as if
/// nobody and nothing belonged to it. One outside its schedule has no bit for clients only, so that
/// nothing has to be compiled again when its time comes.
#[derive(Debug)]
pub struct Groups {
    /// Names in the order of their bits; none where a group is switched off.
    names: Vec<Option<String>>,
    /// Those that are outside their schedule.
    resting: GroupSet,
    /// What a client without a row belongs to.
    default: GroupSet,
    /// Longest pattern first, so that the first that fits is the right one.
    workloads: Vec<(SpiffePattern, GroupSet)>,
    /// What a mesh connection without an identity belongs to, where a row says so.
    unidentified: Option<GroupSet>,
    /// Longest prefix first.
    networks: Vec<(IpNet, GroupSet)>,
}

impl Groups {
    /// The groups of a configuration, whatever time it is.
    pub fn new(config: &Config) -> Self {
        Self::of_config(config, None)
    }

    /// The groups of a configuration as their schedules have them at this time.
    pub fn at(config: &Config, now: Timestamp) -> Self {
        Self::of_config(config, Some(now))
    }

    fn of_config(config: &Config, now: Option<Timestamp>) -> Self {
        let is_off = |name: &str| config.groups.iter().any(|g| g.name == name && !g.enabled);
        let named = config.group_names();
        let counted = |name: &&str| (!is_off(name)).then(|| (*name).to_owned());
        let mut groups = Self {
            names: named.iter().map(counted).collect(),
            resting: GroupSet::EMPTY,
            default: GroupSet::EMPTY,
            workloads: Vec::new(),
            unidentified: None,
            networks: Vec::new(),
        };
        groups.resting = now.map_or(GroupSet::EMPTY, |now| groups.outside_schedule(config, now));
        groups.default = groups.memberships(named.first());
        for client in &config.clients {
            let set = groups.memberships(&client.groups);
            match &client.matches {
                ClientMatch::Spiffe(pattern) => groups.workloads.push((pattern.clone(), set)),
                ClientMatch::Unidentified => {
                    groups.unidentified.get_or_insert(set);
                }
                ClientMatch::Network(network) => groups.networks.push((*network, set)),
            }
        }
        groups.workloads.sort_by_key(|(pattern, _)| Reverse(pattern.length()));
        groups.networks.sort_by_key(|(network, _)| Reverse(network.prefix_len()));
        groups
    }

    /// The groups that these names stand for.
    pub fn set<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> GroupSet {
        names.into_iter().filter_map(|name| self.find(name.as_ref())).collect()
    }

    /// Whether the schedules of its configuration have the groups at this time as they are here.
    pub fn are_right_at(&self, config: &Config, now: Timestamp) -> bool {
        self.outside_schedule(config, now) == self.resting
    }

    /// The groups of a client: those of its row, else `default` alone. What is known of its
    /// identity counts before its address, which in a mesh is often a proxy's.
    pub fn of(&self, client: &Client) -> GroupSet {
        let by_identity = match &client.identity {
            Identity::Spiffe(id) => {
                let row = self.workloads.iter().find(|(pattern, _)| pattern.matches(id));
                row.map(|(_, groups)| *groups)
            }
            Identity::Unidentified => self.unidentified,
            Identity::Address => None,
        };
        by_identity.unwrap_or_else(|| self.of_address(client.address))
    }

    /// What a client belongs to whose row names these.
    fn memberships<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) -> GroupSet {
        let counting = names.into_iter().filter_map(|name| self.find(name.as_ref()));
        counting.filter(|group| !self.resting.contains(*group)).collect()
    }

    fn outside_schedule(&self, config: &Config, now: Timestamp) -> GroupSet {
        let resting = config.groups.iter().filter(|group| !schedule::is_on(group, now));
        self.set(resting.map(|group| &group.name))
    }

    fn find(&self, name: &str) -> Option<GroupId> {
        let bit = self.names.iter().position(|known| known.as_deref() == Some(name))?;
        GroupId::new(u8::try_from(bit).ok()?)
    }

    fn of_address(&self, address: IpAddr) -> GroupSet {
        let row = self.networks.iter().find(|(network, _)| network.contains(&address));
        row.map_or(self.default, |(_, groups)| *groups)
    }
}
