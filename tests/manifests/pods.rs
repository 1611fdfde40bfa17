//! Every pod goes in, a verdict on what it may do and use comes out: the `restricted` profile of
//! the Pod Security Standards and the house's own limits.

use serde_json::{Value, json};

use crate::tree::{
    Pod, document, documents, items, objects, of_kind, pods, server, strings, under,
};

/// The volumes that `restricted` allows; `hostPath` and network file systems are not among them.
const VOLUMES: [&str; 7] = [
    "configMap",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// The user of Istio's proxy, whose traffic is not captured (analyser message IST0144).
const MESH_PROXY: u64 = 1337;

#[test]
fn every_container_belongs_to_a_pod_we_look_at() {
    let containers: usize = objects().iter().map(|object| under(&object.body, "image").len()).sum();

    assert_eq!(pods().iter().map(|pod| pod.containers().count()).sum::<usize>(), containers);
    assert!(containers >= 3);
}

#[test]
fn every_pod_meets_the_restricted_profile() {
    for pod in pods() {
        let path = &pod.path;
        for key in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod.spec[key].is_null(), "{path}: {key}");
        }
        for volume in items(&pod.spec["volumes"]) {
            let allowed = VOLUMES.iter().any(|kind| volume.get(kind).is_some());
            assert!(allowed, "{path}: volume {}", volume["name"]);
        }
        assert_eq!(
            pod.spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault",
            "{path}"
        );
        for container in pod.containers() {
            assert_restricted(&pod, container);
        }
    }
}

fn assert_restricted(pod: &Pod, container: &Value) {
    let (path, name) = (&pod.path, &container["name"]);
    let own = &container["securityContext"];
    let inherited = &pod.spec["securityContext"];
    let effective = |key: &str| own.get(key).or_else(|| inherited.get(key)).cloned();

    assert_eq!(own["allowPrivilegeEscalation"], false, "{path}: {name}");
    assert_eq!(own["capabilities"], json!({ "drop": ["ALL"] }), "{path}: {name}");
    assert_eq!(own["readOnlyRootFilesystem"], true, "{path}: {name}");
    assert_eq!(effective("runAsNonRoot"), Some(json!(true)), "{path}: {name}");
    let user = effective("runAsUser").and_then(|user| user.as_u64());
    assert!(user.is_some_and(|user| user != 0), "{path}: {name}");
    for key in ["privileged", "procMount", "seLinuxOptions", "seccompProfile"] {
        assert!(own[key].is_null(), "{path}: {name}: {key}");
    }
    assert!(under(&container["ports"], "hostPort").is_empty(), "{path}: {name}: hostPort");
}

#[test]
fn no_patch_loosens_what_the_base_holds() {
    for patch in documents().iter().filter(|document| document.is_patch()) {
        for key in ["securityContext", "resources", "image", "volumes", "hostNetwork"] {
            assert!(under(&patch.body, key).is_empty(), "{}: {key}", patch.path);
        }
    }
}

#[test]
fn every_container_has_requests_and_limits() {
    for pod in pods() {
        for container in pod.containers() {
            for kind in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    let value = &container["resources"][kind][resource];
                    assert!(value.is_string(), "{}: {kind}.{resource}", pod.path);
                }
            }
        }
    }
}

#[test]
fn every_volume_on_the_node_has_a_size() {
    for pod in pods() {
        for volume in under(&pod.spec["volumes"], "emptyDir") {
            assert!(volume["sizeLimit"].is_string(), "{}", pod.path);
        }
    }
}

#[test]
fn every_image_has_a_version() {
    for object in objects() {
        for image in under(&object.body, "image").into_iter().filter_map(Value::as_str) {
            let last = image.rsplit('/').next().unwrap_or_default();
            let (_, tag) = last.split_once(':').unwrap_or((last, "latest"));
            assert!(tag != "latest" && !tag.is_empty(), "{}: {image}", object.path);
        }
    }
}

#[test]
fn the_server_has_the_version_of_this_package() {
    let version = env!("CARGO_PKG_VERSION");
    let pod = server();

    assert_eq!(pod.labels["app.kubernetes.io/version"], version);
    assert_eq!(pod.spec["containers"][0]["image"], format!("dnsward:{version}"));
    let base = document("k8s/base/kustomization.yaml");
    assert_eq!(base["images"][0]["newTag"], version);
}

#[test]
fn nobody_runs_as_the_mesh_proxy() {
    for document in documents() {
        for key in ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"] {
            for id in under(&document.body, key) {
                assert_ne!(id.as_u64(), Some(MESH_PROXY), "{}: {key}", document.path);
            }
        }
    }
}

#[test]
fn nobody_holds_a_token_of_the_api_server() {
    for pod in pods() {
        assert_eq!(pod.spec["automountServiceAccountToken"], false, "{}", pod.path);
    }
    for account in of_kind("ServiceAccount") {
        assert_eq!(account.body["automountServiceAccountToken"], false, "{}", account.path);
    }
}

#[test]
fn the_namespace_enforces_the_restricted_profile() {
    for namespace in of_kind("Namespace") {
        for mode in ["enforce", "warn", "audit"] {
            let label = format!("pod-security.kubernetes.io/{mode}");
            assert_eq!(namespace.body["metadata"]["labels"][&label], "restricted", "{label}");
        }
    }
}

#[test]
fn a_roll_out_leaves_no_moment_without_an_answer() {
    let deployment = &of_kind("Deployment")[0].body["spec"];
    let pod = server().spec;
    let pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
    let grace = pod["terminationGracePeriodSeconds"].as_u64();

    assert!(deployment["replicas"].as_u64() >= Some(2));
    assert_eq!(
        deployment["strategy"]["rollingUpdate"],
        json!({ "maxUnavailable": 0, "maxSurge": 1 })
    );
    assert!(pause >= Some(5) && pause < grace, "{pause:?} {grace:?}");
}

#[test]
fn probes_ask_the_metrics_listener() {
    let pod = server();
    let container = &pod.spec["containers"][0];

    for (probe, path) in
        [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")]
    {
        let wanted = json!({ "path": path, "port": "http-metrics" });
        assert_eq!(container[probe]["httpGet"], wanted, "{probe}");
    }
}

#[test]
fn clients_keep_the_mesh_from_answering_for_us() {
    let clients: Vec<_> =
        objects().into_iter().filter(|object| object.path.starts_with("k8s/clients/")).collect();
    assert!(!clients.is_empty());

    for client in clients {
        let annotations = under(&client.body, "annotations");
        let sidecar = annotations.iter().find_map(|one| one["proxy.istio.io/config"].as_str());
        let opt_out = r#"ISTIO_META_DNS_CAPTURE: "false""#;
        assert!(sidecar.is_some_and(|config| config.contains(opt_out)), "{}", client.path);
        let ambient = annotations.iter().any(|one| one["ambient.istio.io/dns-capture"] == "false");
        assert!(ambient, "{}", client.path);
    }
}

#[test]
fn the_client_pod_asks_over_tcp_and_nobody_else() {
    let pod = pods().into_iter().find(|pod| pod.path.ends_with("pod-use-vc.yaml"));
    let spec = pod.map(|pod| pod.spec).unwrap_or_default();

    assert_eq!(spec["dnsPolicy"], "None");
    assert_eq!(strings(&spec["dnsConfig"]["nameservers"]).len(), 1);
    assert!(items(&spec["dnsConfig"]["options"]).any(|option| option["name"] == "use-vc"));
}
