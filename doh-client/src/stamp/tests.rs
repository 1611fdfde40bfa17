//! Vectors of stamps, made from the specification part by part, and everything that is none.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;

const NO_PROPERTIES: [u8; 8] = [0; 8];

/// Stamps that the Python package `dnsstamps` 1.4.1 made, and what they say.
const VECTORS: &[(&str, &str)] = &[
    ("sdns://AAEAAAAAAAAACjE5Mi4wLjIuNTM", "udp://192.0.2.53 at [192.0.2.53:53] hashes []"),
    (
        "sdns://AAAAAAAAAAAAE1syMDAxOmRiODo6NTNdOjUzNTM",
        "udp://[2001:db8::53]:5353 at [[2001:db8::53]:5353] hashes []",
    ),
    (
        "sdns://AgMAAAAAAAAADjE5Mi4wLjIuMTo4NDQzoKqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqILu7u7u\
         7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7u7CGRucy50ZXN0Ci9kbnMtcXVlcnk",
        "https://dns.test:8443/dns-query at [192.0.2.1:8443] hashes [aa bb]",
    ),
    (
        "sdns://AgQAAAAAAAAAAAAMZG5zLnRlc3Q6NDQ0Ai9xijE5Mi4wLjIuNTMOWzIwMDE6ZGI4Ojo1M10",
        "https://dns.test:444/q at [] hashes []",
    ),
    (
        "sdns://AwAAAAAAAAAADVsyMDAxOmRiODo6MV0gqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqoIZG5zLnRlc3Q",
        "tls://dns.test at [[2001:db8::1]:853] hashes [aa]",
    ),
    ("sdns://AwAAAAAAAAAAAAAIZG5zLnRlc3QKMTkyLjAuMi41Mw", "tls://dns.test at [] hashes []"),
];

/// A part behind its length.
fn part(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn stamp_of(parts: &[&[u8]]) -> String {
    format!("sdns://{}", URL_SAFE_NO_PAD.encode(parts.concat()))
}

/// Everything that a server may be asked of.
fn told(text: &str) -> String {
    let server: Server = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    let addresses: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
    let hashes: Vec<_> =
        server.tbs_hashes().iter().map(|hash| format!("{:02x}", hash[0])).collect();
    format!("{server} at [{}] hashes [{}]", addresses.join(" "), hashes.join(" "))
}

#[test]
fn t61_stamps_are_read_and_written_back_as_they_were() {
    let (a, b) = ([0xaa; 32], [0xbb; 32]);
    let one: &[u8] = &[&[0x20], &a[..]].concat();
    let two: &[u8] = &[&[0xa0], &a[..], &[0x20], &b[..]].concat();
    let resolvers: &[u8] = &[&[0x87], &b"9.9.9.9"[..], &[0x0e], b"[2620:fe::9]:5"].concat();
    let https = |address: &str, hashes: &[u8], host: &str, rest: &[u8]| {
        let (address, host, path) = (part(address), part(host), part("/dns-query"));
        stamp_of(&[&[2], &NO_PROPERTIES, &address, hashes, &host, &path, rest])
    };
    let tls = |address: &str, hashes: &[u8], host: &str| {
        stamp_of(&[&[3], &NO_PROPERTIES, &part(address), hashes, &part(host)])
    };
    let plain = |address: &str| stamp_of(&[&[0], &NO_PROPERTIES, &part(address)]);
    for (text, expected) in [
        (plain("9.9.9.9"), "udp://9.9.9.9 at [9.9.9.9:53] hashes []"),
        (plain("9.9.9.9:5353"), "udp://9.9.9.9:5353 at [9.9.9.9:5353] hashes []"),
        (plain("[2620:fe::9]"), "udp://[2620:fe::9] at [[2620:fe::9]:53] hashes []"),
        (plain("[2620:fe::9]:54"), "udp://[2620:fe::9]:54 at [[2620:fe::9]:54] hashes []"),
        (
            https("9.9.9.9", one, "dns.test", &[]),
            "https://dns.test/dns-query at [9.9.9.9:443] hashes [aa]",
        ),
        (
            https("9.9.9.9:8443", two, "dns.test", &[]),
            "https://dns.test:8443/dns-query at [9.9.9.9:8443] hashes [aa bb]",
        ),
        (
            https("9.9.9.9:8443", &[0], "dns.test:444", resolvers),
            "https://dns.test:444/dns-query at [9.9.9.9:8443] hashes []",
        ),
        (https("", &[0], "dns.test", &[]), "https://dns.test/dns-query at [] hashes []"),
        (
            https("", &[0], "dns.quad9.net", resolvers),
            "https://dns.quad9.net/dns-query at [9.9.9.9:443 149.112.112.112:443 \
             [2620:fe::fe]:443 [2620:fe::9]:443] hashes []",
        ),
        (https(":444", &[0], "dns.test", &[]), "https://dns.test:444/dns-query at [] hashes []"),
        (
            https("", &[0], "[2620:fe::9]", &[]),
            "https://[2620:fe::9]/dns-query at [[2620:fe::9]:443] hashes []",
        ),
        (tls("9.9.9.9", one, "dns.test"), "tls://dns.test at [9.9.9.9:853] hashes [aa]"),
        (tls("", &[0], "9.9.9.9:854"), "tls://9.9.9.9:854 at [9.9.9.9:854] hashes []"),
    ] {
        assert_eq!(told(&text), expected);
        let stamp: Stamp = text.parse().unwrap();
        assert_eq!(stamp.to_string(), text, "{expected}");
    }
}

#[test]
fn t61_what_another_program_wrote_is_understood() {
    for (text, expected) in VECTORS {
        assert_eq!(told(text), *expected);
        assert_eq!(text.parse::<Stamp>().unwrap().to_string(), *text);
    }
}

#[test]
fn properties_are_kept_and_undefined_ones_are_not() {
    let text = stamp_of(&[&[0], &[0xfe, 0xff, 0, 0, 0, 0, 0, 1], &part("9.9.9.9")]);
    let stamp: Stamp = text.parse().unwrap();
    assert!(!stamp.validates() && stamp.keeps_no_logs() && stamp.filters_nothing());
    let written = stamp_of(&[&[0], &[6, 0, 0, 0, 0, 0, 0, 0], &part("9.9.9.9")]);
    assert_eq!(stamp.to_string(), written);
}

#[test]
fn resolvers_in_a_stamp_have_a_port() {
    let set: &[u8] = &[&[0x87], &b"9.9.9.9"[..], &[0x0e], b"[2620:fe::9]:5"].concat();
    let text = stamp_of(&[&[3], &NO_PROPERTIES, &[0], &[0], &part("dns.test"), set]);
    let resolvers = text.parse::<Stamp>().unwrap().bootstrap();
    assert_eq!(resolvers, ["9.9.9.9:53".parse().unwrap(), "[2620:fe::9]:5".parse().unwrap()]);
}

#[test]
fn options_stand_behind_a_stamp_too() {
    let stamp = stamp_of(&[&[3], &NO_PROPERTIES, &part("9.9.9.9"), &[0], &part("dns.test")]);
    let server: Server = format!("{stamp}#metered,192.0.2.7").parse().unwrap();
    assert!(server.is_metered());
    assert_eq!(server.addresses(), ["192.0.2.7:853".parse().unwrap()]);
}

#[test]
fn a_server_becomes_a_stamp_that_means_it() {
    for text in [
        "udp://9.9.9.9",
        "udp://[2620:fe::9]:5353",
        "tls://dns.test#192.0.2.7",
        "tls://dns.test:854",
        "https://dns.test/q#2001:db8::7",
        "https://9.9.9.9:8443/dns-query",
    ] {
        let server: Server = text.parse().unwrap();
        let stamp = Stamp::try_from(&server).unwrap();
        assert_eq!(stamp.to_string().parse::<Server>().unwrap(), server, "{text}");
    }
}

#[test]
fn what_stamps_cannot_say_becomes_none() {
    let long = format!("https://dns.test/{}#192.0.2.7", "x".repeat(255));
    for text in ["h2c://dns.test/q", "tcp://192.0.2.7", "udp://dns.test", &long] {
        let server: Server = text.parse().unwrap();
        let error = Stamp::try_from(&server).expect_err(text).to_string();
        assert!(error.contains("(found ") && error.contains("allowed "), "{error}");
    }
}

#[test]
fn a_bad_stamp_is_refused_with_what_was_found_and_what_is_allowed() {
    let (address, host, path) = (part("9.9.9.9"), part("dns.test"), part("/q"));
    let https = |parts: &[&[u8]]| stamp_of(&[&[2][..], &NO_PROPERTIES, &parts.concat()]);
    let plain = |address: &str| stamp_of(&[&[0], &NO_PROPERTIES, &part(address)]);
    for (text, found) in [
        ("sdns://".to_owned(), "in protocol (found"),
        ("sdns://!".to_owned(), "Invalid"),
        ("sdns://AA+/".to_owned(), "Invalid"),
        (format!("sdns://{}", "A".repeat(9000)), "found 9007 characters"),
        (stamp_of(&[&[1], &NO_PROPERTIES]), "found DNSCrypt"),
        (stamp_of(&[&[4], &NO_PROPERTIES]), "found DNS over QUIC"),
        (stamp_of(&[&[5], &NO_PROPERTIES]), "found Oblivious DoH"),
        (stamp_of(&[&[0x81], &address]), "found a DNSCrypt relay"),
        (stamp_of(&[&[0x85], &NO_PROPERTIES]), "found an Oblivious DoH relay"),
        (stamp_of(&[&[6], &NO_PROPERTIES, &[0]]), "found 0x06"),
        (stamp_of(&[&[0], &[0; 7]]), "in properties"),
        (stamp_of(&[&[0], &NO_PROPERTIES]), "in address"),
        (stamp_of(&[&[0], &NO_PROPERTIES, &[8, b'9']]), "in address"),
        (stamp_of(&[&[0], &NO_PROPERTIES, &address, &[0]]), "found 1 octets too many"),
        (plain(""), "found no address"),
        (plain(":53"), "found no address"),
        (plain("dns.test"), "bad address (found `dns.test`"),
        (plain("2620:fe::9"), "bad address (found `2620:fe::9`"),
        (plain("[9.9.9.9]"), "bad address (found `[9.9.9.9]`"),
        (plain("9.9.9.9:0"), "bad address (found `9.9.9.9:0`"),
        (plain("9.9.9.9:+53"), "bad address (found `9.9.9.9:+53`"),
        (plain("9.9.9.9:65536"), "bad address (found `9.9.9.9:65536`"),
        (plain("9.9.9.9\n"), "bad address (found `9.9.9.9\\n`"),
        (stamp_of(&[&[0], &NO_PROPERTIES, &[1, 0xff]]), "bad address (found `"),
        (https(&[&address]), "in hash"),
        (https(&[&address, &[0x80]]), "in hash"),
        (https(&[&address, &[2, 1, 1], &host, &path]), "bad hash (found `2 octets`"),
        (https(&[&address, &[0]]), "in host"),
        (https(&[&address, &[0], &[0], &path]), "bad host (found ``"),
        (https(&[&address, &[0], &part("a/b"), &path]), "bad host (found `a/b`"),
        (https(&[&address, &[0], &part("me@b"), &path]), "bad host (found `me@b`"),
        (https(&[&address, &[0], &part("a..b"), &path]), "not a host (found `a..b`"),
        (https(&[&address, &[0], &part("a:0"), &path]), "not a port (found `a:0`"),
        (https(&[&address, &[0], &host]), "in path"),
        (https(&[&address, &[0], &host, &part("q")]), "bad path (found `q`"),
        (https(&[&address, &[0], &host, &part("/q?x")]), "found `?x`"),
        (https(&[&address, &[0], &host, &path, &part("x")]), "bad bootstrap address (found `x`"),
        (https(&[&address, &[0], &host, &path, &part(":53")]), "bad bootstrap address"),
        (https(&[&address, &[0], &host, &path, &[0], &[0]]), "found 1 octets too many"),
    ] {
        let error = text.parse::<Server>().expect_err(&text).to_string();
        assert!(error.contains(found), "{found}: {error}");
        assert!(error.contains("(found ") && error.contains("allowed "), "{error}");
    }
}
