//! Any octets go in as a DNS stamp; it is taken, and then it can be written back and means the same,
//! or it is refused with what was found and what is allowed.

#![no_main]

use doh_client::{Server, Stamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let text = format!("sdns://{}", base64url(octets));
    let stamp = match text.parse::<Stamp>() {
        Ok(stamp) => stamp,
        Err(error) => return check_refusal(&error.to_string()),
    };
    let written = stamp.to_string();
    assert_eq!(written.parse::<Stamp>().as_ref(), Ok(&stamp), "{text} as {written}");
    assert!(stamp.bootstrap().iter().all(|address| address.port() != 0));
    match text.parse::<Server>() {
        Ok(server) => check_server(&written, &server),
        Err(error) => check_refusal(&error.to_string()),
    }
});

/// What both forms of a stamp mean is shown as a URL, which is one itself.
fn check_server(written: &str, server: &Server) {
    assert!(written.parse::<Server>().is_ok_and(|again| again == *server), "{written}");
    let shown = server.to_string();
    let again = shown.parse::<Server>().unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(again.to_string(), shown);
    assert_eq!((again.host(), again.port()), (server.host(), server.port()));
    assert!(server.addresses().iter().all(|address| address.port() != 0));
}

fn check_refusal(error: &str) {
    assert!(error.contains("(found ") && error.contains("allowed "), "{error}");
}

/// Written once more here: what reads it should not be what wrote it.
fn base64url(octets: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: u32| char::from(ALPHABET.get(bits as usize & 63).copied().unwrap_or(b'A'));
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let bits = (at(0) << 16) | (at(1) << 8) | at(2);
        let digits = [digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)];
        text.extend(digits.iter().take(chunk.len() + 1));
    }
    text
}
