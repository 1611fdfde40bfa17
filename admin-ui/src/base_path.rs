//! The configured base path goes in, routes, links and cookie paths come out.

use tracing::warn;

/// Says whether `text` can be a base path: `/`, or segments of letters, digits, `-`, `.`, `_`
/// and `~` between slashes.
///
/// ```
/// assert!(admin_ui::is_base_path("/dns/"));
/// assert!(!admin_ui::is_base_path("/dns/?x"));
/// ```
#[must_use]
pub fn is_base_path(text: &str) -> bool {
    text.starts_with('/') && segments(text).all(is_segment)
}

/// A base path that begins and ends with a slash and needs no escaping anywhere: not in a route,
/// not in HTML, not in a cookie.
#[derive(Clone, Debug)]
pub(crate) struct BasePath(String);

impl BasePath {
    /// Takes the setting. A bad one is logged and served as `/`, so that the page stays reachable.
    pub(crate) fn new(setting: String) -> Self {
        if !setting.is_empty() && !is_base_path(&setting) {
            warn!(base_path = setting, "the base path has characters it cannot have, using /");
            return Self("/".to_owned());
        }
        let path = segments(&setting).fold("/".to_owned(), |path, segment| path + segment + "/");
        if path == setting { Self(setting) } else { Self(path) }
    }

    /// The path itself: where the page is, what `<base href>` says and what cookies are sent for.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The route of something below the base.
    pub(crate) fn route(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The same place as people type it, unless it is the root.
    pub(crate) fn without_slash(&self) -> Option<String> {
        self.0.strip_suffix('/').filter(|bare| !bare.is_empty()).map(ToOwned::to_owned)
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// Whether a request path belongs to the API, where errors are JSON.
    pub(crate) fn is_api(&self, path: &str) -> bool {
        path.strip_prefix(self.as_str())
            .is_some_and(|below| below == "api" || below.starts_with("api/"))
    }
}

fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|segment| !segment.is_empty())
}

fn is_segment(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    segment.bytes().all(plain) && segment != "." && segment != ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_are_added_where_they_are_missing() {
        for (setting, path) in
            [("", "/"), ("/", "/"), ("/dns", "/dns/"), ("/dns/", "/dns/"), ("//a//b", "/a/b/")]
        {
            assert_eq!(BasePath::new(setting.to_owned()).as_str(), path, "{setting}");
        }
    }

    #[test]
    fn a_path_that_needs_escaping_is_not_used() {
        for setting in ["dns", "/{x}", "/a b", "/\"><script>", "/a;b", "/../x", "/%2e"] {
            assert!(!is_base_path(setting), "{setting}");
            assert_eq!(BasePath::new(setting.to_owned()).as_str(), "/", "{setting}");
        }
    }

    #[test]
    fn the_api_is_told_apart_from_pages() {
        let base = BasePath::new("/dns/".to_owned());

        assert!(base.is_api("/dns/api/v1/status"));
        assert!(base.is_api("/dns/api"));
        assert!(!base.is_api("/dns/apis"));
        assert!(!base.is_api("/api/v1/status"));
    }
}
