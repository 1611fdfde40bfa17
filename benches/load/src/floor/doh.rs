//! DoH requests come in, answers go out: TLS and HTTP/2 with a certificate of its own making. The
//! upstream for servers that ask over HTTPS only, and the floor of DoH servers.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::answer::{GROWTH, answer_in_place};

/// Longest request that is read: the longest DNS message.
const MAX_REQUEST: usize = 65_535;

/// Signs the certificate of a server that lives as long as the process.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a key and a root certificate.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> io::Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(io::Error::other)?;
        Ok(Self { issuer })
    }

    /// The root certificate, for the client's file of roots.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for an address and its key, both PEM.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn certify(&self, address: IpAddr) -> io::Result<(String, String)> {
        let (certificate, key) = self.sign(address)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    fn sign(&self, address: IpAddr) -> io::Result<(Certificate, KeyPair)> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let params = CertificateParams::new(vec![address.to_string()]).map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(io::Error::other)?;
        Ok((certificate, key))
    }

    fn acceptor(&self, address: SocketAddr) -> io::Result<TlsAcceptor> {
        let (certificate, key) = self.sign(address.ip())?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(io::Error::other)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private);
        let mut config = config.map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Answers until the listener fails. Runs on the calling thread.
///
/// # Errors
/// When the certificate cannot be made, or accepting fails.
pub fn serve(listener: std::net::TcpListener, authority: &Authority) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let acceptor = authority.acceptor(listener.local_addr()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(converse(stream, acceptor.clone()));
        }
    })
}

/// Serves one connection until either side has enough of it; how it ends is of no interest.
async fn converse(stream: TcpStream, acceptor: TlsAcceptor) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let connection = http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service_fn(respond));
    drop(connection.await);
}

async fn respond(request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let body = Limited::new(request.into_body(), MAX_REQUEST).collect().await;
    let mut message = body.map_err(io::Error::other)?.to_bytes().to_vec();
    let query = message.len();
    message.resize(query + GROWTH, 0);
    let end = answer_in_place(&mut message, query);
    message.truncate(end.ok_or(io::ErrorKind::InvalidData)?);
    let response =
        Response::builder().header("content-type", "application/dns-message").body(message.into());
    response.map_err(io::Error::other)
}
