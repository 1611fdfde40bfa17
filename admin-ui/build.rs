//! The sources in `web/` come in, a table of files to embed goes out as `assets.rs`.
//!
//! `DNSWARD_UI` says how hard to try: `auto` (the default) bundles the page when Node.js and the
//! packages can be had and warns when not, `require` fails when not, `skip` does not try. All
//! writes stay in `OUT_DIR`, so a read-only checkout builds as well.

use std::{
    env,
    error::Error,
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

/// What the bundle is made from.
const SOURCES: [&str; 6] = [
    "web/.npmrc",
    "web/package.json",
    "web/package-lock.json",
    "web/build.mjs",
    "web/svelte-plugin.mjs",
    "web/src",
];
/// Longest wait for npm: a cold registry on a slow line takes a minute.
const NPM_LIMIT: Duration = Duration::from_secs(180);
/// Longest wait for Node itself; the bundle takes less than a second.
const NODE_LIMIT: Duration = Duration::from_secs(60);
/// Lines of a failed command's output that are repeated.
const TAIL: usize = 12;
/// The oldest Node.js whose features `build.mjs` and esbuild use.
const OLDEST_NODE: u32 = 20;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    for path in SOURCES.iter().chain(&["build.rs"]) {
        println!("cargo::rerun-if-changed={path}");
    }
    for name in ["DNSWARD_UI", "CARGO_NET_OFFLINE"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mode = env::var("DNSWARD_UI").unwrap_or_default();
    let table = match mode.as_str() {
        "skip" => plain(&out, "DNSWARD_UI=skip was set")?,
        "require" => full(&bundle(&out).map_err(|missing| {
            format!("DNSWARD_UI=require, but the admin page cannot be built: {missing}")
        })?)?,
        "" | "auto" if is_offline() => fallback(&out, "CARGO_NET_OFFLINE was set")?,
        "" | "auto" => match bundle(&out) {
            Ok(dist) => full(&dist)?,
            Err(missing) => fallback(&out, &missing.to_string())?,
        },
        other => {
            return Err(format!(
                "DNSWARD_UI: unknown (found {other}, allowed auto, require, skip)"
            )
            .into());
        }
    };
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// The plain page, with a warning that says why.
fn fallback(out: &Path, missing: &str) -> Outcome<String> {
    for line in missing.lines() {
        println!("cargo::warning=admin page: {line}");
    }
    println!("cargo::warning=admin page: building on with one plain page (API unaffected);");
    println!("cargo::warning=admin page: DNSWARD_UI=require insists, DNSWARD_UI=skip is silent");
    plain(out, missing.lines().next().unwrap_or_default())
}

/// Runs npm and the bundler in `OUT_DIR/web`; returns the directory with the finished files.
fn bundle(out: &Path) -> Outcome<PathBuf> {
    let web = out.join("web");
    check_node()?;
    fs::create_dir_all(&web)?;
    remove(&web.join("src"))?;
    for source in SOURCES {
        copy(Path::new(source), &out.join(source))?;
    }
    install(&web)?;
    let dist = out.join("dist");
    remove(&dist)?;
    let mut node = Command::new("node");
    node.arg("build.mjs").arg("--out").arg(&dist).current_dir(&web);
    finish(node, &out.join("bundle.log"), NODE_LIMIT, "the bundler failed")?;
    Ok(dist)
}

fn check_node() -> Outcome<()> {
    let output = Command::new("node").arg("--version").output();
    let Ok(output) = output else { return Err("Node.js was not found".into()) };
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = version.strip_prefix('v').and_then(|rest| rest.split('.').next());
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => Err(format!("Node.js {OLDEST_NODE} or newer is needed, found {version}").into()),
    }
}

/// Installs the packages of the lock file, unless they are there already.
fn install(web: &Path) -> Outcome<()> {
    let (lock, stamp) = (web.join("package-lock.json"), web.join("installed.json"));
    if fs::read(&stamp).ok().is_some_and(|old| Some(old) == fs::read(&lock).ok()) {
        return Ok(());
    }
    let mut npm = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"])
        .args(["--no-update-notifier", "--prefer-offline"])
        // Without a network npm would try again for minutes.
        .args(["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"])
        .current_dir(web);
    if is_offline() {
        npm.arg("--offline");
    }
    if env::var_os("npm_config_cache").is_none() {
        npm.env("npm_config_cache", web.join(".npm"));
    }
    finish(npm, &web.join("npm.log"), NPM_LIMIT, "npm could not install the packages")?;
    fs::copy(lock, stamp)?;
    Ok(())
}

fn is_offline() -> bool {
    env::var("CARGO_NET_OFFLINE").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}

/// Runs a command to its end or its limit. What it prints goes to a file, which cannot fill up as a
/// pipe can.
fn finish(mut command: Command, log: &Path, limit: Duration, failure: &str) -> Outcome<()> {
    let output = File::create(log)?;
    let program = command.get_program().to_os_string();
    let mut child = command
        .stdin(std::process::Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .map_err(|error| not_started(&program, &error))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Err(format!("{failure}: not done after {} s", limit.as_secs()).into());
        }
        thread::sleep(Duration::from_millis(20));
    };
    if status.success() {
        return Ok(());
    }
    let printed = fs::read(log)?;
    let printed = String::from_utf8_lossy(&printed);
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(TAIL));
    Err(tail.fold(failure.to_owned(), |text, line| text + "\n  " + line).into())
}

fn not_started(program: &OsString, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{} was not found", program.display()),
        _ => format!("{} did not start: {error}", program.display()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    // Written rather than copied: a read-only source would leave a file that cannot be replaced.
    fs::write(to, fs::read(from)?)
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The table for the bundled page.
fn full(dist: &Path) -> Outcome<String> {
    let mut table = Table::new(dist);
    let script = table.add("app.js", "text/javascript; charset=utf-8")?;
    let style = table.add("style.css", STYLE_KIND)?;
    let icon = table.add("icon.svg", ICON_KIND)?;
    let notices = table.add("notices.txt", "text/plain; charset=utf-8")?;
    Ok(table.finish("Full", &format!("Some({script:?})"), &[&style, &icon, &notices, ""]))
}

/// The table for the plain page, from the two sources that need no tools.
fn plain(out: &Path, reason: &str) -> Outcome<String> {
    let directory = out.join("plain");
    fs::create_dir_all(&directory)?;
    for name in ["style.css", "icon.svg"] {
        copy(&Path::new("web/src").join(name), &directory.join(name))?;
    }
    let mut table = Table::new(&directory);
    let style = table.add("style.css", STYLE_KIND)?;
    let icon = table.add("icon.svg", ICON_KIND)?;
    Ok(table.finish("Plain", "None", &[&style, &icon, "", reason]))
}

const STYLE_KIND: &str = "text/css; charset=utf-8";
const ICON_KIND: &str = "image/svg+xml";

/// Rust source under construction: one entry per file, named after its content.
struct Table {
    directory: PathBuf,
    entries: String,
}

impl Table {
    fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), entries: String::new() }
    }

    /// Adds a file with its compressed twins, if it has any; returns the name it is served by.
    fn add(&mut self, file: &str, kind: &str) -> Outcome<String> {
        let path = self.directory.join(file);
        let tag = digest(&fs::read(&path).map_err(|error| format!("{file}: {error}"))?);
        let (stem, extension) = file.split_once('.').ok_or("a file has an extension")?;
        let name = format!("{stem}-{tag}.{extension}");
        let twin = |suffix: &str| {
            let twin = self.directory.join(format!("{file}.{suffix}"));
            if twin.exists() { format!("Some(include_bytes!({twin:?}))") } else { "None".into() }
        };
        let (gzip, brotli) = (twin("gz"), twin("br"));
        writeln!(
            self.entries,
            "    Asset {{ name: {name:?}, kind: {kind:?}, tag: {tag:?}, \
             bytes: include_bytes!({path:?}), gzip: {gzip}, brotli: {brotli} }},"
        )?;
        Ok(name)
    }

    fn finish(self, ui: &str, script: &str, [style, icon, notices, reason]: &[&str; 4]) -> String {
        format!(
            "/// Which page this binary carries.\n\
             pub const UI: Ui = Ui::{ui};\n\
             pub(crate) const SCRIPT: Option<&str> = {script};\n\
             pub(crate) const STYLE: &str = {style:?};\n\
             pub(crate) const ICON: &str = {icon:?};\n\
             pub(crate) const NOTICES: &str = {notices:?};\n\
             pub(crate) const REASON: &str = {reason:?};\n\
             static ASSETS: &[Asset] = &[\n{}];\n",
            self.entries
        )
    }
}

/// FNV-1a of a file: tells one build's file from another's, which is all a cache needs.
fn digest(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
