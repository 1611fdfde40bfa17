//! The directory `k8s/` goes in, its YAML documents and settings come out, so that the tests can
//! speak of objects, pods and labels instead of files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

/// One YAML document and the file it stands in, relative to the package.
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) body: Value,
}

impl Document {
    pub(crate) fn kind(&self) -> &str {
        self.body["kind"].as_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.body["metadata"]["name"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_patch(&self) -> bool {
        self.path.ends_with(".patch.yaml")
    }

    pub(crate) fn is_kustomization(&self) -> bool {
        self.path.ends_with("/kustomization.yaml")
    }
}

/// What a Pod, or the template of a workload, says about its pods.
pub(crate) struct Pod {
    pub(crate) path: String,
    pub(crate) labels: Map<String, Value>,
    pub(crate) spec: Value,
}

impl Pod {
    pub(crate) fn containers(&self) -> impl Iterator<Item = &Value> {
        ["containers", "initContainers"].into_iter().flat_map(|key| items(&self.spec[key]))
    }
}

/// Every YAML document under `k8s/`.
pub(crate) fn documents() -> Vec<Document> {
    let mut paths = Vec::new();
    walk(&root().join("k8s"), &mut paths);
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.iter().flat_map(|path| parse(path)).collect()
}

/// The documents a cluster is given as they are: no patches, no kustomizations.
pub(crate) fn objects() -> Vec<Document> {
    let mut documents = documents();
    documents.retain(|document| !document.is_patch() && !document.is_kustomization());
    documents
}

/// The objects of a kind; there is at least one.
pub(crate) fn of_kind(kind: &str) -> Vec<Document> {
    let mut objects = objects();
    objects.retain(|object| object.kind() == kind);
    assert!(!objects.is_empty(), "k8s/ holds no {kind}");
    objects
}

/// The one document in a file.
pub(crate) fn document(path: &str) -> Value {
    let mut found = parse(&root().join(path));
    assert_eq!(found.len(), 1, "{path}");
    found.remove(0).body
}

/// All pods, of whatever object.
pub(crate) fn pods() -> Vec<Pod> {
    objects().iter().filter_map(pod).collect()
}

/// The pods of the Deployment that all Services and policies are about.
pub(crate) fn server() -> Pod {
    of_kind("Deployment").iter().find_map(pod).expect("a Deployment has a template")
}

/// A settings file.
pub(crate) fn settings(path: &str) -> toml::Table {
    text(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The items of a list; none where there is no list.
pub(crate) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The strings of a list.
pub(crate) fn strings(list: &Value) -> Vec<&str> {
    items(list).filter_map(Value::as_str).collect()
}

/// All values under a key, however deep.
pub(crate) fn under<'a>(value: &'a Value, key: &str) -> Vec<&'a Value> {
    match value {
        Value::Array(list) => list.iter().flat_map(|item| under(item, key)).collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, field)| {
                (name == key).then_some(field).into_iter().chain(under(field, key))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn pod(object: &Document) -> Option<Pod> {
    let body = &object.body;
    let template = if object.kind() == "Pod" { body } else { &body["spec"]["template"] };
    template["spec"].get("containers")?;
    Some(Pod {
        path: object.path.clone(),
        labels: template["metadata"]["labels"].as_object().cloned().unwrap_or_default(),
        spec: template["spec"].clone(),
    })
}

fn parse(path: &Path) -> Vec<Document> {
    let short = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    let bodies: Vec<Value> = serde_saphyr::from_multiple(&text(&short))
        .unwrap_or_else(|error| panic!("{short}: {error}"));
    bodies.into_iter().map(|body| Document { path: short.clone(), body }).collect()
}

fn walk(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, paths) } else { paths.push(path) }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
