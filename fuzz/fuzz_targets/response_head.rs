//! Any octets go in as the head of an HTTP response; what comes out is the age of the answer behind
//! it, or why there is none, and no age nor pause is longer than one that is believed.

#![no_main]

// A part of the client that nobody outside has to know: it is taken from where it stands.
#[path = "../../doh-client/src/response.rs"]
mod response;

/// What that part takes from others of the client.
mod error {
    use std::time::Duration;

    pub(crate) enum Failure {
        Status(u16),
        Throttled { status: u16, after: Option<Duration> },
        ContentType(Box<str>),
    }
}

mod request {
    pub(crate) const DNS_MESSAGE: &str = "application/dns-message";
}

use std::time::Duration;

use error::Failure;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AGE, CONTENT_TYPE, RETRY_AFTER},
};
use libfuzzer_sys::fuzz_target;

/// 2^31 seconds (RFC 9111 section 1.2.2).
const LONGEST_AGE: Duration = Duration::from_secs(1 << 31);

/// A server is left alone for a minute at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

fuzz_target!(|octets: &[u8]| {
    let Some((code, lines)) = octets.split_first_chunk::<2>() else { return };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes(*code) % 1000) else { return };
    let mut headers = HeaderMap::new();
    for (name, value) in [CONTENT_TYPE, AGE, RETRY_AFTER].into_iter().zip(lines.split(|o| *o == 0))
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
    }
    match response::check(status, &headers) {
        Ok(age) => {
            assert!(status.is_success() && age <= LONGEST_AGE, "{status} {headers:?}");
            let is_zero = headers.get(AGE).is_none_or(|age| !is_number(age.as_bytes()));
            assert!(!is_zero || age.is_zero(), "{headers:?}");
        }
        Err(failure) => check_failure(status, &failure),
    }
});

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn check_failure(status: StatusCode, failure: &Failure) {
    let may_mean_method = response::may_mean_method(failure);
    match failure {
        Failure::Status(code) => assert!(*code == status.as_u16() && !status.is_success()),
        Failure::Throttled { status: code, after } => {
            assert!(*code == status.as_u16() && matches!(*code, 429 | 503) && !may_mean_method);
            assert!(after.is_none_or(|after| !after.is_zero() && after <= LONGEST_PAUSE));
        }
        Failure::ContentType(found) => {
            assert!(status.is_success() && !may_mean_method);
            assert!(!found.trim().eq_ignore_ascii_case(request::DNS_MESSAGE), "{found}");
        }
    }
}
