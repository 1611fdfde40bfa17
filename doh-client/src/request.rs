//! A query in wire form goes in, the HTTP request of RFC 8484 section 4.1 comes out. Kept apart so
//! that the bytes a server may see of us stand on one page.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, request};
use http_body_util::Full;

use crate::server::Server;

/// The media type of a DNS message (RFC 8484 section 6).
pub(crate) const DNS_MESSAGE: &str = "application/dns-message";

/// Everything of a request but its body, made once for each server.
///
/// POST, because its path never ends up in a log with a name in it; no user agent, cookie or
/// language, because nothing in them helps a resolver (RFC 8484 section 8.2).
pub(crate) struct Template(request::Parts);

impl Template {
    pub(crate) fn new(server: &Server) -> Self {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = server.url().clone();
        let dns_message = HeaderValue::from_static(DNS_MESSAGE);
        request.headers_mut().insert(ACCEPT, dns_message.clone());
        request.headers_mut().insert(CONTENT_TYPE, dns_message);
        Self(request.into_parts().0)
    }

    /// The request for one query; hyper adds its `content-length`.
    pub(crate) fn post(&self, query: Bytes) -> Request<Full<Bytes>> {
        Request::from_parts(self.0.clone(), Full::new(query))
    }
}
