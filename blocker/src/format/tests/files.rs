//! Whole files go in, whose lines have to be read together or must not disturb each other.

use super::read_file;

#[test]
fn a_policy_zone_may_be_written_relative_to_itself() {
    let file = "\
; a list
$TTL 2h
@ SOA localhost. root.localhost. 1 43200 3600 86400 120
  NS  localhost.
ads.example CNAME .
*.ads.example CNAME .   ; and below
good.example 60 IN CNAME rpz-passthru.
own.example CNAME own.example.
null.example A 0.0.0.0
walled.example A 192.0.2.7
        AAAA 2001:db8::7
        IN A 192.0.2.8
        TXT \"why\"
localhost.example CNAME localhost.
";

    assert_eq!(
        read_file(file),
        [
            "ads.example$dnsrewrite=NXDOMAIN",
            "||ads.example^$dnsrewrite=NXDOMAIN",
            "@@good.example",
            "@@own.example",
            "null.example",
            "walled.example$dnsrewrite=192.0.2.7",
            "walled.example$dnsrewrite=2001:db8::7",
            "walled.example$dnsrewrite=192.0.2.8",
            "TXT \"why\": `TXT` records in a policy zone are not supported; write a local record",
            "localhost.example$dnsrewrite=localhost.",
        ]
    );
}

#[test]
fn a_policy_zone_may_write_its_name_behind_every_other() {
    let file = "\
$ORIGIN rpz.test.
$TTL 300
rpz.test. IN SOA ns.rpz.test. me.rpz.test. (
    2026112101 ; serial
    3600       ; refresh
    600        ; retry
    86400      ; expire
    300 )      ; minimum
rpz.test. IN NS ns.rpz.test.
ads.example.rpz.test. IN CNAME .
tracker.example IN CNAME .
elsewhere.example. IN CNAME .
32.1.2.0.192.rpz-ip.rpz.test. IN CNAME .
";

    assert_eq!(
        read_file(file),
        [
            "ads.example$dnsrewrite=NXDOMAIN",
            "tracker.example$dnsrewrite=NXDOMAIN",
            "elsewhere.example$dnsrewrite=NXDOMAIN",
            "32.1.2.0.192.rpz-ip.rpz.test. IN CNAME .: `rpz-ip` triggers are not supported; \
             only names are",
        ]
    );
}

#[test]
fn a_policy_zone_may_come_as_a_name_server_writes_it_out() {
    let file = "\
$ORIGIN .
$TTL 300
rpz.test IN SOA ns.rpz.test. me.rpz.test. (1 3600 600 86400 300)
         NS ns.rpz.test.
         RRSIG NS 8 2 300 20260101000000 20250101000000 1 rpz.test. abcd
$ORIGIN rpz.test.
tracker  CNAME .
$ORIGIN example.rpz.test.
ads      CNAME .
*.ads    CNAME .
$ORIGIN b.rpz.test.
a        CNAME .
";

    assert_eq!(
        read_file(file),
        [
            "tracker$dnsrewrite=NXDOMAIN",
            "ads.example$dnsrewrite=NXDOMAIN",
            "||ads.example^$dnsrewrite=NXDOMAIN",
            "a.b$dnsrewrite=NXDOMAIN",
        ]
    );
}

#[test]
fn an_open_parenthesis_does_not_hide_the_rest_of_the_file() {
    let file = format!("@ SOA a. b. (\n{}", "ads.example\n".repeat(30));

    assert_eq!(read_file(&file).len(), 14);
}

#[test]
fn an_unbound_configuration_has_headings_and_other_options() {
    let file = "\
server:
    # a list
    local-zone: \"ads.example\" redirect
    local-data: \"ads.example A 0.0.0.0\"
    local-data: \"ads.example AAAA ::\"
    local-zone: \"tracker.example.\" always_null
    verbosity: 1
forward-zone:
";

    assert_eq!(
        read_file(file),
        [
            "||ads.example^",
            "ads.example",
            "ads.example",
            "||tracker.example^",
            "verbosity: 1: the option `verbosity` blocks nothing",
        ]
    );
}

#[test]
fn formats_may_be_mixed_and_every_system_ends_lines_its_own_way() {
    let file = "\u{feff}a.example\r\n\u{feff}||b.example^\r\n0.0.0.0 c.example\r\n\
        d.example CNAME .\r\naddress=/e.example/\r\nlocal-zone: \"f.example\" static\r\n\
        /^g/\r\n*.h.example\r\n\r\n0.0.0.0\ti.example # remark\r";

    assert_eq!(
        read_file(file),
        [
            "a.example",
            "||b.example^",
            "c.example",
            "d.example$dnsrewrite=NXDOMAIN",
            "||e.example^",
            "||f.example^",
            "/^g/",
            "||h.example^",
            "i.example",
        ]
    );
}

#[test]
fn a_text_has_so_many_expressions_compiled() {
    let refused = "/((a{100}){100}){100}/\n".repeat(200);
    let taken = "/a/\n".repeat(1_999);
    let paths = "/\\/((a{100}){100}){100}/\n".repeat(100);
    let shown = read_file(&format!("{refused}{taken}{paths}/^one/\n/^two/\nads.example"));

    let last = &shown[shown.len() - 3..];
    assert_eq!(last[0], "/^one/");
    assert!(last[1].starts_with("/^two/: there are too many"), "{}", last[1]);
    assert_eq!(last[2], "ads.example");
}

#[test]
fn what_follows_a_refused_owner_is_not_said_of_the_one_before() {
    let shown = read_file("ads.example CNAME .\na..b A 192.0.2.1\n  AAAA 2001:db8::7\n");

    assert_eq!(shown[0], "ads.example$dnsrewrite=NXDOMAIN");
    assert!(shown[1].starts_with("a..b A 192.0.2.1: "), "{}", shown[1]);
    assert!(shown[2].starts_with("AAAA 2001:db8::7: "), "{}", shown[2]);
}
