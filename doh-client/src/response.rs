//! An HTTP response goes in, a body that may be a DNS message and its age come out. Kept apart so
//! that all we refuse in a server's HTTP stands on one page.

use std::time::Duration;

use http::header::{AGE, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::error::Failure;
use crate::message::MAX_MESSAGE;
use crate::request::DNS_MESSAGE;
use crate::transport::Received;

/// Greatest age a cache has to understand: 2^31 seconds (RFC 9111 section 1.2.2).
const MAX_AGE: u64 = 1 << 31;

/// Reads a response to its end; a refused one is given up at its headers.
pub(crate) async fn receive(response: Response<Incoming>) -> Result<Received, Failure> {
    let (head, body) = response.into_parts();
    check_status(head.status)?;
    check_content_type(&head.headers)?;
    // One frame, which is what answers come in, is passed on without a copy.
    let body = match Limited::new(body, MAX_MESSAGE).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => {
            return Err(match error.downcast::<hyper::Error>() {
                Ok(error) => Failure::from_http(*error),
                Err(_length_limit) => Failure::TooLarge,
            });
        }
    };
    Ok(Received { body, age: age(&head.headers) })
}

/// Redirects are refused too: the pinned addresses are not those of another host.
fn check_status(status: StatusCode) -> Result<(), Failure> {
    if status.is_success() { Ok(()) } else { Err(Failure::Status(status.as_u16())) }
}

/// Anything else under 200 is some web page, often that of a captive portal.
fn check_content_type(headers: &HeaderMap) -> Result<(), Failure> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(DNS_MESSAGE) {
        Ok(())
    } else {
        Err(Failure::ContentType(found.into()))
    }
}

/// How long the answer lay in an HTTP cache; zero unless said in plain digits.
fn age(headers: &HeaderMap) -> Duration {
    let digits = headers.get(AGE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    if !digits.iter().all(u8::is_ascii_digit) {
        return Duration::ZERO;
    }
    let seconds = digits.iter().fold(0_u64, |seconds, digit| {
        seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    Duration::from_secs(seconds.min(MAX_AGE))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    fn one(name: HeaderName, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).expect("the headers of these tests are valid");
        HeaderMap::from_iter([(name, value)])
    }

    #[test]
    fn r77_only_success_carries_an_answer() {
        for status in [200, 201, 203, 299] {
            assert!(check_status(StatusCode::from_u16(status).unwrap()).is_ok(), "{status}");
        }
        for status in [100, 301, 302, 400, 404, 415, 429, 500, 503, 999] {
            let refused = check_status(StatusCode::from_u16(status).unwrap());
            assert!(matches!(refused, Err(Failure::Status(found)) if found == status), "{status}");
        }
    }

    #[test]
    fn r77_the_content_type_is_read_without_case_and_parameters() {
        for good in [
            "application/dns-message",
            "Application/DNS-Message",
            "application/dns-message; charset=utf-8",
            "application/dns-message ;x=1",
        ] {
            assert!(check_content_type(&one(CONTENT_TYPE, good)).is_ok(), "{good}");
        }
        for bad in ["", "text/html", "application/dns-json", "application/dns-messages"] {
            assert!(check_content_type(&one(CONTENT_TYPE, bad)).is_err(), "{bad}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn r76_an_age_is_believed_when_it_is_plain_seconds() {
        for (text, seconds) in [
            ("0", 0),
            ("100", 100),
            ("2147483648", MAX_AGE),
            ("2147483649", MAX_AGE),
            ("99999999999999999999999999", MAX_AGE),
            ("", 0),
            ("-1", 0),
            ("+1", 0),
            ("1.5", 0),
            ("1, 2", 0),
            ("soon", 0),
        ] {
            assert_eq!(age(&one(AGE, text)), Duration::from_secs(seconds), "{text}");
        }
        assert_eq!(age(&HeaderMap::new()), Duration::ZERO);
    }
}
