//! A query in wire form goes in, the HTTP request of RFC 8484 section 4.1 comes out. Kept apart so
//! that the bytes a server may see of us stand on one page.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Uri};

use crate::server::{Method, Server};

/// The media type of a DNS message (RFC 8484 section 6).
pub(crate) const DNS_MESSAGE: &str = "application/dns-message";

/// What a query is called in the URL of a GET (RFC 8484 section 4.1).
const VARIABLE: &str = "?dns=";

/// The alphabet of base64url (RFC 4648 section 5).
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What the requests to one server have in common, and which method it takes.
///
/// POST unless its URL says otherwise, because a path ends up in logs; no user agent, cookie or
/// language, because nothing in them helps a resolver (RFC 8484 section 8.2).
pub(crate) struct Template {
    url: Uri,
    post: HeaderMap,
    get: HeaderMap,
    habit: Habit,
}

impl Template {
    pub(crate) fn new(server: &Server) -> Self {
        let dns_message = HeaderValue::from_static(DNS_MESSAGE);
        let get = HeaderMap::from_iter([(ACCEPT, dns_message.clone())]);
        let mut post = get.clone();
        post.insert(CONTENT_TYPE, dns_message);
        // Has its place already, so that filling it in moves nothing.
        post.insert(CONTENT_LENGTH, HeaderValue::from(0));
        Self { url: server.url().clone(), post, get, habit: Habit::new(server.method()) }
    }

    /// Which method to use, to be told what came of it.
    pub(crate) fn habit(&self) -> &Habit {
        &self.habit
    }

    /// The head of a request, whose body is the query if it is a POST.
    pub(crate) fn head(&self, method: Method, query: &Bytes) -> Request<()> {
        let mut request = Request::new(());
        match method {
            Method::Post => {
                *request.method_mut() = http::Method::POST;
                *request.uri_mut() = self.url.clone();
                let headers = request.headers_mut();
                headers.clone_from(&self.post);
                headers.insert(CONTENT_LENGTH, HeaderValue::from(query.len()));
            }
            Method::Get => {
                *request.uri_mut() = self.url_with(query);
                request.headers_mut().clone_from(&self.get);
            }
        }
        request
    }

    fn url_with(&self, query: &[u8]) -> Uri {
        let mut path = String::with_capacity(VARIABLE.len() + query.len() * 2);
        path.push_str(self.url.path());
        path.push_str(VARIABLE);
        push_base64url(&mut path, query);
        let mut parts = self.url.clone().into_parts();
        // What was a path stays one with letters, digits, `-` and `_` behind it.
        if let Ok(path) = PathAndQuery::from_maybe_shared(Bytes::from(path)) {
            parts.path_and_query = Some(path);
        }
        Uri::from_parts(parts).unwrap_or_default()
    }
}

/// Which method a server takes: the one of its URL until it refuses that, then the other one, and
/// for ever the first that had success.
pub(crate) struct Habit {
    /// A [`Method`] and whether that is settled, see the constants.
    state: AtomicU8,
}

const POST: u8 = 0;
const GET: u8 = 1;
/// The other method was refused; this one is on trial.
const ON_TRIAL: u8 = 2;
/// There is nothing left to find out.
const SETTLED: u8 = 4;

impl Habit {
    fn new(method: Method) -> Self {
        Self { state: AtomicU8::new(if method == Method::Get { GET } else { POST }) }
    }

    pub(crate) fn method(&self) -> Method {
        method(self.state.load(Ordering::Relaxed))
    }

    /// Notes that a request had success: no refusal of this method means the method any more.
    pub(crate) fn note_success(&self, used: Method) {
        let state = self.state.load(Ordering::Relaxed);
        if state & SETTLED == 0 && method(state) == used {
            self.replace(state, (state & GET) | SETTLED);
        }
    }

    /// Notes a refusal that may mean the method; says which one to use instead, if any.
    pub(crate) fn note_refusal(&self, used: Method) -> Option<Method> {
        let state = self.state.load(Ordering::Relaxed);
        if method(state) != used {
            // Another query has found out meanwhile.
            return Some(method(state));
        }
        if state & SETTLED != 0 {
            return None;
        }
        let other = (state & GET) ^ GET;
        if state & ON_TRIAL != 0 {
            // It takes neither: back to what its URL says.
            self.replace(state, other | SETTLED);
            return None;
        }
        self.replace(state, other | ON_TRIAL);
        Some(method(other))
    }

    /// Whoever is first decides.
    fn replace(&self, before: u8, after: u8) {
        let _ = self.state.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed);
    }
}

fn method(state: u8) -> Method {
    if state & GET != 0 { Method::Get } else { Method::Post }
}

/// Appends bytes as base64url without padding.
fn push_base64url(text: &mut String, bytes: &[u8]) {
    let digit =
        |value: u32| BASE64URL.get(value as usize & 63).map_or('A', |digit| char::from(*digit));
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=group.len() {
            text.push(digit(bits >> (18 - 6 * place)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> Template {
        Template::new(&"https://dns.test/q#192.0.2.1".parse().expect("a good URL"))
    }

    #[test]
    fn t01_a_get_carries_the_query_of_the_rfc_in_its_url() {
        // RFC 8484 section 4.1.1, with its own two examples.
        let short = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";
        let long = b"\0\0\x01\0\0\x01\0\0\0\0\0\0\x01a\x3e62characterlabel-makes-base64url-\
            distinct-from-standard-base64\x07example\x03com\0\0\x01\0\x01";
        for (query, expected) in [
            (&short[..], "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"),
            (
                &long[..],
                "AAABAAABAAAAAAAAAWE-NjJjaGFyYWN0ZXJsYWJlbC1tYWtlcy1iYXNlNjR1cmwtZGlzdGluY3QtZnJvb\
                 S1zdGFuZGFyZC1iYXNlNjQHZXhhbXBsZQNjb20AAAEAAQ",
            ),
        ] {
            let head = template().head(Method::Get, &Bytes::copy_from_slice(query));

            assert_eq!(head.method(), http::Method::GET);
            assert_eq!(head.uri().to_string(), format!("https://dns.test/q?dns={expected}"));
            assert_eq!(head.headers().len(), 1);
            assert_eq!(head.headers()[ACCEPT], DNS_MESSAGE);
        }
    }

    #[test]
    fn t01_base64url_is_that_of_rfc_4648_without_padding() {
        for (bytes, expected) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"\xfb\xff", "-_8"),
        ] {
            let mut text = String::new();
            push_base64url(&mut text, bytes);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn a_refused_method_is_exchanged_once_and_for_ever() {
        let habit = Habit::new(Method::Post);

        assert_eq!(habit.note_refusal(Method::Post), Some(Method::Get));
        // A query that was under way meanwhile follows.
        assert_eq!(habit.note_refusal(Method::Post), Some(Method::Get));
        habit.note_success(Method::Get);

        assert_eq!(habit.note_refusal(Method::Get), None);
        assert_eq!(habit.method(), Method::Get);
    }

    #[test]
    fn a_server_that_takes_neither_method_keeps_the_one_of_its_url() {
        let habit = Habit::new(Method::Get);

        assert_eq!(habit.note_refusal(Method::Get), Some(Method::Post));
        assert_eq!(habit.note_refusal(Method::Post), None);

        assert_eq!(habit.method(), Method::Get);
        assert_eq!(habit.note_refusal(Method::Get), None);
    }

    #[test]
    fn a_method_that_had_success_is_never_exchanged() {
        let habit = Habit::new(Method::Post);
        habit.note_success(Method::Post);

        assert_eq!(habit.note_refusal(Method::Post), None);
        assert_eq!(habit.method(), Method::Post);
    }
}
