//! Rows 37 to 41: names that lead to a blocked one.

use std::net::Ipv6Addr;

use hickory_proto::rr::RData;

use crate::lab::{Fake, Lab, list};

/// Seven aliases in a row lead to a blocked name, as does one beside them.
fn knowing() -> Fake {
    let only_v6 = RData::AAAA(Ipv6Addr::LOCALHOST.into());
    (2..=7)
        .fold(Fake::new(), |fake, number| {
            let target = format!("c{}.lab.example", number - 1);
            fake.cname(&format!("c{number}.lab.example"), &target)
        })
        .cname("c1.lab.example", "blk.lab.example")
        .a("blk.lab.example", [192, 0, 2, 1])
        .cname("d1.lab.example", "blk6.lab.example")
        .record("blk6.lab.example", only_v6)
}

async fn start(config: &str) -> Lab {
    Lab::builder()
        .upstream(knowing())
        .list("gravity", &["blk.lab.example", "blk6.lab.example"])
        .config(config)
        .start()
        .await
}

#[tokio::test]
async fn row_37_row_38_what_leads_to_a_blocked_name_is_blocked_and_does_not_show_the_way() {
    let lab = start("").await;

    for number in [1, 7, 1, 7] {
        let reply = lab.ask(&format!("c{number}.lab.example"), "A").await;
        assert_eq!(reply.answers(), ["A 0.0.0.0"], "c{number}");
        assert_eq!(reply.ede(), [(15, "gravity".to_owned())], "c{number}");
    }
    assert_eq!(lab.upstream_hits(), 2);
}

#[tokio::test]
async fn row_39_it_is_blocked_too_where_the_target_has_no_such_data() {
    let lab = start("").await;

    assert_eq!(lab.ask("c1.lab.example", "AAAA").await.answers(), ["AAAA ::"]);
    assert_eq!(lab.ask("d1.lab.example", "A").await.answers(), ["A 0.0.0.0"]);
}

#[tokio::test]
async fn row_40_an_allowed_name_frees_what_it_leads_to() {
    for allowed in ["c3.lab.example", "c2.lab.example"] {
        let lab = start(&format!("[[rules]]\naction = 'allow'\nmatch = '{allowed}'")).await;

        let reply = lab.ask("c3.lab.example", "A").await;

        assert_eq!(reply.addresses(), ["192.0.2.1"], "{allowed}");
        assert_eq!(lab.ask("c1.lab.example", "A").await.addresses(), ["0.0.0.0"], "{allowed}");
    }
}

#[tokio::test]
async fn row_41_the_names_on_the_way_can_be_left_alone() {
    let lab = start("").await;
    assert_eq!(lab.ask("c7.lab.example", "A").await.addresses(), ["0.0.0.0"]);

    let lists = list("gravity", &["blk.lab.example"]);
    lab.reload(&format!("blocking.inspect_cname = false\n{lists}")).await;

    assert_eq!(lab.ask("c7.lab.example", "A").await.addresses(), ["192.0.2.1"]);
    assert_eq!(lab.ask("blk.lab.example", "A").await.addresses(), ["0.0.0.0"]);
}
