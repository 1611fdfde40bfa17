//! The files under `k8s/` and the Dockerfile go in, verdicts on them come out: what a cluster would
//! refuse or, worse, accept and not do. They are read as files, so neither a cluster nor kubectl is
//! needed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what cannot be read is a failed test; a JSON value answers `Null` for a missing key"
)]

#[path = "manifests/access.rs"]
mod access;
#[path = "manifests/image.rs"]
mod image;
#[path = "manifests/pods.rs"]
mod pods;
#[path = "manifests/shape.rs"]
mod shape;
#[path = "manifests/tree.rs"]
mod tree;
#[path = "manifests/wiring.rs"]
mod wiring;
