//! Settings go in, who carries the queries of each route comes out. What a reload leaves alone is
//! kept with all that is known of it, connections too.

use std::{sync::Arc, time::Duration};

use blocker::Name;
use doh_client::{Server, ServerStatus};
use tokio::time::Instant;

use super::{
    Carrier, UpstreamError,
    carrier::Doh,
    client::{Kept, MadeOf, extra_roots},
    progress::Progress,
};
use crate::{
    config::{Config, UpstreamSettings},
    route::{RouteId, Routes},
};

/// How long a road is kept that a reload has taken away: longer than reading lists takes, before
/// which the settings before still decide.
const KEPT: Duration = Duration::from_secs(300);

/// Most roads that are kept so.
const MAX_RETIRED: usize = 256;

/// The way to the servers of one route.
pub(super) struct Road {
    id: RouteId,
    domains: Vec<Name>,
    pub(super) carrier: Arc<dyn Carrier>,
    pub(super) progress: Arc<Progress>,
    servers: Vec<Server>,
    /// What the carrier was made of, to tell whether another is needed; nothing where it was
    /// given from outside, and stays.
    made_of: Option<MadeOf>,
}

/// How the servers of one route do.
#[derive(Clone, Debug)]
pub struct RouteStatus {
    /// The route.
    pub id: RouteId,
    /// The names that it is for; none: all that have no other.
    pub domains: Vec<Name>,
    /// Its servers, in the order of the configuration; who is quick is asked.
    pub servers: Vec<ServerStatus>,
}

impl RouteStatus {
    /// The names that it is for, as words; `.` stands for all that have no other.
    pub(crate) fn domains(&self) -> Vec<String> {
        match &self.domains[..] {
            [] => vec![".".to_owned()],
            domains => domains.iter().map(ToString::to_string).collect(),
        }
    }
}

/// All roads.
pub(super) struct Roads {
    routes: Routes,
    /// First that of `upstream.servers`, then the others in the order of the configuration.
    roads: Vec<Arc<Road>>,
    /// Those that only settings before had, the latest first, and until when: what was decided by
    /// these still ends well.
    retired: Vec<(Arc<Road>, Instant)>,
}

impl Roads {
    /// The roads of a configuration; of those before, what is the same is kept.
    ///
    /// # Errors
    /// Where no client can be made of the settings.
    pub(super) fn new(
        config: &Config,
        before: Option<&Self>,
        kept: &Kept,
    ) -> Result<Self, UpstreamError> {
        let roots = extra_roots(&config.upstream)?;
        let road = |plan| Road::new(plan, &roots, before, kept);
        let roads = Plan::all(config).into_iter().map(road);
        let roads = roads.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(config, roads, before))
    }

    /// Roads that all lead to one carrier from outside.
    pub(super) fn with_carrier(
        config: &Config,
        carrier: &Arc<dyn Carrier>,
        before: Option<&Self>,
    ) -> Self {
        let plans = Plan::all(config).into_iter();
        let roads = plans.map(|plan| Road::with_carrier(plan, carrier.clone(), before)).collect();
        Self::of(config, roads, before)
    }

    fn of(config: &Config, roads: Vec<Road>, before: Option<&Self>) -> Self {
        let retired = before.map(|before| before.without(&roads)).unwrap_or_default();
        for road in &roads {
            let old = before.and_then(|before| before.find(road.id));
            if let Some(old) = old.filter(|old| !Arc::ptr_eq(&old.progress, &road.progress)) {
                // What the servers before could not do says nothing of these.
                old.progress.note_good();
            }
        }
        let roads = roads.into_iter().map(Arc::new).collect();
        Self { routes: Routes::new(&config.upstream.routes), roads, retired }
    }

    /// Those that these do not replace.
    fn without(&self, roads: &[Road]) -> Vec<(Arc<Road>, Instant)> {
        let now = Instant::now();
        let gone = self.roads.iter().map(|road| (road, now + KEPT));
        let retired = self.retired.iter().map(|(road, until)| (road, *until));
        let kept = gone
            .chain(retired)
            .filter(|(old, until)| now < *until && roads.iter().all(|road| road.id != old.id));
        kept.take(MAX_RETIRED).map(|(road, until)| (road.clone(), until)).collect()
    }

    /// The road of a route; nothing where it is long gone.
    pub(super) fn find(&self, route: RouteId) -> Option<&Arc<Road>> {
        let retired = self.retired.iter().map(|(road, _)| road);
        self.roads.iter().chain(retired).find(|road| road.id == route)
    }

    /// The route of a name.
    pub(super) fn route_of(&self, name: &Name) -> RouteId {
        self.routes.find(name).route
    }

    /// Whether the servers of a road are still asked for the same names, so that what they say may
    /// be remembered. Those of `upstream.servers` are known by the same number, whoever they are.
    pub(super) fn has_servers_of(&self, road: &Road) -> bool {
        let has_them = |now: &Arc<Road>| {
            // Each flight asks this when it lands, and most land where they took off.
            let is_same = std::ptr::eq(now.as_ref(), road);
            is_same || road.servers.iter().all(|server| now.servers.contains(server))
        };
        self.find(road.id).is_none_or(has_them)
    }

    /// The same for all roads of other settings.
    pub(super) fn has_servers_of_all(&self, others: &Self) -> bool {
        others.roads.iter().all(|road| self.has_servers_of(road))
    }

    /// How the servers of each do.
    pub(super) fn status(&self) -> Vec<RouteStatus> {
        let status = |road: &Arc<Road>| RouteStatus {
            id: road.id,
            domains: road.domains.clone(),
            servers: road.carrier.status(),
        };
        self.roads.iter().map(status).collect()
    }
}

impl Road {
    fn new(
        plan: Plan,
        roots: &Option<Vec<u8>>,
        before: Option<&Roads>,
        kept: &Kept,
    ) -> Result<Self, UpstreamError> {
        let Plan { id, domains, settings, in_flight } = plan;
        let servers = settings.servers.clone();
        let made_of = (settings, roots.clone(), in_flight);
        let old = before.and_then(|before| before.find(id));
        let same = old.filter(|old| old.made_of.as_ref() == Some(&made_of));
        let (carrier, progress) = match same {
            Some(same) => (same.carrier.clone(), same.progress.clone()),
            None => (Doh::start(kept.client(&made_of)?), Arc::default()),
        };
        Ok(Self { id, domains, carrier, progress, servers, made_of: Some(made_of) })
    }

    fn with_carrier(plan: Plan, carrier: Arc<dyn Carrier>, before: Option<&Roads>) -> Self {
        let Plan { id, domains, settings, .. } = plan;
        let old = before.and_then(|before| before.find(id));
        let progress = old.map_or_else(Arc::default, |old| old.progress.clone());
        Self { id, domains, carrier, progress, servers: settings.servers, made_of: None }
    }
}

/// A road to be.
struct Plan {
    id: RouteId,
    domains: Vec<Name>,
    settings: UpstreamSettings,
    in_flight: usize,
}

impl Plan {
    /// One for each set of servers.
    fn all(config: &Config) -> Vec<Self> {
        let mut plans = vec![Self::new(config, RouteId::default(), &config.upstream.servers)];
        for route in &config.upstream.routes {
            let known = plans.iter().position(|plan| plan.id == route.id);
            let mut plan = match known {
                Some(known) => plans.remove(known),
                None => Self::new(config, route.id, &route.servers),
            };
            plan.domains.extend(&route.domains);
            plans.push(plan);
        }
        plans
    }

    fn new(config: &Config, id: RouteId, servers: &[Server]) -> Self {
        // A proxy leads out of the network; the servers of routes are mostly inside.
        let proxy = config.upstream.proxy.clone().filter(|_| !id.is_routed());
        // Only what a client is made of, so that nothing else makes another one.
        let settings = UpstreamSettings {
            proxy,
            servers: servers.to_vec(),
            routes: Vec::new(),
            ..config.upstream.clone()
        };
        let in_flight = config.dns.limits.in_flight;
        Self { id, domains: Vec::new(), settings, in_flight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    const DEFAULT: &str = "upstream.servers = ['https://10.0.0.9/q']\n";

    fn roads(toml: &str, before: Option<&Roads>) -> Roads {
        let config = Config::parse(&format!("{DEFAULT}{toml}"), &Environment::default()).unwrap();
        Roads::new(&config, before, &Kept::new(None)).unwrap()
    }

    fn route(domain: &str, server: &str) -> String {
        format!("[[upstream.routes]]\ndomains = ['{domain}']\nservers = ['https://{server}/q']\n")
    }

    fn is_same(road: RouteId, one: &Roads, other: &Roads) -> bool {
        let carrier = |roads: &Roads| roads.find(road).unwrap().carrier.clone();
        Arc::ptr_eq(&carrier(one), &carrier(other))
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_reload_leaves_alone_is_kept_and_what_it_takes_away_ends_later() {
        let (corp, lab) = (route("corp", "10.0.0.1"), route("lab", "10.0.0.2"));
        let [to_corp, to_lab] =
            ["10.0.0.1", "10.0.0.2"].map(|s| RouteId::of(&[format!("https://{s}/q")]));
        let first = roads(&format!("{corp}{lab}"), None);

        let second = roads(&format!("{corp}{}", route("lan", "10.0.0.1")), Some(&first));
        assert!(is_same(RouteId::default(), &first, &second));
        assert!(is_same(to_corp, &first, &second), "another domain needs no other carrier");
        assert_eq!(second.status().len(), 2);
        assert_eq!(second.status()[1].domains.len(), 2);
        let third = roads(&corp, Some(&second));
        assert!(is_same(to_lab, &first, &third), "it is gone, but not for who waits");

        tokio::time::advance(KEPT).await;
        let fourth = roads(&corp, Some(&third));
        assert!(fourth.find(to_lab).is_none());
        let other = roads(&format!("upstream.timeout = '1s'\n{corp}"), Some(&fourth));
        assert!(!is_same(to_corp, &fourth, &other), "other settings, another carrier");
    }

    #[tokio::test(start_paused = true)]
    async fn new_servers_are_not_held_to_what_those_before_could_not_do() {
        let first = roads("", None);
        let progress = first.find(RouteId::default()).unwrap().progress.clone();
        let before = progress.good();

        roads("", Some(&first));
        assert_eq!(progress.good(), before);
        let toml = "upstream.timeout = '1s'";
        roads(toml, Some(&first));
        assert_eq!(progress.good(), before + 1, "all that was remembered ends");
    }

    #[tokio::test]
    async fn what_was_said_may_stay_as_long_as_all_who_may_have_said_it() {
        let servers = |servers: &str| format!("upstream.servers = [{servers}]\n");
        let new = |toml: &str, before: Option<&Roads>| {
            let config = Config::parse(toml, &Environment::default()).unwrap();
            Roads::new(&config, before, &Kept::new(None)).unwrap()
        };
        let [a, b] = ["'https://a.example/q#10.0.0.1'", "'https://10.0.0.2/q'"];
        let both = servers(&format!("{a}, {b}"));
        let elsewhere = a.replace("10.0.0.1", "10.0.0.3");

        for (before, after, may_stay) in [
            (both.clone(), servers(&format!("{b}, {a}")), true),
            (servers(a), both.clone(), true),
            (both.clone(), format!("upstream.timeout = '1s'\n{both}"), true),
            (format!("{both}{}", route("corp", "10.0.0.1")), both.clone(), true),
            (both.clone(), format!("{both}{}", route("corp", "10.0.0.1")), true),
            (both, servers(a), false),
            (servers(a), servers(b), false),
            (servers(a), servers(&elsewhere), false),
        ] {
            let old = new(&before, None);
            assert_eq!(new(&after, Some(&old)).has_servers_of_all(&old), may_stay, "{after}");
        }
    }
}
