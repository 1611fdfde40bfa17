//! A modifier's name goes in, and whether it is about what a browser loads into pages comes out.
//! A rule with such a modifier is right where it was written for and says nothing about names, so
//! it is counted apart from the lines with mistakes. Without the modifier it would block far more
//! than its author meant: most `$third-party` rules are about sites that people visit too.

/// Whether only a browser can tell when a rule with this modifier holds.
pub(super) fn is_page_only(modifier: &str) -> bool {
    let modifier = modifier.strip_prefix('~').unwrap_or(modifier);
    PAGE_ONLY.binary_search(&modifier).is_ok()
}

/// The modifiers of Adblock Plus, uBlock Origin and AdGuard that are about what is asked for, for
/// which page, by which program, or about what is done to it. In order, for the search.
const PAGE_ONLY: [&str; 71] = [
    "1p",
    "3p",
    "app",
    "cname",
    "content",
    "cookie",
    "csp",
    "css",
    "doc",
    "document",
    "domain",
    "ehide",
    "elemhide",
    "empty",
    "extension",
    "first-party",
    "font",
    "frame",
    "from",
    "genericblock",
    "generichide",
    "ghide",
    "header",
    "hls",
    "image",
    "inline-font",
    "inline-script",
    "ipaddress",
    "jsinject",
    "jsonprune",
    "match-case",
    "media",
    "method",
    "mp4",
    "object",
    "object-subrequest",
    "other",
    "permissions",
    "ping",
    "popunder",
    "popup",
    "queryprune",
    "redirect",
    "redirect-rule",
    "referrerpolicy",
    "removeheader",
    "removeparam",
    "replace",
    "rewrite",
    "script",
    "shide",
    "sitekey",
    "specifichide",
    "stealth",
    "strict-first-party",
    "strict-third-party",
    "strict1p",
    "strict3p",
    "stylesheet",
    "subdocument",
    "third-party",
    "to",
    "uritransform",
    "urlblock",
    "urlskip",
    "urltransform",
    "webrtc",
    "websocket",
    "xhr",
    "xmlhttprequest",
    "xmlprune",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modifiers_are_in_order_each_once() {
        assert!(PAGE_ONLY.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn a_modifier_may_be_turned_round() {
        assert!(is_page_only("third-party"));
        assert!(is_page_only("~third-party"));
        assert!(!is_page_only("ctag"));
        assert!(!is_page_only(""));
    }
}
