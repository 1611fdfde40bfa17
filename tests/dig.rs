//! The lines that people paste, with the real `dig` against the real program.

mod probes;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

/// The demo, running as a program of its own.
struct Demo {
    child: Child,
    port: String,
}

impl Demo {
    /// Starts the demo on free ports and reads what it prints.
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_dnsward"))
            .args(["serve", "--demo"])
            .env("DNSWARD__DNS__LISTEN", "['127.0.0.1:0']")
            .env("DNSWARD__ADMIN__LISTEN", "127.0.0.1:0")
            .env("DNSWARD__METRICS__LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let welcome: Vec<String> =
            lines.map_while(Result::ok).take_while(|line| !line.contains("metrics")).collect();
        let line = welcome.iter().find_map(|line| line.split_once(" -p ")).expect("a dig line");
        let port = line.1.split(' ').next().unwrap().to_owned();
        assert!(welcome.iter().any(|line| line.contains("password")), "{welcome:?}");
        Self { child, port }
    }

    fn dig(&self, arguments: &[&str]) -> Option<String> {
        dig(&self.port, arguments)
    }

    /// Ends it as Kubernetes would; whether it ended well.
    fn terminate(mut self) -> bool {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.child.wait().unwrap().success()
    }
}

/// What `dig` prints; nothing where there is no `dig` and nobody requires it.
pub(crate) fn dig(port: &str, arguments: &[&str]) -> Option<String> {
    let mut dig = Command::new("dig");
    match dig.args(["-p", port, "@127.0.0.1", "+tries=1"]).args(arguments).output() {
        Ok(output) => Some(String::from_utf8(output.stdout).unwrap()),
        Err(_) if std::env::var_os("CI").is_none() => {
            eprintln!("dig is not installed: nothing is proved here");
            None
        }
        Err(error) => panic!("dig is needed here: {error}"),
    }
}

#[test]
fn the_demo_blocks_over_tcp_and_udp_and_ends_well() {
    let demo = Demo::start();

    for way in [&["+vc"][..], &["+notcp"], &["+noedns"]] {
        let arguments = [&["doubleclick.net", "+short"], way].concat();
        if let Some(answer) = demo.dig(&arguments) {
            assert_eq!(answer, "0.0.0.0\n", "{way:?}");
        }
    }
    if let Some(answer) = demo.dig(&["+vc", "doubleclick.net"]) {
        assert!(answer.contains("EDE: 15 (Blocked): (demo)"), "{answer}");
    }
    assert!(demo.terminate());
}

#[test]
fn two_demos_get_out_of_each_others_way() {
    let first = Demo::start();
    let taken = format!("['127.0.0.1:{}']", first.port);
    let mut second = Command::new(env!("CARGO_BIN_EXE_dnsward"))
        .args(["serve", "--demo"])
        .env("DNSWARD__DNS__LISTEN", &taken)
        .env("DNSWARD__ADMIN__LISTEN", "127.0.0.1:0")
        .env("DNSWARD__METRICS__LISTEN", "")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(second.stdout.take().unwrap()).lines().map_while(Result::ok);

    let line = lines.by_ref().find(|line| line.contains(" -p ")).expect("it starts");

    assert!(!line.contains(&format!("-p {} ", first.port)), "{line}");
    second.kill().unwrap();
    second.wait().unwrap();
    assert!(first.terminate());
}
