//! The queries by which operators find servers that keep silent or answer wrongly: the cases of
//! RFC 8906 section 8 and ISC's EDNS probes, as `dig` sends them, over UDP and TCP.
//!
//! The cases are written for authoritative servers; a forwarder is asked with RD, and has no AA.

use hickory_proto::rr::{Name, RData, rdata::SOA};

use super::dig;
use crate::lab::{Fake, Lab};

/// What an answer must and must not have, as `dig` prints it.
struct Expected {
    present: &'static [&'static str],
    absent: &'static [&'static str],
}

const NO_EDNS: Expected = Expected {
    present: &["status: NOERROR", "IN\tSOA\t"],
    absent: &["EDNS:", " ad", " aa", "MBZ"],
};
const EDNS: Expected = Expected {
    present: &["status: NOERROR", "IN\tSOA\t", "EDNS: version: 0, flags:; udp: 1232"],
    absent: &["OPT=100", " ad", " aa", "MBZ"],
};
const BAD_VERSION: Expected = Expected {
    present: &["status: BADVERS", "EDNS: version: 0, flags:; udp: 1232", "ANSWER: 0"],
    absent: &["OPT=100", "IN\tSOA\t", "MBZ"],
};
const DNSSEC_OK: Expected = Expected {
    present: &["status: NOERROR", "IN\tSOA\t", "EDNS: version: 0, flags: do; udp: 1232"],
    absent: &["MBZ"],
};

/// `dig`'s options for a question about the SOA of `zone.example`, and its answer.
const PROBES: &[(&str, &[&str], Expected)] = &[
    ("8906 8.1.1 and ISC: plain", &["+noedns", "+noad"], NO_EDNS),
    ("8906 8.1.3.1: CD", &["+noedns", "+noad", "+cd"], NO_EDNS),
    ("8906 8.1.3.3: Z", &["+noedns", "+noad", "+zflag"], NO_EDNS),
    ("8906 8.2.1 and ISC: EDNS", &["+edns=0", "+nocookie", "+noad"], EDNS),
    ("8906 8.2.2: version 1", &["+edns=1", "+noednsneg", "+nocookie", "+noad"], BAD_VERSION),
    ("8906 8.2.3 and ISC: option", &["+ednsopt=100", "+nocookie", "+noad"], EDNS),
    ("8906 8.2.4: flags", &["+ednsflags=0x40", "+nocookie", "+noad"], EDNS),
    ("8906 8.2.5", &["+edns=1", "+noednsneg", "+ednsflags=0x40", "+noad"], BAD_VERSION),
    ("8906 8.2.6", &["+edns=1", "+noednsneg", "+ednsopt=100", "+noad"], BAD_VERSION),
    ("8906 8.2.8 and ISC: DO", &["+dnssec", "+nocookie"], DNSSEC_OK),
    (
        "8906 8.2.10: options that are defined",
        &["+edns=0", "+noad", "+cookie", "+nsid", "+expire", "+subnet=0.0.0.0/0"],
        EDNS,
    ),
    ("ISC: version 100", &["+edns=100", "+noednsneg", "+nocookie", "+noad"], BAD_VERSION),
    ("ISC: flags", &["+ednsflags=0x80", "+nocookie", "+noad"], EDNS),
    ("ISC: both", &["+edns=100", "+noednsneg", "+ednsopt=100", "+noad"], BAD_VERSION),
];

fn zone() -> Fake {
    let soa = SOA::new(Name::root(), Name::root(), 1, 2, 3, 4, 60);
    Fake::new().record("zone.example", RData::SOA(soa)).long_txt("long.zone.example", 1000)
}

/// Runs `dig` beside the upstream, which lives on this thread.
async fn ask(lab: &Lab, arguments: &[&str]) -> Option<String> {
    let port = lab.dns().port().to_string();
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        dig(&port, &arguments)
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn check(case: &str, answer: &str, expected: &Expected) {
    for text in expected.present {
        assert!(answer.contains(text), "{case}: no {text:?} in\n{answer}");
    }
    // Only the lines that tell of the message: others repeat the command, or show a cookie, which may
    // begin with any two letters.
    let is_told = |line: &&str| !line.contains("DiG") && !line.contains("COOKIE:");
    let told: Vec<&str> = answer.lines().filter(is_told).collect();
    for text in expected.absent {
        assert!(!told.iter().any(|line| line.contains(text)), "{case}: {text:?} in\n{answer}");
    }
}

/// Questions of their own: an unknown type, an unknown operation, an answer that is too long.
const ODD: &[(&str, &[&str], Expected)] = &[
    (
        "8906 8.1.2: type",
        &["zone.example", "TYPE1000", "+noedns", "+noad"],
        Expected { present: &["status: NOERROR", "ANSWER: 0"], absent: &["EDNS:", " ad"] },
    ),
    (
        "8906 8.1.3.2: AD",
        &["zone.example", "SOA", "+noedns", "+ad"],
        Expected { present: &["flags: qr rd ra ad;", "IN\tSOA\t"], absent: &["EDNS:"] },
    ),
    (
        "8906 8.1.4: operation",
        &["+opcode=15", "+noedns", "+noad", "+header-only"],
        Expected { present: &["opcode: RESERVED15, status: NOTIMP"], absent: &["IN\tSOA\t"] },
    ),
    (
        "8906 8.2.9: version 1 and DO",
        &["zone.example", "SOA", "+edns=1", "+noednsneg", "+dnssec"],
        Expected {
            present: &["status: BADVERS", "EDNS: version: 0, flags: do;"],
            absent: &["IN\tSOA\t"],
        },
    ),
];

#[tokio::test]
async fn r62_an_unknown_type_or_operation_is_answered_too() {
    let lab = Lab::builder().upstream(zone()).start().await;

    for (case, question, expected) in ODD {
        for transport in ["+notcp", "+tcp"] {
            let arguments = [*question, &[transport]].concat();
            let Some(answer) = ask(&lab, &arguments).await else { return };
            check(&format!("{case} {transport}"), &answer, expected);
        }
    }
}

#[tokio::test]
async fn r62_a_long_answer_is_cut_over_udp_and_whole_over_tcp() {
    const EDNS_DO: &str = "EDNS: version: 0, flags: do;";
    let lab = Lab::builder().upstream(zone()).start().await;
    let long = ["long.zone.example", "TXT", "+dnssec", "+bufsize=512", "+ignore"];

    let Some(cut) = ask(&lab, &long).await else { return };
    let whole = ask(&lab, &[&long[..], &["+tcp"]].concat()).await.unwrap();

    let is_cut =
        Expected { present: &["flags: qr tc rd ra", EDNS_DO, "ANSWER: 0"], absent: &["IN\tTXT\t"] };
    check("8906 8.2.7 and ISC: size", &cut, &is_cut);
    let is_whole = Expected { present: &["IN\tTXT\t", EDNS_DO], absent: &["flags: qr tc"] };
    check("8906 8.1.5 and 8.2.7: TCP", &whole, &is_whole);
}

#[tokio::test]
async fn r62_every_probe_of_edns_gets_the_answer_it_should() {
    let lab = Lab::builder().upstream(zone()).start().await;

    for (case, options, expected) in PROBES {
        for transport in ["+notcp", "+tcp"] {
            let arguments = [&["zone.example", "SOA", transport], *options].concat();
            let Some(answer) = ask(&lab, &arguments).await else { return };
            check(&format!("{case} {transport}"), &answer, expected);
        }
    }
}
