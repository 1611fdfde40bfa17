//! Commands that reach a running server over its control socket, as a shell sees them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// No port that another server could have.
pub(crate) const PORTS: &str =
    "dns.listen = ['127.0.0.1:0']\nadmin.listen = ''\nmetrics.listen = ''\n";

/// An upstream that is nobody.
const NOBODY: &str =
    "upstream.servers = ['https://127.0.0.1:9/dns-query']\nupstream.timeout = '200ms'\n";

/// A running server with a directory of its own, which holds its data and its settings.
pub(crate) struct Daemon {
    child: Running,
    /// Kept open: a server that cannot write its log has other worries.
    _log: BufReader<ChildStderr>,
    serving: Value,
    /// What it said before that.
    pub(crate) said: Vec<Value>,
    directory: TempDir,
}

impl Daemon {
    /// Starts with these settings; `data_dir` is `data`.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_with_upstreams(&format!("{NOBODY}{config}"))
    }

    /// Starts with the usual upstreams, which nothing that is asked must lead to.
    pub(crate) fn start_with_upstreams(config: &str) -> Self {
        let config = format!("data_dir = 'data'\n{PORTS}{config}");
        Self::start_in(tempfile::tempdir().unwrap(), &config)
    }

    /// Starts in a directory, where an earlier server may have left something.
    pub(crate) fn start_in(directory: TempDir, config: &str) -> Self {
        Self::start_by(&[], directory, config)
    }

    /// The same by a program that takes the command behind its own arguments.
    pub(crate) fn start_by(starter: &[&str], directory: TempDir, config: &str) -> Self {
        std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();
        let mut child = serve_by(starter, directory.path()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = Vec::new();
        let serving = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended");
            let event: Value = serde_json::from_str(&line).expect("a JSON line");
            if event["message"] == "serving" {
                break event;
            }
            said.push(event);
        };
        Self { child: Running(child), _log: log, serving, said, directory }
    }

    /// Runs a command beside its settings.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        dnsward(arguments, self.path("")).output().unwrap()
    }

    /// The JSON of a command, and its exit code.
    pub(crate) fn json(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let output = self.run(&[arguments, &["--json"]].concat());
        let text = text(&output.stdout);
        let json = serde_json::from_str(&text);
        (json.unwrap_or_else(|_| panic!("{text}{output:?}")), output.status.code())
    }

    /// The text of a command, and its exit code.
    pub(crate) fn text(&self, arguments: &[&str]) -> (String, Option<i32>) {
        let output = self.run(arguments);
        (text(&output.stdout), output.status.code())
    }

    /// The names of its threads.
    pub(crate) fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.0.id())).unwrap();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
        let names = tasks.filter_map(|task| name(task.ok()?).ok());
        names.map(|name| name.trim().to_owned()).collect()
    }

    /// Where it answers DNS.
    pub(crate) fn dns(&self) -> &str {
        self.serving["dns"].as_str().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn socket(&self) -> PathBuf {
        self.path("data/control.sock")
    }

    /// Ends at once, as after a loss of power; the directory stays.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }

    /// Ends in order; the directory stays.
    pub(crate) fn end(mut self) -> TempDir {
        self.terminate();
        std::mem::replace(&mut self.directory, tempfile::tempdir().unwrap())
    }

    fn terminate(&mut self) {
        let pid = self.child.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.0.wait().unwrap().success());
    }
}

/// A process that a test which ends early does not leave running.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever has been waited for is gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn dnsward(arguments: &[&str], directory: impl AsRef<Path>) -> Command {
    command(&[&[env!("CARGO_BIN_EXE_dnsward")], arguments].concat(), directory)
}

fn command(words: &[&str], directory: impl AsRef<Path>) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(directory).env_remove("DNSWARD__DATA_DIR");
    command
}

fn serve(directory: &Path) -> Command {
    serve_by(&[], directory)
}

fn serve_by(starter: &[&str], directory: &Path) -> Command {
    let words = [starter, &[env!("CARGO_BIN_EXE_dnsward"), "serve"]].concat();
    let mut command = command(&words, directory);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn status_tells_how_the_server_does() {
    let daemon = Daemon::start("[[lists]]\nname = 'ads'\ninline = ['||ads.example^']\n");
    assert_eq!(daemon.run(&["lists", "status"]).status.code(), Some(0), "lists are read");
    daemon.run(&["query", "x.ads.example", "--server", daemon.dns()]);

    let (status, code) = daemon.json(&["status"]);
    let (page, _) = daemon.text(&["status"]);

    assert_eq!((&status["version"], code), (&env!("CARGO_PKG_VERSION").into(), Some(0)));
    assert_eq!(status["pid"], daemon.child.0.id());
    assert_eq!((&status["blocking"], &status["lists"]["rules"]), (&true.into(), &1.into()));
    assert_eq!(status["queries"]["blocked_share"], 1.0, "{status}");
    assert_eq!(status["upstreams"][0]["server"], "https://127.0.0.1:9/dns-query");
    assert!(status["generation"].as_u64() >= Some(2), "{status}");
    for words in ["1 rule in", "(100.0 %)", "is untried"] {
        assert!(page.contains(words), "{words} in {page}");
    }
}

#[test]
fn lists_status_has_a_row_for_each_list_and_says_no_where_one_has_failed() {
    let good = "[[lists]]\nname = 'good'\ninline = ['||ads.example^', 'bad..example']\n";
    let daemon = Daemon::start(&format!("{good}[[lists]]\nname = 'gone'\npath = 'gone.txt'\n"));

    let (rows, code) = daemon.json(&["lists", "status"]);
    let (table, _) = daemon.text(&["lists", "status"]);

    let keys = ["name", "rules", "rejected", "state", "error", "updated"];
    assert!(keys.iter().all(|key| rows[0].get(key).is_some()), "{rows}");
    let row = |row: &Value| json!([row["name"], row["rules"], row["rejected"], row["state"]]);
    assert_eq!(row(&rows[0]), json!(["good", 1, 1, "ok"]));
    assert_eq!(row(&rows[1]), json!(["gone", 0, 0, "failed"]));
    assert!(rows[1]["error"].as_str().unwrap().contains("cannot be read"), "{rows}");
    assert_eq!(code, Some(1));
    let heads: Vec<&str> = table.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(heads, ["NAME", "good", "gone", "good:", "good:"]);
    assert!(table.contains("good: 1 for a name and all below it"), "{table}");
}

#[test]
fn lists_update_reads_every_file_again_before_it_returns() {
    let daemon = Daemon::start("[[lists]]\nname = 'ours'\npath = 'ours.txt'\n");
    let (_, before) = daemon.json(&["lists", "update"]);
    std::fs::write(daemon.path("ours.txt"), "ads.example\n").unwrap();

    let (rows, after) = daemon.json(&["lists", "update"]);
    let (answer, _) = daemon.text(&["query", "ads.example", "--server", daemon.dns()]);

    assert_eq!((before, after), (Some(1), Some(0)));
    assert_eq!(rows[0]["rules"], 1);
    assert!(answer.contains("EDE 15: ours"), "{answer}");
}

#[test]
fn a_server_is_found_by_its_settings_or_by_its_socket() {
    let daemon = Daemon::start("");
    let elsewhere = tempfile::tempdir().unwrap();
    let code =
        |arguments: &[&str]| dnsward(arguments, elsewhere.path()).output().unwrap().status.code();
    let socket = daemon.socket();
    let config = format!("data_dir = '{}'", daemon.path("data").display());
    std::fs::write(elsewhere.path().join("other.toml"), config).unwrap();

    assert_eq!(code(&["status", "--socket", socket.to_str().unwrap()]), Some(0));
    assert_eq!(code(&["status", "--config", "other.toml"]), Some(0));
}

#[test]
fn without_a_server_every_command_ends_with_code_four_and_a_next_step() {
    let directory = tempfile::tempdir().unwrap();
    let config = "control_socket = 'nobody.sock'";
    std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();

    for command in [&["status"][..], &["lists", "status"], &["lists", "update"]] {
        let output = dnsward(command, directory.path()).output().unwrap();
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{command:?}");
        assert!(told.contains("`nobody.sock` is not there"), "{told}");
        assert!(told.contains("--config") && told.contains("--socket"), "{told}");
    }
    let mut off = dnsward(&["status"], directory.path());
    let told = off.env("DNSWARD__CONTROL_SOCKET", "off").output().unwrap();
    assert_eq!(told.status.code(), Some(4));
    assert!(text(&told.stderr).contains("control_socket is \"off\""));
}

#[test]
fn settings_that_have_gone_bad_are_told_and_the_socket_still_leads_to_the_server() {
    let daemon = Daemon::start("");
    std::fs::write(daemon.path("dnsward.toml"), "nope = 1").unwrap();

    let by_settings = daemon.run(&["status"]);
    let by_socket = daemon.run(&["status", "--socket", "data/control.sock"]);

    assert_eq!((by_settings.status.code(), by_socket.status.code()), (Some(3), Some(0)));
    let told = text(&by_settings.stderr);
    assert!(told.contains("nope:") && told.contains("--socket PATH"), "{told}");
}

#[test]
fn a_socket_that_a_crash_left_behind_is_replaced_and_an_orderly_end_leaves_none() {
    let first = Daemon::start("");
    let directory = first.kill();
    assert!(directory.path().join("data/control.sock").exists());

    let config = std::fs::read_to_string(directory.path().join("dnsward.toml")).unwrap();
    let mut second = Daemon::start_in(directory, &config);

    assert_eq!(second.run(&["status"]).status.code(), Some(0));
    second.terminate();
    assert!(!second.socket().exists());
}

#[test]
fn a_socket_of_another_server_is_not_taken_and_its_holder_is_named() {
    let first = Daemon::start("");
    let directory = tempfile::tempdir().unwrap();
    let config = format!("{PORTS}{NOBODY}control_socket = '{}'", first.socket().display());
    std::fs::write(directory.path().join("dnsward.toml"), config).unwrap();

    let second = serve(directory.path()).output().unwrap();

    let told = text(&second.stderr);
    assert_eq!(second.status.code(), Some(5), "{told}");
    assert!(told.contains(&format!("(process {})", first.child.0.id())), "{told}");
    assert_eq!(first.run(&["status"]).status.code(), Some(0));
}

#[test]
fn where_no_socket_can_be_the_server_warns_and_serves() {
    let mut daemon = Daemon::start_in(
        tempfile::tempdir().unwrap(),
        &format!("{PORTS}{NOBODY}control_socket = '/proc/dnsward/control.sock'"),
    );

    assert_eq!(daemon.serving.get("control"), None);
    assert_eq!(daemon.run(&["healthcheck", "--server", daemon.dns()]).status.code(), Some(0));
    assert_eq!(daemon.run(&["status"]).status.code(), Some(4));
    daemon.terminate();
}

#[test]
fn a_request_that_is_too_long_or_none_of_ours_hurts_nobody() {
    let daemon = Daemon::start("");
    let say = |request: &str| {
        let mut stream = UnixStream::connect(daemon.socket()).unwrap();
        // A server that has heard enough may close before all is said.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
    };

    let long = format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(100_000));
    assert!(!say(&long).contains("200"));
    assert_eq!(say("GET /nothing HTTP/1.0\r\n\r\n"), "HTTP/1.0 404 Not Found");
    assert_eq!(say("GET /lists/update HTTP/1.0\r\n\r\n"), "HTTP/1.0 405 Method Not Allowed");
    assert!(!say("hello\r\n\r\n").contains("200"));
    assert_eq!(daemon.run(&["status"]).status.code(), Some(0));
}

#[test]
fn commands_reach_a_demo_through_its_temporary_directory() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = dnsward(&["serve", "--demo"], directory.path());
    command.env("DNSWARD__LOG__FORMAT", "json").env("TMPDIR", directory.path());
    let demo = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut demo = Running(demo);
    let lines = BufReader::new(demo.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let said = lines
        .into_iter()
        .find_map(|line| line.trim().strip_prefix("status    dnsward ").map(str::to_owned));

    let arguments = said.expect("a line to paste");
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let code = dnsward(&arguments, directory.path()).output().unwrap().status.code();

    assert_eq!(code, Some(0), "{arguments:?}");
}
