//! Certificates of any kind go in, a DoH server that shows them runs on a loopback port. Kept apart
//! from the scripted server, which breaks HTTP/2 and never TLS.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use bytes::Bytes;
use doh_client::{Client, ClientBuilder, Connected, Event, Observer};
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name in good certificates.
pub(crate) const NAME: &str = "dns.test";

/// The authority that clients of this file trust.
pub(crate) static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> =
    LazyLock::new(|| new_authority("the authority"));

/// A certificate, what leads to its root, and its key.
pub(crate) struct Credentials {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// A server that answers NOERROR over HTTP/2. It stops with the runtime of its test.
pub(crate) struct Secured {
    pub(crate) address: SocketAddr,
    answered: Arc<AtomicUsize>,
}

/// How long a connection lives.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Life {
    Long,
    /// The server says GOAWAY with its first answer.
    OneAnswer,
}

/// Keeps what happens to connections.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) connected: Mutex<Vec<Connected>>,
    pub(crate) downgraded: AtomicUsize,
}

impl Credentials {
    /// Of a server called [`NAME`], signed by the authority that clients trust.
    pub(crate) fn good() -> Self {
        Self::signed(&CertificateParams::new([NAME.to_owned()]).expect("a good name"))
    }

    /// Signed by the authority that clients trust.
    pub(crate) fn signed(params: &CertificateParams) -> Self {
        Self::signed_by(params, &AUTHORITY)
    }

    pub(crate) fn signed_by(
        params: &CertificateParams,
        authority: &CertifiedIssuer<'static, KeyPair>,
    ) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, authority).expect("a certificate");
        Self { chain: vec![certificate.der().clone()], key }
    }

    pub(crate) fn self_signed(params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { chain: vec![certificate.der().clone()], key }
    }

    /// The certificate and the key as PEM.
    pub(crate) fn pem(&self) -> (String, String) {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(&self.chain[0]);
        let chain = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        (chain, self.key.serialize_pem())
    }

    /// SHA-256 of the public key in base64, as `pin=` wants it.
    pub(crate) fn pin(&self) -> String {
        use base64::Engine as _;
        use rcgen::PublicKeyData as _;
        use sha2::Digest as _;
        let hash = sha2::Sha256::digest(self.key.subject_public_key_info());
        base64::engine::general_purpose::STANDARD.encode(hash)
    }

    /// What a server with them is set up with.
    pub(crate) fn config(&self) -> ServerConfig {
        self.config_of(versions(&[&rustls::version::TLS13, &rustls::version::TLS12]))
    }

    /// The same, for clients with a certificate of this authority only.
    pub(crate) fn config_for(
        &self,
        authority: &CertifiedIssuer<'static, KeyPair>,
        version: &'static rustls::SupportedProtocolVersion,
    ) -> ServerConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).expect("an authority is a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .expect("one root is enough");
        let builder = versions(&[version]).with_client_cert_verifier(verifier);
        self.finish(builder)
    }

    fn config_of(
        &self,
        builder: rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier>,
    ) -> ServerConfig {
        self.finish(builder.with_no_client_auth())
    }

    fn finish(
        &self,
        builder: rustls::ConfigBuilder<ServerConfig, rustls::server::WantsServerCert>,
    ) -> ServerConfig {
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).expect("a key in PKCS #8");
        let mut config = builder
            .with_single_cert(self.chain.clone(), key)
            .expect("certificate and key belong together");
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

impl Secured {
    pub(crate) async fn start(config: ServerConfig) -> Self {
        Self::with(Some(config), "127.0.0.1:0", Life::Long).await
    }

    /// Without TLS.
    pub(crate) async fn plain() -> Self {
        Self::with(None, "127.0.0.1:0", Life::Long).await
    }

    pub(crate) async fn with(config: Option<ServerConfig>, at: &str, life: Life) -> Self {
        let listener = TcpListener::bind(at).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let answered = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&answered);
        let tls = config.map(|config| TlsAcceptor::from(Arc::new(config)));
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(accept(tcp, tls.clone(), Arc::clone(&counter), life));
            }
        });
        Self { address, answered }
    }

    /// How the client has to be told about it, dialled at this address and with these options.
    pub(crate) fn url(&self, options: &str) -> String {
        format!("https://{NAME}:{}/dns-query#{options}", self.address.port())
    }

    /// The queries that it answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

/// A builder with this server and the authority.
pub(crate) fn builder(url: &str) -> ClientBuilder {
    let server = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
    Client::builder().extra_roots_pem(AUTHORITY.pem().as_bytes()).server(server)
}

/// An authority that nobody knows yet.
pub(crate) fn new_authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a root certificate")
}

fn versions(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("the provider has these versions")
}

async fn accept(tcp: TcpStream, tls: Option<TlsAcceptor>, answered: Arc<AtomicUsize>, life: Life) {
    match tls {
        Some(tls) => {
            if let Ok(stream) = tls.accept(tcp).await {
                serve(stream, answered, life).await;
            }
        }
        None => serve(tcp, answered, life).await,
    }
}

async fn serve<S>(stream: S, answered: Arc<AtomicUsize>, life: Life)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        if life == Life::OneAnswer {
            connection.graceful_shutdown();
        }
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            let (mut stream, mut body) = (request.into_body(), Vec::new());
            while let Some(Ok(chunk)) = stream.data().await {
                body.extend_from_slice(&chunk);
                let _ = stream.flow_control().release_capacity(chunk.len());
            }
            body[2..4].copy_from_slice(&[0x81, 0x80]);
            let head = Response::builder().header("content-type", "application/dns-message");
            answered.fetch_add(1, Ordering::Relaxed);
            // The client may be gone by now, which is its right.
            if let Ok(mut stream) = respond.send_response(head.body(()).expect("a head"), false) {
                let _ = stream.send_data(Bytes::from(body), true);
            }
        });
    }
}

impl Observer for Notes {
    fn note(&self, _server: usize, event: &Event<'_>) {
        match event {
            Event::Connected(connected) => {
                self.connected.lock().expect("no test panics with it").push(**connected);
            }
            Event::Downgraded => {
                self.downgraded.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

impl Notes {
    /// Whether each connection took up an earlier session.
    pub(crate) fn resumed(&self) -> Vec<bool> {
        let connected = self.connected.lock().expect("no test panics with it");
        connected.iter().filter_map(|each| Some(each.tls?.is_resumed)).collect()
    }

    /// The key exchange group of each connection.
    pub(crate) fn groups(&self) -> Vec<&'static str> {
        let connected = self.connected.lock().expect("no test panics with it");
        connected.iter().filter_map(|each| Some(each.tls?.group)).collect()
    }
}
