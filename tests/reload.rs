//! New configurations and lists while queries come in.

use crate::lab::{Fake, Lab, list};

#[tokio::test]
async fn a_changed_file_counts_after_a_reload() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("list.txt");
    std::fs::write(&file, "one.example\n").unwrap();
    let config = format!("[[lists]]\nname = 'file'\npath = '{}'", file.display());
    let lab = Lab::builder().upstream(Fake::new()).config(&config).start().await;

    assert_eq!(lab.ask("one.example", "A").await.addresses(), ["0.0.0.0"]);
    std::fs::write(&file, "two.example\n").unwrap();
    lab.reload(&config).await;

    assert_eq!(lab.ask("one.example", "A").await.rcode(), 3);
    assert_eq!(lab.ask("two.example", "A").await.addresses(), ["0.0.0.0"]);
}

#[tokio::test]
async fn no_query_is_lost_while_lists_and_settings_change() {
    let lab = Lab::builder().upstream(Fake::new().a("www.example", [192, 0, 2, 1])).start().await;
    let lists = [list("ads", &["||ads.example^"]), list("ads", &["||other.example^"])];

    let asking = async {
        for _ in 0..300 {
            assert_eq!(lab.ask("www.example", "A").await.addresses(), ["192.0.2.1"]);
        }
    };
    let changing = async {
        for turn in 0..20 {
            lab.reload(&lists[turn % 2]).await;
        }
    };
    tokio::join!(asking, changing);

    assert!(lab.sample("dnsward_generation").await > 20);
}

#[tokio::test]
async fn who_may_ask_and_local_names_change_without_a_restart() {
    let lab = Lab::builder().upstream(Fake::new()).start().await;
    let record = "[[records]]\nname = 'nas.lan'\na = ['192.168.1.2']";

    assert_eq!(lab.ask("nas.lan", "A").await.rcode(), 3);
    lab.reload(record).await;
    assert_eq!(lab.ask("nas.lan", "A").await.addresses(), ["192.168.1.2"]);
    lab.reload(&format!("dns.allow_from = ['192.0.2.1']\n{record}")).await;
    assert_eq!(lab.ask("nas.lan", "A").await.rcode(), 5);
}
