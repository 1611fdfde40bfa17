//! Rows 1 to 20 and 22: lists and rules of every kind, asked by clients of different groups.

use std::net::Ipv6Addr;

use hickory_proto::rr::RData;
use tokio::net::UdpSocket;

use crate::lab::{Fake, Lab, Reply, question, receive_from};

/// What clients of each group are subject to: the first is in `default`, the second in `two`, the
/// third in a group for which there is nothing.
const POLICY: &str = r"
    [[lists]]
    name = 'gravity'
    groups = ['default', 'two']
    inline = [
        'ok1.lab.example', 'blk.lab.example', 'blk6.lab.example', 'ovr.lab.example',
        'dual.lab.example', 'x.y.dual.lab.example',
    ]
    [[lists]]
    name = 'antigravity'
    action = 'allow'
    inline = ['dual.lab.example', '@@||dual.lab.example^']
    [[rules]]
    action = 'allow'
    match = 'ok1.lab.example'
    [[rules]]
    action = 'allow'
    match = 'rx1.lab.example'
    [[rules]]
    action = 'allow'
    match = '/^rx2\.lab/'
    [[rules]]
    action = 'allow'
    match = '/^ovr/'
    [[rules]]
    action = 'deny'
    match = 'den.lab.example'
    [[rules]]
    action = 'deny'
    match = '/^rx[0-9]\.lab/'
    groups = ['default', 'two']
    [[rules]]
    action = 'deny'
    match = 'dual.lab.example'
    groups = ['strict']
    [[clients]]
    match = '127.0.0.2'
    groups = ['two']
    [[clients]]
    match = '127.0.0.3'
    groups = ['nothing']
    [[clients]]
    match = '127.1.0.0/16'
    groups = ['nothing']
    [[clients]]
    match = '127.1.2.0/24'
    groups = ['default']
    [[clients]]
    match = '127.0.0.4'
    groups = ['default', 'strict']
";

const FIRST: &str = "127.0.0.1";
const SECOND: &str = "127.0.0.2";
const THIRD: &str = "127.0.0.3";

/// Every name has this address, or its counterpart.
const REAL: [u8; 4] = [192, 0, 2, 1];
const REAL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

async fn start() -> Lab {
    let labels =
        ["ok1", "blk", "blk6", "ovr", "dual", "x.y.dual", "den", "rx1", "rx2", "rx5", "rxa"];
    let fake = labels.iter().fold(Fake::new(), |fake, label| {
        let name = format!("{label}.lab.example");
        fake.a(&name, REAL).record(&name, RData::AAAA(REAL_V6.into()))
    });
    Lab::builder().upstream(fake).config(POLICY).start().await
}

/// Asks over UDP from an address of this host.
async fn ask_from(lab: &Lab, client: &str, label: &str, qtype: &str) -> Reply {
    ask_name(lab, client, &format!("{label}.lab.example"), qtype).await
}

async fn ask_name(lab: &Lab, client: &str, name: &str, qtype: &str) -> Reply {
    let socket = UdpSocket::bind((client, 0)).await.unwrap();
    socket.connect(lab.dns()).await.unwrap();
    let query = question(name, qtype);
    socket.send(&query.to_vec().unwrap()).await.unwrap();
    Reply::read(&receive_from(&socket).await)
}

/// Asks for an address as a client, and expects a block for this reason, or the real answer.
async fn expect(lab: &Lab, client: &str, label: &str, reason: Option<&str>) {
    let reply = ask_from(lab, client, label, "A").await;
    let told: Vec<_> = reason.iter().map(|reason| (15, (*reason).to_owned())).collect();
    let address = if reason.is_some() { "0.0.0.0" } else { "192.0.2.1" };
    assert_eq!((reply.addresses(), reply.ede()), (vec![address.into()], told), "{client} {label}");
}

// The reason is the rule itself where Pi-hole says `denylist` or `regex`, and the list's name where
// it says `gravity`.
#[tokio::test]
async fn row_01_an_exact_deny_rule_gives_one_null_address_for_two_seconds_with_the_reason() {
    let lab = start().await;

    expect(&lab, FIRST, "den", Some("den.lab.example")).await;
    let reply = lab.ask("den.lab.example", "A").await;
    assert_eq!((reply.message.answers.len(), reply.message.answers[0].ttl), (1, 2));
}

#[tokio::test]
async fn row_02_row_03_row_04_a_listed_name_gets_the_null_address_of_its_family_either_way() {
    let lab = start().await;

    for name in ["blk.lab.example", "blk6.lab.example"] {
        for (qtype, address) in [("A", "0.0.0.0"), ("AAAA", "::")] {
            for reply in [lab.ask_udp(name, qtype).await, lab.ask(name, qtype).await] {
                assert_eq!(reply.addresses(), [address]);
                assert_eq!(reply.ede(), [(15, "gravity".to_owned())]);
            }
        }
    }
    assert_eq!(lab.upstream_hits(), 0);
}

#[tokio::test]
async fn row_05_who_asks_for_all_types_of_a_blocked_name_gets_both_null_addresses() {
    let lab = start().await;

    for reply in
        [lab.ask_udp("blk.lab.example", "ANY").await, lab.ask("blk.lab.example", "ANY").await]
    {
        assert_eq!(reply.answers(), ["A 0.0.0.0", "AAAA ::"]);
        assert_eq!(reply.ede(), [(15, "gravity".to_owned())]);
    }
    assert_eq!(lab.upstream_hits(), 0);
}

// Pi-hole's empty answers have no SOA. Ours do, so that clients know for how long they hold.
#[tokio::test]
async fn row_06_other_types_of_a_blocked_name_have_no_data_and_the_reason() {
    let lab = start().await;

    for qtype in ["TXT", "MX", "HTTPS"] {
        let reply = lab.ask("blk.lab.example", qtype).await;
        assert_eq!((reply.rcode(), reply.answers().len()), (0, 0), "{qtype}");
        assert_eq!(reply.ede(), [(15, "gravity".to_owned())], "{qtype}");
        assert_eq!(reply.message.authorities[0].ttl, 2, "{qtype}");
    }
}

#[tokio::test]
async fn row_07_an_exact_allow_beats_a_block_list() {
    expect(&start().await, FIRST, "ok1", None).await;
}

#[tokio::test]
async fn row_08_an_allow_by_regular_expression_beats_a_block_list() {
    expect(&start().await, FIRST, "ovr", None).await;
}

#[tokio::test]
async fn row_09_row_10_an_allow_list_beats_a_block_list_and_frees_what_lies_below() {
    let lab = start().await;

    expect(&lab, FIRST, "dual", None).await;
    expect(&lab, FIRST, "x.y.dual", None).await;
    expect(&lab, "127.0.0.4", "dual", Some("dual.lab.example")).await;
}

#[tokio::test]
async fn row_11_row_12_a_regular_expression_blocks_what_it_matches_and_nothing_else() {
    let lab = start().await;

    expect(&lab, FIRST, "rx5", Some("/^rx[0-9]\\.lab/")).await;
    expect(&lab, FIRST, "rxa", None).await;
}

#[tokio::test]
async fn row_13_row_14_allow_rules_of_either_kind_beat_a_regular_expression() {
    let lab = start().await;

    expect(&lab, FIRST, "rx1", None).await;
    expect(&lab, FIRST, "rx2", None).await;
}

#[tokio::test]
async fn row_15_row_16_row_17_rules_of_another_group_neither_allow_nor_deny() {
    let lab = start().await;

    expect(&lab, SECOND, "ok1", Some("gravity")).await;
    expect(&lab, SECOND, "rx1", Some("/^rx[0-9]\\.lab/")).await;
    expect(&lab, SECOND, "den", None).await;
}

#[tokio::test]
async fn row_18_row_19_row_20_for_a_client_without_lists_nothing_is_blocked() {
    let lab = start().await;

    for label in ["den", "rx1", "blk"] {
        expect(&lab, THIRD, label, None).await;
    }
}

#[tokio::test]
async fn row_21_row_22_the_longest_prefix_around_a_client_has_its_groups() {
    let lab = start().await;

    expect(&lab, "127.1.1.1", "blk", None).await;
    expect(&lab, "127.1.2.1", "blk", Some("gravity")).await;
}

// A rule of the operator comes before special names, and counts for its groups alone.
#[tokio::test]
async fn row_25_a_private_relay_is_allowed_to_those_whom_the_rule_is_for() {
    let config = "
        [[rules]]
        action = 'allow'
        match = 'mask.icloud.com'
        groups = ['two']
        [[lists]]
        name = 'ours'
        action = 'allow'
        inline = ['mask.icloud.com', 'mask-h2.icloud.com']
        [[clients]]
        match = '127.0.0.2'
        groups = ['two']
    ";
    let fake = Fake::new().a("mask.icloud.com", REAL).a("mask-h2.icloud.com", REAL);
    let lab = Lab::builder().upstream(fake).config(config).start().await;

    for (client, name, rcode) in [
        (FIRST, "mask.icloud.com", 3),
        (SECOND, "mask.icloud.com", 0),
        (SECOND, "mask-h2.icloud.com", 3),
        (FIRST, "mask.icloud.com", 3),
        (SECOND, "mask.icloud.com", 0),
    ] {
        let reply = ask_name(&lab, client, name, "A").await;
        assert_eq!(reply.rcode(), rcode, "{client} {name}");
    }
}

// A line of a list may name clients itself. What one of them is answered is nobody else's.
#[tokio::test]
async fn row_16_a_line_for_some_clients_is_for_them_alone_cached_or_not() {
    let config = r"
        [[lists]]
        name = 'first'
        inline = ['||blk.lab.example^$client=127.0.0.2|127.9.0.0/16']
        [[lists]]
        name = 'second'
        inline = ['||ok1.lab.example^$client=~127.0.0.2', '||blk.lab.example^$client=127.0.0.3']
        [[rules]]
        action = 'deny'
        match = '||den.lab.example^$client=127.0.0.3'
        [[rules]]
        action = 'deny'
        match = '/^rx1/$client=~127.0.0.1'
        types = ['A']
        [[rules]]
        action = 'allow'
        match = '||ok1.lab.example^$client=127.9.1.1'
    ";
    let fake = ["blk", "ok1", "den", "rx1"]
        .iter()
        .fold(Fake::new(), |fake, label| fake.a(&format!("{label}.lab.example"), REAL));
    let lab = Lab::builder().upstream(fake).config(config).start().await;
    let (den, rx1) = ("||den.lab.example^$client=127.0.0.3", "/^rx1/$client=~127.0.0.1");

    for _ in ["the first time", "again"] {
        for (client, blk, ok1, denied, by_regex) in [
            (FIRST, None, Some("second"), None, None),
            (SECOND, Some("first"), None, None, Some(rx1)),
            (THIRD, Some("second"), Some("second"), Some(den), Some(rx1)),
            ("127.9.1.1", Some("first"), None, None, Some(rx1)),
        ] {
            expect(&lab, client, "blk", blk).await;
            expect(&lab, client, "ok1", ok1).await;
            expect(&lab, client, "den", denied).await;
            expect(&lab, client, "rx1", by_regex).await;
        }
    }
}
