//! Every form of a server, and every text that is none.

mod page;

use super::*;

fn server(text: &str) -> Server {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_server_is_dialled_where_its_url_says() {
    for (text, addresses) in [
        ("https://dns.test/q#9.9.9.9", "9.9.9.9:443"),
        ("https://dns.test/q#2620:fe::9, 9.9.9.9", "[2620:fe::9]:443 9.9.9.9:443"),
        ("https://dns.test:8443/q#9.9.9.9", "9.9.9.9:8443"),
        ("HTTPS://dns.test/q#9.9.9.9", "9.9.9.9:443"),
        ("https://dns.test#9.9.9.9", "9.9.9.9:443"),
        ("https://1.1.1.1/dns-query", "1.1.1.1:443"),
        ("https://[2606:4700::1111]:853/dns-query", "[2606:4700::1111]:853"),
        ("https://1.1.1.1/dns-query#127.0.0.1", "127.0.0.1:443"),
        ("https://localhost:8443/q", "127.0.0.1:8443 [::1]:8443"),
        ("h2c://dns.test/q#9.9.9.9", "9.9.9.9:80"),
        ("h2c://127.0.0.1:8053/dns-query", "127.0.0.1:8053"),
        ("tls://9.9.9.9", "9.9.9.9:853"),
        ("tls://9.9.9.9/", "9.9.9.9:853"),
        ("tls://[2620:fe::9]:8853", "[2620:fe::9]:8853"),
        ("TLS://dns.test#9.9.9.9", "9.9.9.9:853"),
        ("tcp://10.96.0.10", "10.96.0.10:53"),
        ("tcp://10.96.0.10:54", "10.96.0.10:54"),
        ("udp://10.96.0.10", "10.96.0.10:53"),
        ("udp://localhost:5353", "127.0.0.1:5353 [::1]:5353"),
        ("https://dns.test/q", ""),
        ("tls://dns.test#metered", ""),
        ("https://doh.opendns.com/dns-query", "146.112.41.2:443 [2620:119:fc::2]:443"),
        ("https://DOH.opendns.com:444/q#metered", "146.112.41.2:444 [2620:119:fc::2]:444"),
        ("tls://doh.opendns.com#192.0.2.1", "192.0.2.1:853"),
    ] {
        let server = server(text);
        let found: Vec<_> = server.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), addresses, "{text}");
        assert_eq!(server.needs_lookup(), addresses.is_empty(), "{text}");
    }
}

#[test]
fn a_server_says_what_it_speaks_and_is_shown_without_its_options() {
    let (https, h2c, get, post) = (Protocol::Https, Protocol::H2c, Method::Get, Method::Post);
    for (text, protocol, method, url, shown) in [
        ("https://a.test/q#9.9.9.9", https, post, "https://a.test/q", "https://a.test/q"),
        ("https://a.test", https, post, "https://a.test/", "https://a.test/"),
        ("https://a.test/q{?dns}#::1", https, get, "https://a.test/q", "https://a.test/q{?dns}"),
        ("h2c://a.test:80/q{?dns}", h2c, get, "http://a.test:80/q", "h2c://a.test:80/q{?dns}"),
        ("h2c://a.test/q#metered", h2c, post, "http://a.test/q", "h2c://a.test/q"),
        ("tls://a.test:853", Protocol::Tls, post, "tls://a.test:853/", "tls://a.test:853"),
        ("tcp://[::1]", Protocol::Tcp, post, "tcp://[::1]/", "tcp://[::1]"),
        ("udp://10.0.0.1/", Protocol::Udp, post, "udp://10.0.0.1/", "udp://10.0.0.1"),
    ] {
        let server = server(text);
        assert_eq!((server.protocol(), server.method()), (protocol, method), "{text}");
        assert_eq!(server.url().to_string().trim_end_matches('/'), url.trim_end_matches('/'));
        assert_eq!(server.to_string(), shown);
        let again: Server = shown.parse().unwrap();
        assert_eq!(again.target, server.target, "{text}");
    }
}

#[test]
fn the_certificate_is_one_for_what_the_url_names() {
    for (text, name) in [
        ("tls://9.9.9.9", "9.9.9.9"),
        ("tls://[2620:fe::9]:8853", "2620:fe::9"),
        ("https://dns.test/q#9.9.9.9", "dns.test"),
        ("tls://9.9.9.9#192.0.2.1", "9.9.9.9"),
    ] {
        let server = server(text);
        let is_address = matches!(server.tls_name(), ServerName::IpAddress(_));
        assert_eq!(is_address, name.parse::<IpAddr>().is_ok(), "{text}");
        assert_eq!(server.tls_name().to_str(), name, "{text}");
    }
}

#[test]
fn without_an_address_there_is_no_client() {
    let builder = crate::Client::builder().server(server("tls://dns.test"));

    let error = builder.build().expect_err("nobody can be asked").to_string();

    assert!(error.contains("`dns.test`") && error.contains("#192.0.2.1"), "{error}");
}

#[test]
fn pins_and_metering_stand_among_the_addresses_in_any_order() {
    let (a, b) = ("q".repeat(42) + "o=", "A".repeat(43) + "=");
    let server = server(&format!("tls://dns.test#pin={a},9.9.9.9, metered ,pin={b},2620:fe::9"));
    assert_eq!(server.pins(), [[0xaa; 32], [0; 32]]);
    assert!(server.is_metered() && server.tbs_hashes().is_empty());
    assert_eq!(server.addresses().len(), 2);
    assert_eq!(server.to_string(), "tls://dns.test");
}

#[test]
fn a_bad_server_is_refused_with_what_was_found_and_what_is_allowed() {
    for (text, found) in [
        ("", "found ``"),
        ("9.9.9.9", "found ``"),
        ("dns.test/q#9.9.9.9", "found ``"),
        ("http://dns.test/q#9.9.9.9", "found `http`"),
        ("quic://dns.test", "found `quic`"),
        ("https://", "not a host (found ``"),
        ("https:///q#9.9.9.9", "not a host (found ``"),
        ("https://{?dns}", "not a host (found ``"),
        ("tls://", "not a host (found ``"),
        ("https://:443/q#9.9.9.9", "not a host (found ``"),
        ("https://a..b/q#9.9.9.9", "not a host (found `a..b`"),
        ("https://dns test/q#9.9.9.9", "not a URL (found `https://dns test/q`"),
        ("https://me:secret@dns.test/q#9.9.9.9", "found one before `@`"),
        ("tls://me:secret@dns.test", "found one before `@`"),
        ("https://dns.test:0/q#9.9.9.9", "not a port (found `dns.test:0`"),
        ("https://dns.test:/q#9.9.9.9", "not a port (found `dns.test:`"),
        ("https://dns.test:65536/q#9.9.9.9", "found `"),
        ("udp://10.0.0.1:0", "not a port (found `10.0.0.1:0`"),
        ("https://dns.test/q?ct#9.9.9.9", "found `?ct`"),
        ("https://dns.test/q?a{&dns}", "found `?a{&dns`"),
        ("https://dns.test/q{?dns,x}#9.9.9.9", "found `?dns,x`"),
        ("https://dns.test/{+path}", "found `?+path`"),
        ("tls://dns.test/q", "only web servers have paths (found `/q`, allowed `tls://host"),
        ("udp://10.0.0.1/q", "only web servers have paths (found `/q`, allowed `udp://host"),
        ("tcp://10.0.0.1{?dns}", "found `"),
        ("https://dns.test/q#", "neither an address to dial nor an option (found ``"),
        ("https://dns.test/q#9.9.9.9,", "neither an address to dial nor an option (found ``"),
        ("https://dns.test/q#dns2.test", "found `dns2.test`"),
        ("https://dns.test/q#9.9.9.9:443", "found `9.9.9.9:443`"),
        ("https://dns.test/q#unmetered", "found `unmetered`"),
        ("https://dns.test/q#pin=", "not a pin (found ``"),
        ("https://dns.test/q#pin=AAAA", "not a pin (found `AAAA`"),
        ("https://dns.test/q#pin=!", "not a pin (found `!`"),
        (
            "udp://10.0.0.1#pin=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "found `pin=` after `udp://`",
        ),
        ("sdns://", "a DNS stamp that is cut off"),
        ("SDNS://!", "not a DNS stamp"),
    ] {
        let error = text.parse::<Server>().expect_err(text).to_string();
        assert!(error.contains(found), "{text}: {error}");
        assert!(error.contains("allowed "), "{text}: {error}");
        assert!(!error.contains("secret"), "{text}: {error}");
    }
}
