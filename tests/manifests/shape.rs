//! The names of the files go in, a verdict on each comes out, so that a reader finds an object by
//! its file name and no file is left out of the build unseen.

use std::collections::BTreeSet;

use crate::tree::{documents, objects, strings, under};

#[test]
fn each_file_holds_one_object_and_is_named_after_it() {
    for document in documents() {
        if document.is_kustomization() {
            continue;
        }
        let file = document.path.rsplit('/').next().unwrap_or_default();
        let stem = file.trim_end_matches(".yaml").trim_end_matches(".patch");
        let (kind, name) = (document.kind().to_lowercase(), document.name());
        let wanted = [kind.clone(), format!("{kind}-{name}")];
        assert!(wanted.iter().any(|one| one == stem), "{}: is {wanted:?}", document.path);
    }
    let paths: Vec<String> = documents().into_iter().map(|document| document.path).collect();
    let distinct: BTreeSet<&String> = paths.iter().collect();
    assert_eq!(distinct.len(), paths.len(), "a file with two documents among {paths:?}");
}

#[test]
fn each_kustomization_uses_every_file_beside_it() {
    let documents = documents();
    for kustomization in documents.iter().filter(|document| document.is_kustomization()) {
        let folder = kustomization.path.trim_end_matches("kustomization.yaml");
        let beside: BTreeSet<&str> = documents
            .iter()
            .filter(|document| !document.is_kustomization())
            .filter_map(|document| document.path.strip_prefix(folder))
            .collect();

        let patches = under(&kustomization.body["patches"], "path");
        let used: BTreeSet<&str> = strings(&kustomization.body["resources"])
            .into_iter()
            .chain(patches.into_iter().filter_map(|path| path.as_str()))
            .filter(|path| !path.starts_with("../"))
            .collect();

        assert_eq!(beside, used, "{}", kustomization.path);
    }
}

#[test]
fn no_secret_is_kept_in_a_file() {
    for object in objects() {
        assert_ne!(object.kind(), "Secret", "{}", object.path);
        assert!(under(&object.body, "stringData").is_empty(), "{}", object.path);
    }
    for document in documents().iter().filter(|document| document.is_kustomization()) {
        let secrets = &document.body["secretGenerator"];
        assert!(under(secrets, "literals").is_empty(), "{}: a known password", document.path);
    }
}
