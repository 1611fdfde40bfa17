//! Rows 50, 51 and 63: adblock lines, and the forms of block answers.

use crate::lab::{Fake, Lab, list};

#[tokio::test]
async fn row_50_row_51_an_adblock_line_blocks_a_domain_on_label_boundaries() {
    let fake = Fake::new().a("xabp.lab.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("gravity", &["||abp.lab.example^"]).start().await;

    for name in ["abp.lab.example", "a.b.c.d.abp.lab.example"] {
        assert_eq!(lab.ask(name, "A").await.addresses(), ["0.0.0.0"], "{name}");
    }
    assert_eq!(lab.ask("xabp.lab.example", "A").await.addresses(), ["192.0.2.1"]);
}

// Pi-hole takes `||abp^` without its end for no rule. Here it is the same rule.
#[tokio::test]
async fn row_50_the_end_of_an_adblock_line_may_be_missing() {
    let fake = Fake::new().a("xabp.lab.example", [192, 0, 2, 1]);
    let lab = Lab::builder().upstream(fake).list("gravity", &["||abp.lab.example"]).start().await;

    assert_eq!(lab.ask("a.abp.lab.example", "A").await.addresses(), ["0.0.0.0"]);
    assert_eq!(lab.ask("xabp.lab.example", "A").await.addresses(), ["192.0.2.1"]);
}

#[tokio::test]
async fn row_63_blocked_names_lead_where_the_operator_says() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let both = "{ ipv4 = '192.0.2.80', ipv6 = '2001:db8::80' }";
    for (answer, a, aaaa) in [
        (both, (0, Some("192.0.2.80")), (0, Some("2001:db8::80"))),
        ("{ ipv4 = '192.0.2.80' }", (0, Some("192.0.2.80")), (0, None)),
        ("'nxdomain'", (3, None), (3, None)),
        ("'nodata'", (0, None), (0, None)),
    ] {
        let list = list("gravity", &["blk.lab.example"]);
        lab.reload(&format!("blocking.answer = {answer}\n{list}")).await;

        for (qtype, (rcode, address)) in [("A", a), ("AAAA", aaaa)] {
            let reply = lab.ask("blk.lab.example", qtype).await;
            let seen = (reply.rcode(), reply.addresses().first().cloned());
            assert_eq!(seen, (rcode, address.map(str::to_owned)), "{answer} {qtype}");
        }
    }
}
