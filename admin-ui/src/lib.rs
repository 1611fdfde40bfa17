//! A [`Backend`] comes in, an axum router with the admin page and its API goes out.
//!
//! The crate knows nothing of DNS: the server implements [`Backend`], asks for a [`router`] and
//! serves it on a listener of its own. A request passes through these modules in this order:
//!
//! ```text
//! headers -> auth::host -> auth::origin -> base_path -> pages | api | live | assets
//!                                                         |      |     |
//!                                                         auth (password, attempts, sessions)
//! ```
//!
//! The Svelte sources lie in `web/`; `build.rs` bundles them into the binary when Node is there.
//! Without it the same router serves the API and one plain page, see [`UI`].
//!
//! ```
//! let hash = admin_ui::hash_password("correct horse battery staple")?;
//! assert!(admin_ui::is_password_hash(&hash));
//! # Ok::<(), admin_ui::PasswordError>(())
//! ```

mod api;
mod assets;
mod auth;
mod backend;
mod base_path;
mod headers;
mod live;
mod model;
mod pages;
mod problem;
mod site;

use std::sync::Arc;

use axum::{Router, middleware, routing};

pub use crate::{
    assets::{UI, Ui},
    auth::password::{PasswordError, check_hash, hash_password, is_password_hash},
    backend::{Access, Backend, Explain, Settings},
    base_path::is_base_path,
    model::{
        Blocking, Cache, List, ListState, Outcome, QueryRow, Status, Totals, Transport, Upstream,
        UpstreamState,
    },
};
use crate::{auth::host, auth::origin, site::Site};

/// Builds the router for the whole admin listener; everything it serves lies below the base path.
///
/// Needs a tokio runtime with time enabled when it is called upon. Password checks run on the
/// runtime's blocking threads, at most two at once.
#[must_use = "a router serves nothing until a listener is given to it"]
pub fn router(backend: Arc<dyn Backend>, settings: Settings) -> Router {
    let site = Arc::new(Site::new(backend, settings));
    let at = |path: &str| site.base.route(path);
    let mut router = Router::new()
        .route(&at(""), routing::get(pages::home))
        .route(&at("login"), routing::post(pages::log_in).get(pages::back))
        .route(&at("logout"), routing::post(pages::log_out).get(pages::back))
        .route(&at("assets/{name}"), routing::get(assets::serve))
        .route(&at("api/v1/status"), routing::get(api::status))
        .route(&at("api/v1/queries"), routing::get(api::queries))
        .route(&at("api/v1/queries/stream"), routing::get(live::stream))
        .route(&at("api/v1/explain"), routing::get(api::explain))
        .route(&at("api/v1/upstreams"), routing::get(api::upstreams))
        .route(&at("api/v1/session"), routing::post(api::log_in).delete(api::log_out));
    if let Some(bare) = site.base.without_slash() {
        router = router.route(&bare, routing::get(pages::back));
    }
    router
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(origin::require_same_origin))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), host::require_known_host))
        .layer(middleware::from_fn(headers::harden))
        .with_state(site)
}

/// Largest request body in bytes: a password is all that is ever sent.
const BODY_LIMIT: usize = 16 * 1024;
