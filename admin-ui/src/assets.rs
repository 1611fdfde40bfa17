//! A name below `assets/` comes in, the file `build.rs` put into the binary goes out.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{
        ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
    },
};
use serde::Serialize;

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Which page this binary carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ui {
    /// The Svelte page.
    Full,
    /// One plain page, because the front end was not built; the API is whole.
    Plain,
}

/// One embedded file. Its name carries a hash of its bytes, so it never changes.
struct Asset {
    name: &'static str,
    kind: &'static str,
    tag: &'static str,
    bytes: &'static [u8],
    gzip: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
}

/// `GET assets/{name}`. Needs no session: the log-in page uses them too.
pub(crate) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "There is no such file.\n").into_response();
    };
    let (bytes, encoding) = asset.best_for(&headers);
    let tag = format!("\"{}{}\"", asset.tag, encoding.map_or("", |encoding| encoding.suffix));
    let about = [
        (CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
        (VARY, ACCEPT_ENCODING.to_string()),
        (ETAG, tag.clone()),
    ];
    if is_known(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let mut response = (about, [(CONTENT_TYPE, asset.kind)], bytes).into_response();
    if let Some(encoding) = encoding {
        response.headers_mut().insert(CONTENT_ENCODING, encoding.name());
    }
    response
}

/// A compression that was done at build time.
#[derive(Clone, Copy)]
struct Encoding {
    token: &'static str,
    /// What sets its entity tag apart from the others'.
    suffix: &'static str,
}

const BROTLI: Encoding = Encoding { token: "br", suffix: "-br" };
const GZIP: Encoding = Encoding { token: "gzip", suffix: "-gz" };

impl Encoding {
    const fn name(self) -> http::HeaderValue {
        http::HeaderValue::from_static(self.token)
    }
}

impl Asset {
    fn best_for(&self, headers: &HeaderMap) -> (&'static [u8], Option<Encoding>) {
        let choices = [(self.brotli, BROTLI), (self.gzip, GZIP)];
        choices
            .into_iter()
            .filter_map(|(bytes, encoding)| bytes.zip(Some(encoding)))
            .find(|(_, encoding)| accepts(headers, encoding.token))
            .map_or((self.bytes, None), |(bytes, encoding)| (bytes, Some(encoding)))
    }
}

/// Whether `Accept-Encoding` names a compression and does not forbid it with `q=0`.
fn accepts(headers: &HeaderMap, token: &str) -> bool {
    list(headers, &ACCEPT_ENCODING).any(|item| {
        let (name, quality) = item.split_once(';').unwrap_or((item, ""));
        let forbidden = quality
            .trim()
            .strip_prefix("q=")
            .and_then(|quality| quality.parse::<f32>().ok())
            .is_some_and(|quality| quality <= 0.0);
        name.trim().eq_ignore_ascii_case(token) && !forbidden
    })
}

fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    list(headers, &IF_NONE_MATCH)
        .any(|item| item == "*" || item.strip_prefix("W/").unwrap_or(item) == tag)
}

fn list<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}
