//! Services of the catalogue: blocked as a whole, and searches that are led to their safe edition.

use std::net::Ipv6Addr;

use hickory_proto::rr::RData;
use tokio::net::UdpSocket;

use crate::{
    control::Daemon,
    lab::{Fake, Lab, Reply, question, receive_from},
};

/// A client of the group that the services are for, and one that is not in it.
const KID: &str = "127.0.0.1";
const PARENT: &str = "127.0.0.2";

/// What the search itself has, and what its safe edition has.
const UNSAFE: [u8; 4] = [192, 0, 2, 1];
const SAFE: [u8; 4] = [192, 0, 2, 9];
const SAFE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

const CONFIG: &str = r"
    [[lists]]
    name = 'no-tiktok'
    service = 'tiktok'
    groups = ['kids']
    [[lists]]
    name = 'safe'
    service = 'safe-search'
    groups = ['kids']
    [[clients]]
    match = '127.0.0.1'
    groups = ['kids']
";

fn knowing() -> Fake {
    let safe = "forcesafesearch.google.com";
    ["www.google.com", "www.google.co.uk", "www.tiktok.com", "tiktok.com"]
        .into_iter()
        .fold(Fake::new(), |fake, name| fake.a(name, UNSAFE).https_with_hints(name, &[UNSAFE]))
        .a(safe, SAFE)
        .record(safe, RData::AAAA(SAFE_V6.into()))
        .https_with_hints(safe, &[SAFE])
        .cname("videos.example", "www.tiktok.com")
        .cname("search.example", "www.google.com")
}

async fn start(config: &str) -> Lab {
    Lab::builder().upstream(knowing()).config(CONFIG).config(config).start().await
}

/// Asks over UDP from an address of this host.
async fn ask_from(lab: &Lab, client: &str, name: &str, qtype: &str) -> Reply {
    let socket = UdpSocket::bind((client, 0)).await.unwrap();
    socket.connect(lab.dns()).await.unwrap();
    socket.send(&question(name, qtype).to_vec().unwrap()).await.unwrap();
    Reply::read(&receive_from(&socket).await)
}

#[tokio::test]
async fn a_service_is_blocked_with_all_below_it_for_its_group_alone() {
    let lab = start("").await;

    for name in ["tiktok.com", "www.tiktok.com", "a.b.tiktokv.com"] {
        let reply = ask_from(&lab, KID, name, "A").await;
        assert_eq!(reply.answers(), ["A 0.0.0.0"], "{name}");
        assert_eq!(reply.ede(), [(15, "no-tiktok".to_owned())], "{name}");
    }
    assert_eq!(lab.upstream_hits(), 0);
    let parent = ask_from(&lab, PARENT, "www.tiktok.com", "A").await;
    assert_eq!(parent.addresses(), ["192.0.2.1"]);
    // A name that ends in the same letters is another.
    assert_eq!(ask_from(&lab, KID, "nottiktok.com", "A").await.rcode(), 3);
}

#[tokio::test]
async fn a_name_that_leads_to_a_service_is_blocked_for_its_group_alone() {
    let lab = start("").await;

    let kid = ask_from(&lab, KID, "videos.example", "A").await;

    assert_eq!(kid.answers(), ["A 0.0.0.0"]);
    assert_eq!(kid.ede(), [(15, "no-tiktok".to_owned())]);
    let parent = ask_from(&lab, PARENT, "videos.example", "A").await;
    assert_eq!(parent.addresses(), ["192.0.2.1"]);
}

#[tokio::test]
async fn a_search_is_led_to_its_safe_edition_for_every_type() {
    let lab = start("").await;
    let alias = "CNAME forcesafesearch.google.com.".to_owned();

    for name in ["www.google.com", "www.google.co.uk"] {
        for _ in ["from upstream", "from the cache"] {
            let a = ask_from(&lab, KID, name, "A").await;
            assert_eq!(a.answers(), [&alias, "A 192.0.2.9"], "{name}");
            let aaaa = ask_from(&lab, KID, name, "AAAA").await;
            assert_eq!(aaaa.answers(), [&alias, "AAAA 2001:db8::9"], "{name}");
        }
        for qtype in ["SVCB", "MX", "TXT", "CNAME", "ANY"] {
            let reply = ask_from(&lab, KID, name, qtype).await;
            assert_eq!(reply.answers(), [alias.as_str()], "{name} {qtype}");
        }
    }
}

#[tokio::test]
async fn the_way_of_https_records_leads_to_the_safe_edition_too() {
    let lab = start("").await;

    let kid = ask_from(&lab, KID, "www.google.com", "HTTPS").await;
    let parent = ask_from(&lab, PARENT, "www.google.com", "HTTPS").await;

    let [alias, https] = &kid.answers()[..] else { panic!("{kid:?}") };
    assert_eq!(alias, "CNAME forcesafesearch.google.com.");
    assert!(https.contains("ipv4hint=192.0.2.9"), "{https}");
    assert!(parent.answers()[0].contains("ipv4hint=192.0.2.1"), "{parent:?}");
    // The key by which a client hides which host it means is not told either.
    assert_eq!(ask_from(&lab, KID, "_esni.www.google.com", "TXT").await.rcode(), 3);
}

#[tokio::test]
async fn who_is_not_in_the_group_searches_as_before_whoever_has_asked_first() {
    let lab = start("").await;

    for _ in ["first", "again"] {
        let kid = ask_from(&lab, KID, "www.google.com", "A").await;
        let parent = ask_from(&lab, PARENT, "www.google.com", "A").await;
        assert_eq!(kid.addresses(), ["192.0.2.9"]);
        assert_eq!(parent.answers(), ["A 192.0.2.1"]);
    }
}

#[tokio::test]
async fn a_rule_that_allows_beats_a_service_and_a_safe_search() {
    for allow in [
        "[[rules]]\naction = 'allow'\nmatch = 'www.google.com'\ngroups = ['kids']\n\
         [[rules]]\naction = 'allow'\nmatch = '||tiktok.com^'\ngroups = ['kids']",
        "[[lists]]\nname = 'a'\naction = 'allow'\nservice = 'tiktok'\ngroups = ['kids']\n\
         [[lists]]\nname = 'b'\naction = 'allow'\ninline = ['www.google.com']\ngroups = ['kids']",
    ] {
        let lab = start(allow).await;

        for name in ["www.google.com", "www.tiktok.com"] {
            let reply = ask_from(&lab, KID, name, "A").await;
            assert_eq!(reply.answers(), ["A 192.0.2.1"], "{name}");
        }
    }
}

#[tokio::test]
async fn the_safe_edition_is_judged_as_any_other_name() {
    let lab = start("[[rules]]\naction='deny'\nmatch='*.google.com'\ngroups=['kids']").await;
    // The rule is about the search itself, so nothing is led anywhere.
    assert_eq!(ask_from(&lab, KID, "www.google.com", "A").await.answers(), ["A 0.0.0.0"]);
    // Here it is about the edition alone.
    let reply = ask_from(&lab, KID, "www.google.co.uk", "A").await;
    assert_eq!(reply.answers(), ["A 0.0.0.0"]);
    assert_eq!(reply.ede(), [(15, "*.google.com".to_owned())]);
}

#[tokio::test]
async fn an_alias_to_a_search_does_not_get_around_it() {
    let lab = start("").await;

    for (qtype, answers) in [("A", vec!["A 0.0.0.0"]), ("HTTPS", vec![])] {
        let kid = ask_from(&lab, KID, "search.example", qtype).await;
        assert_eq!(kid.answers(), answers, "{qtype}");
    }
}

#[tokio::test]
async fn who_blocks_youtube_blocks_it_in_its_restricted_mode_too() {
    let youtube = "[[lists]]\nname = 'no-youtube'\nservice = 'youtube'\ngroups = ['kids']\n";
    let fake = Fake::new().a("restrict.youtube.com", SAFE).a("www.youtube.com", UNSAFE);

    for config in [format!("{CONFIG}{youtube}"), format!("{youtube}{CONFIG}")] {
        let lab = Lab::builder().upstream(fake.clone()).config(&config).start().await;
        let reply = ask_from(&lab, KID, "www.youtube.com", "A").await;
        assert_eq!(reply.addresses(), ["0.0.0.0"]);
    }
    let lab = Lab::builder().upstream(fake).config(CONFIG).start().await;
    assert_eq!(ask_from(&lab, KID, "www.youtube.com", "A").await.addresses(), ["192.0.2.9"]);
}

#[tokio::test]
async fn of_two_that_lead_elsewhere_the_first_decides() {
    let moderate = "[[lists]]\nname='m'\nservice='safe-search-youtube-moderate'\ngroups=['kids']\n";
    let fake = Fake::new().a("restrict.youtube.com", SAFE).a("restrictmoderate.youtube.com", SAFE);

    for (config, edition) in [
        (format!("{moderate}{CONFIG}"), "restrictmoderate.youtube.com"),
        (format!("{CONFIG}{moderate}"), "restrict.youtube.com"),
    ] {
        let lab = Lab::builder().upstream(fake.clone()).config(&config).start().await;
        let reply = ask_from(&lab, KID, "m.youtube.com", "A").await;
        assert_eq!(reply.answers(), [format!("CNAME {edition}."), "A 192.0.2.9".to_owned()]);
    }
}

#[tokio::test]
async fn a_service_in_shadow_mode_leads_nowhere() {
    let shadow = CONFIG.replace("service =", "mode = 'shadow'\n    service =");
    let lab = Lab::builder().upstream(knowing()).config(&shadow).start().await;

    for name in ["www.google.com", "www.tiktok.com"] {
        assert_eq!(ask_from(&lab, KID, name, "A").await.answers(), ["A 192.0.2.1"], "{name}");
    }
    assert_eq!(lab.sample("dnsward_shadow_blocks_total{list=\"no-tiktok\"}").await, 1);
}

#[test]
fn services_are_told_of_as_any_list_and_nothing_is_fetched_for_them() {
    let daemon = Daemon::start(CONFIG);

    let (lists, code) = daemon.json(&["lists", "update"]);
    let (status, _) = daemon.json(&["lists", "status"]);
    let (story, _) = daemon.text(&["explain", "www.tiktok.com"]);
    let (safe, _) = daemon.text(&["explain", "www.google.de", "HTTPS", "--offline"]);

    assert_eq!(code, Some(0), "{lists}");
    let told = |list: &serde_json::Value, key: &str| list[key].as_str().unwrap().to_owned();
    let rows: Vec<_> = status.as_array().unwrap().iter().collect();
    let names: Vec<_> = rows.iter().map(|row| (told(row, "name"), told(row, "state"))).collect();
    assert_eq!(names, [("no-tiktok".into(), "ok".into()), ("safe".into(), "ok".into())]);
    assert!(rows.iter().all(|row| row["rejected"] == 0 && row["duplicates"] == 0), "{status}");
    assert!(rows.iter().all(|row| row["next"].is_null()), "{status}");
    assert!(story.contains("of `no-tiktok` says ||tiktok.com^"), "{story}");
    let rule = "of `safe` says www.google.de$dnsrewrite=forcesafesearch.google.com.";
    assert!(safe.contains(rule), "{safe}");
    assert!(safe.contains("forcesafesearch.google.com (alias of that rule) passes"), "{safe}");
}
