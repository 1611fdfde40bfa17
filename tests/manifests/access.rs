//! The policies go in, a verdict on who gets through comes out: the kind of mistake that shows only
//! when somebody uses it.

use serde_json::{Value, json};

use crate::tree::{document, items, of_kind, strings, under};

/// What an AuthorizationPolicy can say of HTTP only. On a TCP port an ALLOW with one of these
/// matches nothing.
const HTTP_FIELDS: [&str; 10] = [
    "hosts",
    "methods",
    "notHosts",
    "notMethods",
    "notPaths",
    "notRemoteIpBlocks",
    "paths",
    "remoteIpBlocks",
    "requestPrincipals",
    "notRequestPrincipals",
];

#[test]
fn dns_is_open_over_udp_and_tcp() {
    for path in [
        "k8s/base/networkpolicy-dns.yaml",
        "k8s/overlays/istio-sidecar/networkpolicy-dns.patch.yaml",
    ] {
        let policy = document(path);
        for protocol in ["UDP", "TCP"] {
            let wanted = json!({ "port": 1053, "protocol": protocol });
            let open = under(&policy["spec"]["ingress"], "ports")
                .into_iter()
                .any(|ports| items(ports).any(|port| *port == wanted));
            assert!(open, "{path}: {protocol}");
        }
    }
}

#[test]
fn in_the_mesh_udp_is_for_namespaces_of_the_mesh() {
    let policy = document("k8s/overlays/istio-sidecar/networkpolicy-dns.patch.yaml");
    let udp = items(&policy["spec"]["ingress"])
        .filter(|rule| items(&rule["ports"]).any(|port| port["protocol"] == "UDP"));

    for rule in udp {
        let peers: Vec<&Value> = items(&rule["from"]).collect();
        assert!(!peers.is_empty(), "open to all");
        for peer in peers {
            let selector = peer["namespaceSelector"].to_string();
            assert!(selector.contains("istio"), "{selector}");
        }
    }
}

#[test]
fn no_network_policy_is_open_to_the_world() {
    for policy in of_kind("NetworkPolicy") {
        let spec = &policy.body["spec"];
        for (rules, peers) in [("ingress", "from"), ("egress", "to")] {
            for rule in items(&spec[rules]) {
                assert!(items(&rule[peers]).next().is_some(), "{}: {rules}", policy.path);
                assert!(items(&rule["ports"]).next().is_some(), "{}: {rules}", policy.path);
            }
        }
    }
}

#[test]
fn only_https_leaves() {
    let policy = document("k8s/base/networkpolicy-egress.yaml");

    assert_eq!(policy["spec"]["policyTypes"], json!(["Egress"]));
    for ports in under(&policy["spec"]["egress"], "ports") {
        assert_eq!(*ports, json!([{ "port": 443, "protocol": "TCP" }]));
    }
    let except = under(&policy["spec"]["egress"], "except");
    assert!(except.iter().any(|ranges| strings(ranges).contains(&"169.254.0.0/16")));
}

#[test]
fn the_admin_listener_is_for_named_namespaces() {
    for policy in of_kind("NetworkPolicy") {
        for rule in items(&policy.body["spec"]["ingress"]) {
            if items(&rule["ports"]).any(|port| port["port"] == 8080 || port["port"] == 9090) {
                let selector = rule["from"][0]["namespaceSelector"].to_string();
                assert!(selector.contains("kubernetes.io/metadata.name"), "{}", policy.path);
            }
        }
    }
}

#[test]
fn services_are_for_the_cluster() {
    for service in of_kind("Service") {
        assert_eq!(service.body["spec"]["type"], "ClusterIP", "{}", service.path);
    }
}

#[test]
fn authorization_of_tcp_ports_says_nothing_of_http() {
    for policy in of_kind("AuthorizationPolicy") {
        let ports: Vec<&str> = under(&policy.body, "ports").into_iter().flat_map(strings).collect();
        assert_eq!(ports.len(), 1, "{}: one listener each", policy.path);
        if ports == ["8080"] {
            continue;
        }
        for field in HTTP_FIELDS {
            assert!(under(&policy.body["spec"]["rules"], field).is_empty(), "{}", policy.path);
        }
        assert!(policy.body["spec"]["rules"][0].get("when").is_none(), "{}", policy.path);
    }
}

#[test]
fn each_listener_has_an_authorization_that_names_its_clients() {
    let mut ports = Vec::new();
    for policy in of_kind("AuthorizationPolicy") {
        assert_eq!(policy.body["spec"]["action"], "ALLOW", "{}", policy.path);
        for rule in items(&policy.body["spec"]["rules"]) {
            let source = &rule["from"][0]["source"];
            let named = strings(&source["principals"]).len() + strings(&source["namespaces"]).len();
            assert!(named > 0, "{}: anyone", policy.path);
            ports.extend(
                strings(&rule["to"][0]["operation"]["ports"]).into_iter().map(str::to_owned),
            );
        }
    }
    ports.sort();

    assert_eq!(ports, ["1053", "8080", "9090"]);
}

#[test]
fn a_principal_with_a_wildcard_names_no_trust_domain() {
    // Istio replaces `cluster.local` only in a principal of five parts; in the others it is literal
    // and matches nothing in a mesh whose trust domain is called otherwise.
    for policy in of_kind("AuthorizationPolicy") {
        for principal in under(&policy.body, "principals").into_iter().flat_map(strings) {
            let whole = principal.split('/').count() == 5 && !principal.contains('*');
            assert!(whole || principal.starts_with('*'), "{}: {principal}", policy.path);
        }
    }
}

#[test]
fn mutual_tls_is_strict_without_exceptions() {
    for policy in of_kind("PeerAuthentication") {
        assert_eq!(policy.body["spec"], json!({ "mtls": { "mode": "STRICT" } }), "{}", policy.path);
    }
    for rule in of_kind("DestinationRule") {
        assert!(under(&rule.body, "tls").is_empty(), "{}: would turn it off", rule.path);
    }
}
