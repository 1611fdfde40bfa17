//! `dnsward serve`: starts the server, and tells it what the world wants of it.

mod wishes;

use std::{
    future::pending,
    pin::{Pin, pin},
    time::Duration,
};

use tokio::runtime::Builder;

use wishes::{Wish, Wishes};

use super::{ConfigFile, Exit, demo::Demo, error_line, logging::Logging, print, read};
use crate::{
    background::give_way,
    causes,
    config::{Config, Environment, Problem, Source, cautions, keys_without_effect},
    server::{Server, TakenPort},
};

/// How long a thread stays that has worked aside and has nothing more to do. Such work is rare, and the
/// memory that it freed is given back when it ends.
const SPARE: Duration = Duration::from_secs(1);

pub(super) fn run(file: &ConfigFile, is_demo: bool) -> Exit {
    let origin = match Origin::new(file, is_demo) {
        Ok(origin) => origin,
        Err(exit) => return exit,
    };
    run_origin(&origin)
}

/// Serves with a configuration that is no file; the environment still goes before it. Remarks are
/// what whoever made it has to say in the log.
pub(super) fn run_text(text: String, remarks: Vec<String>) -> Exit {
    let source = Source::Text(text.into(), Environment::of_process());
    run_origin(&Origin { source, demo: None, remarks })
}

fn run_origin(origin: &Origin) -> Exit {
    let config = match read(&origin.source).map(|config| origin.complete(config)) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let logging = Logging::start(&config.log);
    let mut threads = Builder::new_current_thread();
    threads.enable_all().on_thread_start(give_way).thread_keep_alive(SPARE);
    let runtime = match threads.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error_line(format_args!("the server cannot start: {error}"));
            return Exit::CannotStart;
        }
    };
    runtime.block_on(serve(origin, config, &logging))
}

/// Where the configuration comes from, and what the demo adds to it.
struct Origin {
    source: Source,
    demo: Option<Demo>,
    remarks: Vec<String>,
}

impl Origin {
    fn new(file: &ConfigFile, is_demo: bool) -> Result<Self, Exit> {
        if !is_demo {
            return Ok(Self { source: file.source(), demo: None, remarks: Vec::new() });
        }
        let demo = Demo::new().map_err(|error| {
            error_line(format_args!("no temporary directory can be made: {error}"));
            Exit::CannotStart
        })?;
        Ok(Self { source: Demo::source(), demo: Some(demo), remarks: Vec::new() })
    }

    fn complete(&self, config: Config) -> Config {
        match &self.demo {
            Some(demo) => demo.complete(config),
            None => config,
        }
    }

    fn read(&self) -> Result<Config, Vec<Problem>> {
        self.source.read().map(|config| self.complete(config))
    }
}

async fn serve(origin: &Origin, config: Config, logging: &Logging) -> Exit {
    let wishes = match Wishes::new(origin.source.path()) {
        Ok(wishes) => wishes,
        Err(error) => {
            error_line(format_args!("the server cannot start: signals cannot be caught: {error}"));
            return Exit::CannotStart;
        }
    };
    for remark in &origin.remarks {
        tracing::info!("{remark}");
    }
    warn_about(&config);
    let taken = if origin.demo.is_some() { TakenPort::MoveOn } else { TakenPort::Fail };
    let server = match Server::start(config, taken).await {
        Ok(server) => server,
        Err(error) => {
            error_line(format_args!("the server cannot start: {}", causes::one_line(&error)));
            return Exit::CannotStart;
        }
    };
    announce(origin, &server);
    serve_until_the_end(origin, &server, logging, wishes).await;
    tracing::info!("shutting down");
    server.shut_down().await;
    Exit::Ok
}

async fn serve_until_the_end(
    origin: &Origin,
    server: &Server,
    logging: &Logging,
    mut wishes: Wishes<'_>,
) {
    let mut reloading = pin!(None);
    loop {
        tokio::select! {
            wish = wishes.next() => match wish {
                Wish::End => return,
                // One that is still under way is out of date now.
                Wish::Reload => reloading.set(Some(reload(origin, server, logging))),
            },
            () = running(reloading.as_mut()) => reloading.set(None),
        }
    }
}

/// Waits for what is under way; for ever where that is nothing.
async fn running(reload: Pin<&mut Option<impl Future<Output = ()>>>) {
    match reload.as_pin_mut() {
        Some(reload) => reload.await,
        None => pending().await,
    }
}

async fn reload(origin: &Origin, server: &Server, logging: &Logging) {
    let config = match origin.read() {
        Ok(config) => config,
        Err(problems) => {
            server.note_refused_reload();
            for problem in &problems {
                tracing::error!(%problem, "the new configuration is refused; the old one stays");
            }
            return;
        }
    };
    warn_about(&config);
    let log = config.log.clone();
    match server.reload(config).await {
        Ok(()) => {
            logging.set_level(&log);
            tracing::info!("the configuration and the lists have been read again");
        }
        Err(error) => {
            let error = causes::one_line(&error);
            tracing::error!(%error, "the new configuration is refused; the old one stays");
        }
    }
}

/// Says what the configuration asks for and does not get.
fn warn_about(config: &Config) {
    for key in keys_without_effect(config) {
        tracing::warn!(key, "this key has no effect yet");
    }
    for caution in cautions(config) {
        tracing::warn!("{caution}");
    }
}

fn announce(origin: &Origin, server: &Server) {
    let addresses = server.addresses();
    let dns: Vec<String> = addresses.dns.iter().map(ToString::to_string).collect();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        dns = dns.join(", "),
        admin = addresses.admin.map(tracing::field::display),
        metrics = addresses.metrics.map(tracing::field::display),
        control = addresses.control.as_ref().map(|path| tracing::field::display(path.display())),
        "serving"
    );
    if origin.demo.is_some() {
        print(Demo::welcome(server));
    } else if let Some(first) = server.first_password() {
        let until = if first.is_kept { "" } else { ", until the next start" };
        print(format_args!(
            "no admin.password_hash is set; the admin password is {}{until} (printed this once)",
            first.password
        ));
    }
}
