//! The Dockerfile goes in, a verdict on the image it would make comes out. It is read, not built:
//! what it shares with the manifests and the package must not drift apart.

use std::collections::BTreeSet;

use crate::tree::{items, server, text};

#[test]
fn every_stage_is_built_on_a_named_version() {
    let dockerfile = text("Dockerfile");
    let bases: Vec<&str> = arguments(&dockerfile, "FROM ");

    assert_eq!(bases.len(), 3);
    for base in bases {
        let (_, tag) = base.split_once(':').unwrap_or((base, "latest"));
        assert!(!tag.starts_with("latest"), "{base}");
    }
}

#[test]
fn the_toolchain_is_the_one_the_package_needs() {
    let dockerfile = text("Dockerfile");
    let toolchain = arguments(&dockerfile, "ARG RUST_VERSION=");

    assert_eq!(toolchain, [env!("CARGO_PKG_RUST_VERSION")]);
}

#[test]
fn the_image_runs_as_the_user_of_the_deployment() {
    let dockerfile = text("Dockerfile");
    let context = &server().spec["securityContext"];
    let user = format!("{}:{}", context["runAsUser"], context["runAsGroup"]);

    assert_eq!(arguments(&dockerfile, "USER "), [user]);
}

#[test]
fn the_image_exposes_the_ports_of_the_deployment() {
    let dockerfile = text("Dockerfile");
    let exposed: BTreeSet<String> = arguments(&dockerfile, "EXPOSE ")
        .iter()
        .flat_map(|ports| ports.split_whitespace().map(str::to_owned))
        .collect();
    let used: BTreeSet<String> = items(&server().spec["containers"][0]["ports"])
        .map(|port| {
            let protocol = port["protocol"].as_str().unwrap_or_default().to_lowercase();
            format!("{}/{protocol}", port["containerPort"])
        })
        .collect();

    assert_eq!(exposed, used);
}

#[test]
fn the_image_starts_the_server_without_a_shell() {
    let dockerfile = text("Dockerfile");
    let last = dockerfile.rsplit("\nFROM ").next().unwrap_or_default();

    assert!(last.starts_with("gcr.io/distroless/"));
    assert!(!last.contains("\nRUN "), "there is no shell to run it");
    assert_eq!(arguments(last, "ENTRYPOINT "), [r#"["/dnsward"]"#]);
    assert_eq!(arguments(last, "CMD "), [r#"["serve"]"#]);
    assert!(last.contains(r#"CMD ["/dnsward", "healthcheck"]"#));
}

#[test]
fn the_settings_in_the_image_are_toml() {
    let dockerfile = text("Dockerfile");
    let inline = dockerfile.split("/etc/dnsward/dnsward.toml\n").nth(1).unwrap_or_default();
    let settings: toml::Table =
        inline.split("\nTOML\n").next().unwrap_or_default().parse().unwrap_or_default();

    assert_eq!(settings["admin"]["listen"].as_str(), Some("0.0.0.0:8080"));
    assert_eq!(settings["metrics"]["listen"].as_str(), Some("0.0.0.0:9090"));
}

/// What follows an instruction at the start of a line, each time it is given.
fn arguments<'a>(dockerfile: &'a str, instruction: &str) -> Vec<&'a str> {
    dockerfile.lines().filter_map(|line| line.strip_prefix(instruction)).collect()
}
