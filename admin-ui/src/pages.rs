//! The HTML a browser gets: the log-in page, and behind it the app or the plain page.
//!
//! All of it works without scripts except the app itself. Whatever did not come from this
//! repository is escaped by [`fill`], the only way text gets into a page.

use std::sync::Arc;

use axum::{
    Form,
    extract::{RawQuery, State, rejection::FormRejection},
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header::SET_COOKIE};
use serde::Deserialize;

use crate::{
    assets::{ICON, NOTICES, REASON, SCRIPT, STYLE},
    auth::LogIn,
    problem::Problem,
    site::Site,
};

const LOG_IN: &str = include_str!("pages/login.html");
const APP: &str = include_str!("pages/app.html");
const PLAIN: &str = include_str!("pages/plain.html");

/// `GET` of the base path: the app, or without a session the log-in page. `?ended` is where the app
/// leads when its session is over.
pub(crate) async fn home(
    State(site): State<Arc<Site>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    if site.session(&headers).is_some() {
        return Html(site.app()).into_response();
    }
    let message = match query.as_deref() {
        Some("ended") => "Your session has ended. Please log in again.",
        _ => "",
    };
    Html(site.log_in_page(message)).into_response()
}

#[derive(Deserialize)]
pub(crate) struct Credentials {
    password: String,
}

/// `POST login`: back to the page with a session, or the log-in page again with the reason.
pub(crate) async fn log_in(
    State(site): State<Arc<Site>>,
    headers: HeaderMap,
    form: Result<Form<Credentials>, FormRejection>,
) -> Response {
    let denied = match form {
        Ok(Form(Credentials { password })) => match site.log_in(&headers, password).await {
            LogIn::Welcome(cookie) => return site.back_with(cookie),
            LogIn::Denied(problem) => problem,
        },
        Err(rejection) => match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(),
            _ => Problem::bad_request("the form did not arrive whole", "try again"),
        },
    };
    let page = site.log_in_page(&sentence(&denied.detail));
    let mut response = (denied.status(), Html(page)).into_response();
    denied.advise(&mut response);
    response
}

/// `POST logout`: ends the session, if there is one, and leads to the log-in page.
pub(crate) async fn log_out(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    let session = site.session(&headers);
    let cookie = site.log_out(&headers, session);
    site.back_with(cookie)
}

/// Leads to the page from where people may end up by reloading or by typing.
pub(crate) async fn back(State(site): State<Arc<Site>>) -> Redirect {
    Redirect::to(site.base.as_str())
}

impl Site {
    fn back_with(&self, cookie: HeaderValue) -> Response {
        ([(SET_COOKIE, cookie)], Redirect::to(self.base.as_str())).into_response()
    }

    fn log_in_page(&self, message: &str) -> String {
        self.page(LOG_IN, &[("message", message)])
    }

    fn app(&self) -> String {
        match SCRIPT {
            Some(script) => self.page(APP, &[("script", script), ("notices", NOTICES)]),
            None => self.plain(),
        }
    }

    fn plain(&self) -> String {
        let status = self.backend.status();
        let ready = if status.ready { "ready" } else { "starting" };
        let percent = format!("{:.1} %", status.block_rate * 100.0);
        self.page(
            PLAIN,
            &[
                ("reason", REASON),
                ("replica", &status.replica),
                ("version", &status.version),
                ("ready", ready),
                ("queries", &status.totals.queries.to_string()),
                ("blocked", &status.totals.blocked.to_string()),
                ("percent", &percent),
                ("rules", &status.blocking.rules.to_string()),
            ],
        )
    }

    fn page(&self, template: &str, values: &[(&str, &str)]) -> String {
        let base = [("base", self.base.as_str()), ("style", STYLE), ("icon", ICON)];
        fill(template, |name| {
            base.iter().chain(values).find(|(known, _)| *known == name).map_or("", |(_, text)| text)
        })
    }
}

/// Puts escaped text where a template says `{{name}}`. Goes through the template once, so that
/// what was put in is never read as a template.
fn fill<'a>(template: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut page = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        page.push_str(before);
        escape(value(name), &mut page);
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Escapes text for HTML, inside elements and inside quoted attributes.
fn escape(text: &str, page: &mut String) {
    for character in text.chars() {
        match character {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            other => page.push(other),
        }
    }
}

/// Makes a problem's detail a sentence for a page.
fn sentence(detail: &str) -> String {
    let mut characters = detail.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).chain(['.']).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_markup_or_a_template_stays_text() {
        let page = fill("<b>{{a}}</b> {{b}} {{c", |name| match name {
            "a" => "<script>'\"&",
            _ => "{{a}}",
        });

        assert_eq!(page, "<b>&lt;script&gt;&#39;&quot;&amp;</b> {{a}} {{c");
    }

    #[test]
    fn a_detail_becomes_a_sentence() {
        assert_eq!(sentence("that is not it"), "That is not it.");
        assert_eq!(sentence(""), "");
    }
}
