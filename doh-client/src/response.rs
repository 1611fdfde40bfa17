//! The head of an HTTP response goes in, whether a DNS message follows and how old it is comes out.
//! Kept apart so that all we refuse in a server's HTTP stands on one page.

use std::time::{Duration, SystemTime};

use http::header::{AGE, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::error::Failure;
use crate::request::DNS_MESSAGE;

/// Greatest age a cache has to understand: 2^31 seconds (RFC 9111 section 1.2.2).
const MAX_AGE: u64 = 1 << 31;

/// Longest wait a server is granted: it may be back much sooner than it thinks.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);

/// A server that wants to be left alone for longer than a day has its clock or its units wrong.
const ABSURD_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Says how long the DNS message that follows lay in HTTP caches.
///
/// # Errors
///
/// When none follows.
pub(crate) fn check(status: StatusCode, headers: &HeaderMap) -> Result<Duration, Failure> {
    check_status(status, headers)?;
    check_content_type(headers)?;
    Ok(age(headers))
}

/// Whether a refusal may mean the method or where it puts the query, not the query.
pub(crate) fn may_mean_method(failure: &Failure) -> bool {
    matches!(failure, Failure::Status(400 | 405 | 413 | 414 | 415))
}

/// Redirects are refused too: the pinned addresses are not those of another host.
fn check_status(status: StatusCode, headers: &HeaderMap) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    Err(match status.as_u16() {
        status @ (429 | 503) => {
            Failure::Throttled { status, after: retry_after(headers, SystemTime::now()) }
        }
        status => Failure::Status(status),
    })
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
    let text = headers.get(AGE).map(http::HeaderValue::as_bytes).unwrap_or_default();
    Duration::from_secs(plain_seconds(text).unwrap_or(0).min(MAX_AGE))
}

/// How long a server wants to be left alone: seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match plain_seconds(text.as_bytes()) {
        Some(seconds) => Duration::from_secs(seconds),
        None => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    (!wait.is_zero() && wait <= ABSURD_RETRY_AFTER).then_some(wait.min(MAX_RETRY_AFTER))
}

/// A number of plain digits, the greatest there is where it is greater.
fn plain_seconds(text: &[u8]) -> Option<u64> {
    let mut seconds = 0_u64;
    for digit in text {
        if !digit.is_ascii_digit() {
            return None;
        }
        seconds = seconds.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    (!text.is_empty()).then_some(seconds)
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
    fn r77_t05_only_success_carries_an_answer() {
        let check = |status| check_status(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
        for status in [200, 201, 203, 299] {
            assert!(check(status).is_ok(), "{status}");
        }
        for status in [100, 301, 302, 400, 404, 415, 500, 502, 504, 999] {
            let refused = check(status);
            assert!(matches!(refused, Err(Failure::Status(found)) if found == status), "{status}");
        }
    }

    #[test]
    fn t05_a_server_says_how_long_it_wants_to_be_left_alone() {
        let now = httpdate::parse_http_date("Sat, 21 Nov 2026 12:00:00 GMT").unwrap();
        for (text, seconds) in [
            ("1", Some(1)),
            (" 30 ", Some(30)),
            ("61", Some(60)),
            ("86400", Some(60)),
            ("Sat, 21 Nov 2026 12:00:07 GMT", Some(7)),
            ("Sat, 21 Nov 2026 13:00:00 GMT", Some(60)),
            ("0", None),
            ("86401", None),
            ("99999999999999999999999999", None),
            ("Sat, 21 Nov 2026 11:59:59 GMT", None),
            ("Sun, 21 Nov 2027 12:00:00 GMT", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
        ] {
            let found = retry_after(&one(RETRY_AFTER, text), now);
            assert_eq!(found, seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn t05_429_and_503_are_no_failure_of_the_server() {
        for status in [429, 503] {
            let status = StatusCode::from_u16(status).unwrap();
            let refused = check_status(status, &one(RETRY_AFTER, "5"));
            let expected = Some(Duration::from_secs(5));
            assert!(matches!(refused, Err(Failure::Throttled { status: found, after })
                    if found == status.as_u16() && after == expected));
        }
    }

    #[test]
    fn r77_t04_the_content_type_is_read_without_case_and_parameters() {
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
    fn r76_t03_an_age_is_believed_when_it_is_plain_seconds() {
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
