//! What the admin page needs from the server, as a trait, so that neither knows the other.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::model::{QueryRow, Status};

/// The server as the admin page sees it. Every method is called per request and must be cheap.
pub trait Backend: Send + Sync + 'static {
    /// How the server is doing now.
    fn status(&self) -> Status;

    /// How every upstream server is doing, with its last hour in slices, as JSON.
    fn upstreams(&self) -> serde_json::Value;

    /// The last `limit` queries, newest first; fewer when fewer are kept.
    fn queries(&self, limit: usize) -> Vec<QueryRow>;

    /// Every query from now on; ids that are missing are rows that came too fast to be shown. The
    /// page's streams end when the sender is dropped, so dropping it first lets a draining server
    /// finish; a receiver that lags is told how many rows it missed.
    fn follow(&self) -> broadcast::Receiver<Arc<QueryRow>>;

    /// Why a client gets what it gets, as JSON. Takes longer than the others, and is called where that
    /// disturbs nobody.
    ///
    /// # Errors
    /// What of the question is none, in words for a person.
    fn explain(&self, question: &Explain) -> Result<serde_json::Value, String>;

    /// Who may come in. Read for every request, so a changed setting counts at once.
    fn access(&self) -> Arc<Access>;
}

/// A question whose answer is to be explained.
#[derive(Clone, Debug, serde::Deserialize, Eq, PartialEq)]
pub struct Explain {
    /// The name.
    pub name: String,
    /// The type; an address, if it is left out.
    #[serde(rename = "type", default = "address")]
    pub qtype: String,
    /// Who asks: an address or a SPIFFE id; this host, if it is left out.
    pub client: Option<String>,
}

/// The type that people mean who name none.
fn address() -> String {
    "A".to_owned()
}

/// Who may come in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Access {
    /// The argon2id PHC string of the password; while it is none, nobody can log in.
    pub password_hash: String,
    /// Names the page is reached by, with or without a port, besides `localhost` and IP literals.
    pub allowed_hosts: Vec<String>,
}

/// What is fixed for the life of a router.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// The path everything lies below: `/` or, behind an ingress, `/dns/`. See
    /// [`is_base_path`](crate::is_base_path); anything else is served as `/`.
    pub base_path: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { base_path: "/".to_owned() }
    }
}
