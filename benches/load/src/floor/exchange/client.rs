//! A query goes in, the body of the answer comes out: one page for each client that is compared.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::SendRequest;

use crate::load::doh::DohServer;

/// Media type of requests and answers (RFC 8484 section 6).
const MEDIA_TYPE: &str = "application/dns-message";

/// Somebody who speaks DoH to one server.
pub(super) trait Client {
    /// Sends a query and waits for its answer.
    async fn exchange(&self, query: &Bytes) -> io::Result<Bytes>;
}

/// One connection of hyper.
pub(super) struct Hyper {
    sender: SendRequest<Full<Bytes>>,
    url: Uri,
}

impl Hyper {
    pub(super) async fn connect(url: &str, roots: &[u8]) -> io::Result<Self> {
        let server = DohServer::parse(url, roots).map_err(io::Error::other)?;
        let sender = server.connect().await.map_err(io::Error::other)?;
        Ok(Self { sender, url: server.url() })
    }
}

impl Client for Hyper {
    async fn exchange(&self, query: &Bytes) -> io::Result<Bytes> {
        let request = Request::post(self.url.clone())
            .header("accept", MEDIA_TYPE)
            .header("content-type", MEDIA_TYPE)
            .body(Full::from(query.clone()))
            .map_err(io::Error::other)?;
        let mut sender = self.sender.clone();
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        if response.status() != StatusCode::OK {
            return Err(io::Error::other(response.status().to_string()));
        }
        Ok(response.into_body().collect().await.map_err(io::Error::other)?.to_bytes())
    }
}

/// reqwest with what its documentation offers for a single HTTP/2 server.
pub(super) struct Reqwest {
    client: reqwest::Client,
    url: String,
}

impl Reqwest {
    pub(super) fn new(url: &str, roots: &[u8]) -> io::Result<Self> {
        // The process has no default provider, and reqwest is built without one.
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let _ = provider.install_default();
        let root = reqwest::Certificate::from_pem(roots).map_err(io::Error::other)?;
        let client = reqwest::Client::builder()
            .tls_certs_only([root])
            .http2_prior_knowledge()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(Duration::from_millis(4500))
            .tcp_nodelay(true)
            .build()
            .map_err(io::Error::other)?;
        Ok(Self { client, url: url.to_owned() })
    }
}

impl Client for Reqwest {
    async fn exchange(&self, query: &Bytes) -> io::Result<Bytes> {
        let request = self
            .client
            .post(&self.url)
            .header("accept", MEDIA_TYPE)
            .header("content-type", MEDIA_TYPE)
            .body(query.clone());
        let response = request.send().await.map_err(io::Error::other)?;
        response
            .error_for_status()
            .map_err(io::Error::other)?
            .bytes()
            .await
            .map_err(io::Error::other)
    }
}

/// The client of this project, alone.
pub(super) struct Ours(doh_client::Client);

impl Ours {
    pub(super) fn new(url: &str, roots: &[u8]) -> io::Result<Self> {
        let server = url.parse().map_err(io::Error::other)?;
        let builder = doh_client::Client::builder().server(server).extra_roots_pem(roots);
        Ok(Self(builder.build().map_err(io::Error::other)?))
    }
}

impl Client for Ours {
    async fn exchange(&self, query: &Bytes) -> io::Result<Bytes> {
        Ok(self.0.exchange(query).await.map_err(io::Error::other)?.answer)
    }
}
