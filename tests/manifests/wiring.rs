//! Names and numbers that one file takes from another go in, a verdict on each pair comes out. A
//! cluster accepts a selector that selects nothing; only the traffic tells.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::tree::{
    document, documents, items, objects, of_kind, server, settings, strings, text, under,
};

const BASE: &str = "k8s/base/dnsward.toml";
const MESH: &str = "k8s/overlays/istio-sidecar/dnsward.toml";

#[test]
fn services_find_the_ports_of_the_server() {
    let pod = server();
    let container = &pod.spec["containers"][0];

    for service in of_kind("Service") {
        assert_selects(&service.body["spec"]["selector"], &pod.labels, &service.path);
        for port in items(&service.body["spec"]["ports"]) {
            let found = items(&container["ports"]).any(|own| {
                own["name"] == port["targetPort"] && own["protocol"] == port["protocol"]
            });
            assert!(found, "{}: {}", service.path, port["name"]);
        }
    }
}

#[test]
fn every_selector_selects_the_server() {
    let labels = server().labels;
    let selecting = ["AuthorizationPolicy", "Deployment", "NetworkPolicy", "PodDisruptionBudget"];

    for kind in selecting {
        for object in of_kind(kind) {
            let key = if kind == "NetworkPolicy" { "podSelector" } else { "selector" };
            let selector = &object.body["spec"][key]["matchLabels"];
            assert_selects(selector, &labels, &object.path);
        }
    }
    for constraint in items(&server().spec["topologySpreadConstraints"]) {
        assert_selects(&constraint["labelSelector"]["matchLabels"], &labels, "topology");
    }
}

fn assert_selects(selector: &Value, labels: &Map<String, Value>, path: &str) {
    let wanted = selector.as_object().cloned().unwrap_or_default();
    assert!(!wanted.is_empty(), "{path}: selects everything");
    for (key, value) in wanted {
        assert_eq!(labels.get(&key), Some(&value), "{path}: {key}");
    }
}

#[test]
fn settings_listen_on_the_ports_of_the_container() {
    let pod = server();
    let named = |name: &str| {
        let ports = &pod.spec["containers"][0]["ports"];
        let port = items(ports).find(|port| port["name"] == name);
        port.map(|port| format!(":{}", port["containerPort"])).unwrap_or_default()
    };

    for path in [BASE, MESH] {
        let settings = settings(path);
        for listen in settings["dns"]["listen"].as_array().into_iter().flatten() {
            let listen = listen.as_str().unwrap_or_default();
            assert!(listen.ends_with(&named("dns-udp")), "{path}: {listen}");
            assert!(listen.ends_with(&named("dns-tcp")), "{path}: {listen}");
        }
        for (table, name) in [("admin", "http-admin"), ("metrics", "http-metrics")] {
            let listen = settings[table]["listen"].as_str().unwrap_or_default();
            assert_eq!(listen, format!("0.0.0.0{}", named(name)), "{path}: {table}");
        }
    }
}

#[test]
fn settings_name_the_files_that_are_mounted() {
    let spec = server().spec;
    let mounts = &spec["containers"][0]["volumeMounts"];
    let place = |volume: &str| {
        let mount = items(mounts).find(|mount| mount["name"] == volume);
        mount.and_then(|mount| mount["mountPath"].as_str()).unwrap_or_default().to_owned()
    };
    let secret = under(&spec["volumes"], "items")[0][0]["path"].as_str().unwrap_or_default();

    let arguments = strings(&spec["containers"][0]["args"]).join(" ");
    assert_eq!(arguments, format!("serve --config {}/dnsward.toml", place("config")));
    for path in [BASE, MESH] {
        let settings = settings(path);
        assert_eq!(settings["data_dir"].as_str(), Some(place("data").as_str()), "{path}");
        let hash = settings["admin"]["password_hash_file"].as_str().unwrap_or_default();
        assert_eq!(hash, format!("{}/{secret}", place("config")), "{path}");
    }
}

#[test]
fn the_server_starts_without_the_secret() {
    let volumes = &server().spec["volumes"];
    let secrets = under(volumes, "secret");

    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["name"], "dnsward-admin");
    assert_eq!(secrets[0]["optional"], true);
    let component = document("k8s/components/admin-password/kustomization.yaml");
    assert_eq!(component["secretGenerator"][0]["name"], "dnsward-admin");
}

#[test]
fn the_settings_of_the_mesh_differ_only_where_the_mesh_does() {
    let mut mesh = settings(MESH);
    let mut take = |table: &str, key: &str| {
        mesh.get_mut(table)
            .and_then(toml::Value::as_table_mut)
            .and_then(|table| table.remove(key))
            .unwrap_or_else(|| panic!("{MESH}: {table}.{key} is missing"))
    };

    assert_eq!(take("dns", "udp").as_str(), Some("truncate"));
    assert_eq!(mesh, settings(BASE));
}

#[test]
fn hosts_of_the_mesh_are_services() {
    let services: BTreeSet<(String, u64)> = of_kind("Service")
        .iter()
        .flat_map(|service| {
            let name = service.name().to_owned();
            let ports =
                items(&service.body["spec"]["ports"]).filter_map(|port| port["port"].as_u64());
            ports.map(move |port| (name.clone(), port)).collect::<Vec<_>>()
        })
        .collect();

    for route in of_kind("VirtualService") {
        for destination in under(&route.body, "destination") {
            let host = destination["host"].as_str().unwrap_or_default().to_owned();
            let port = destination["port"]["number"].as_u64().unwrap_or_default();
            assert!(services.contains(&(host.clone(), port)), "{}: {host}:{port}", route.path);
        }
    }
    for rule in of_kind("DestinationRule") {
        let host = rule.body["spec"]["host"].as_str().unwrap_or_default();
        assert!(services.iter().any(|(name, _)| name == host), "{}: {host}", rule.path);
    }
}

#[test]
fn routes_of_the_ingress_name_a_gateway_that_exists() {
    let gateways = of_kind("Gateway");

    for route in of_kind("VirtualService") {
        let named = strings(&route.body["spec"]["gateways"]);
        assert!(!named.is_empty(), "{}", route.path);
        for name in named {
            assert!(
                gateways.iter().any(|gateway| gateway.name() == name),
                "{}: {name}",
                route.path
            );
        }
    }
}

#[test]
fn no_time_out_is_one_that_istio_refuses() {
    for document in documents() {
        for timeout in under(&document.body, "timeout") {
            assert_ne!(timeout, "0s", "{}: must be at least 1ms, or left out", document.path);
        }
    }
}

#[test]
fn the_mesh_knows_every_upstream_by_name_and_address() {
    let entries = of_kind("ServiceEntry");
    let settings = settings(MESH);
    let servers = settings["upstream"]["servers"].as_array().cloned().unwrap_or_default();
    assert!(!servers.is_empty());

    for server in servers.iter().filter_map(toml::Value::as_str) {
        let (url, addresses) = server.split_once('#').unwrap_or((server, ""));
        let host = url.trim_start_matches("https://").split('/').next().unwrap_or_default();
        let pinned: Vec<&str> = addresses.split(',').collect();
        let entry = entries.iter().find(|entry| strings(&entry.body["spec"]["hosts"]) == [host]);
        let spec = entry.map(|entry| entry.body["spec"].clone()).unwrap_or_default();

        assert_eq!(spec["resolution"], "STATIC", "{host}");
        assert_eq!(strings(&spec["addresses"]), pinned, "{host}");
        let endpoints = under(&spec["endpoints"], "address");
        assert_eq!(endpoints, strings(&spec["addresses"]), "{host}");
    }
}

#[test]
fn the_mesh_lets_every_list_through() {
    let urls: Vec<String> = text(MESH)
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").strip_prefix("url = \"https://"))
        .map(|rest| rest.split('/').next().unwrap_or_default().to_owned())
        .collect();
    assert!(!urls.is_empty());

    let entries = of_kind("ServiceEntry");
    for host in urls {
        let known = entries.iter().any(|entry| strings(&entry.body["spec"]["hosts"]) == [&host]);
        assert!(known, "{host}");
    }
}

#[test]
fn the_public_host_is_written_in_one_place() {
    let host = "dns.example.com";
    let holders: Vec<String> = documents()
        .iter()
        .filter(|document| document.body.to_string().contains(host))
        .map(|document| document.path.clone())
        .collect();

    assert_eq!(holders, ["k8s/overlays/istio-sidecar/virtualservice.yaml"]);
    for path in [BASE, MESH] {
        assert!(!text(path).contains(host), "{path}");
    }
}

#[test]
fn the_public_host_is_copied_to_wherever_it_is_needed() {
    let overlay = document("k8s/overlays/istio-sidecar/kustomization.yaml");
    let mut copies = 0;
    for target in under(&overlay["replacements"], "targets").into_iter().flat_map(items) {
        copies += strings(&target["fieldPaths"]).len();
    }

    let gaps: usize = objects()
        .iter()
        .map(|object| object.body.to_string())
        .chain([document("k8s/overlays/istio-sidecar/deployment.patch.yaml").to_string()])
        .map(|text| text.matches("replaced.invalid").count())
        .sum();

    assert_eq!(copies, gaps);
    assert_eq!(copies, 3);
}
