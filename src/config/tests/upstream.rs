//! What is said of bad upstreams and routes.

use super::is_refused;

#[test]
fn what_is_wrong_with_upstreams_is_said() {
    for (text, says) in [
        ("[upstream]\nservers = ['http://x']", "upstream.servers[0]:"),
        ("[upstream]\nservers = []", "upstream.servers: is empty"),
        (
            "[upstream]\nservers = ['https://me:secret@dns.example/q']",
            "upstream.servers[0]: no user name or password is sent",
        ),
        (
            "[upstream]\nservers = ['ftp://me:secret@dns.example/q']",
            "upstream.servers[0]: not a scheme of servers (found `ftp`",
        ),
        (
            "[upstream]\nservers = ['https://9.9.9.9/q', 'quic://9.9.9.9']",
            "upstream.servers[1]: not a scheme of servers (found `quic`, allowed `https://`, ",
        ),
        (
            "[upstream]\nservers = ['tls://x/y']",
            "upstream.servers[0]: only web servers have paths (found `/y`",
        ),
        (
            "[upstream]\nservers = ['https://a.example/q', 'tls://b.example']",
            "upstream.bootstrap: is empty, and servers are known by their names only (found \
             `a.example`, `b.example`, allowed resolvers by address, such as [\"9.9.9.9\"]",
        ),
        (
            "[upstream]\nbootstrap = ['9.9.9.9', 'dns.example']",
            "upstream.bootstrap[1]: is no resolver that is known by its address (found \
             `dns.example`, allowed 9.9.9.9, ",
        ),
        ("[upstream]\nbootstrap = ['tls://dns.example']", "upstream.bootstrap[0]: is no resolver"),
        (
            "[upstream]\nbootstrap = ['https://me:secret@9.9.9.9/q']",
            "upstream.bootstrap[0]: is no resolver that is known by its address (found a hidden",
        ),
        ("[upstream]\ntimeout = '1ms'", "upstream.timeout: is out of range"),
    ] {
        is_refused(text, says);
    }
}

#[test]
fn what_is_wrong_with_routes_is_said() {
    for (text, says) in [
        (
            "[[upstream.routes]]\ndomains = ['a']\nservers = ['udp://10.0.0.1', 'nowhere']",
            "upstream.routes[0].servers[1]: not a scheme of servers (found ``",
        ),
        (
            "[[upstream.routes]]\ndomains = ['a']\nservers = []",
            "upstream.routes[0].servers: is empty",
        ),
        (
            "[[upstream.routes]]\ndomains = ['a']\nservers = ['tcp://b.example']",
            "upstream.bootstrap: is empty, and servers are known by their names only (found \
             `b.example`",
        ),
        (
            "[[upstream.routes]]\nservers = ['https://10.0.0.1/q']",
            "upstream.routes[0].domains: is missing",
        ),
        (
            "[[upstream.routes]]\ndomains = ['a', '.']\nservers = ['https://10.0.0.1/q']",
            "upstream.routes[0].domains: has the root",
        ),
        (
            "[[upstream.routes]]\ndomains = ['a']\nservers = []",
            "upstream.routes[0].servers: is empty",
        ),
        (
            "[[upstream.routes]]\ndomains = ['a']\nservers = ['https://10.0.0.1/q', 'nowhere']",
            "upstream.routes[0].servers[1]: ",
        ),
        (
            "[[upstream.routes]]\ndomains = ['a']\nservers = ['https://10.0.0.1/q']\n\
             [[upstream.routes]]\ndomains = ['b', 'A.']\nservers = ['https://10.0.0.2/q']",
            "upstream.routes[1].domains: is routed twice (found `a`, allowed each domain once)",
        ),
        (
            "[dns]\nlisten = ['0.0.0.0:5300']\n[[upstream.routes]]\ndomains = ['a']\n\
             servers = ['https://127.0.0.1:5300/q']",
            "upstream.routes[0].servers[0]: is this server itself (found \
             `https://127.0.0.1:5300/q` at 127.0.0.1:5300, which is in dns.listen, allowed",
        ),
        (
            "[dns]\nlisten = ['10.0.0.1:5300']\n[upstream]\nservers = ['https://10.0.0.1:5300/q']",
            "upstream.servers[0]: is this server itself",
        ),
        (
            "[dns]\nlisten = ['127.0.0.1:5300']\n[upstream]\nbootstrap = ['127.0.0.1:5300']",
            "upstream.bootstrap[0]: is this server itself",
        ),
    ] {
        is_refused(text, says);
    }
}
