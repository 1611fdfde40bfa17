//! DoH exchanges one after the other, so many at once: what a forwarder does at least for a miss,
//! besides receiving the query and sending the answer. With bare hyper it is the floor of
//! forwarders; with other clients it tells what those add.

mod client;

use std::{
    cell::{Cell, RefCell},
    fs, io,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::task::LocalSet;

use client::{Client, Hyper, Ours, Reqwest};

use crate::packet::{Edns, Question, Verdict};

/// Who speaks HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Library {
    /// hyper's connection, one of them, and nothing around it.
    Hyper,
    /// reqwest, set up for DoH.
    Reqwest,
    /// The client of this project.
    DohClient,
}

/// How it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Exchanges at once.
    pub outstanding: usize,
    /// Time before it is measured.
    pub warm_up: Duration,
    /// Time in which it is.
    pub measured: Duration,
}

/// What the exchanges of the measured time have cost.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// How many there were.
    pub exchanges: u64,
    /// CPU time of each, in microseconds.
    pub cpu_us: f64,
    /// Half of them took less, in microseconds.
    pub p50_us: f64,
}

/// Asks the server at `url`, whose certificate `roots` (PEM) must have signed, on this thread.
///
/// # Errors
/// When the server cannot be reached, or an exchange fails: a floor loses nothing.
pub fn run(library: Library, url: &str, roots: &[u8], pace: Pace) -> io::Result<Spent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        match library {
            Library::Hyper => drive(Hyper::connect(url, roots).await?, pace).await,
            Library::Reqwest => drive(Reqwest::new(url, roots)?, pace).await,
            Library::DohClient => drive(Ours::new(url, roots)?, pace).await,
        }
    })
}

/// What the workers share.
struct Course<C> {
    client: C,
    question: Question,
    times: RefCell<Histogram<u64>>,
    is_measured: Cell<bool>,
    is_over: Cell<bool>,
}

async fn drive<C: Client + 'static>(client: C, pace: Pace) -> io::Result<Spent> {
    let question = Question::new("n0.bench.example.", 1, Edns::Plain).map_err(io::Error::other)?;
    let times = RefCell::new(Histogram::new(3).map_err(io::Error::other)?);
    let (is_measured, is_over) = (Cell::new(false), Cell::new(false));
    let course = Rc::new(Course { client, question, times, is_measured, is_over });
    let workers: Vec<_> =
        (0..pace.outstanding).map(|_| tokio::task::spawn_local(work(course.clone()))).collect();
    tokio::time::sleep(pace.warm_up).await;
    course.is_measured.set(true);
    let before = cpu_time()?;
    tokio::time::sleep(pace.measured).await;
    let spent = cpu_time()?.saturating_sub(before);
    course.is_over.set(true);
    let (exchanges, p50) = {
        let times = course.times.borrow();
        (times.len(), times.value_at_quantile(0.5))
    };
    for worker in workers {
        worker.await.map_err(io::Error::other)??;
    }
    let cpu_us = spent.as_secs_f64() * 1e6 / exchanges.max(1) as f64;
    Ok(Spent { exchanges, cpu_us, p50_us: p50 as f64 / 1000.0 })
}

async fn work<C: Client>(course: Rc<Course<C>>) -> io::Result<()> {
    let mut body = Vec::with_capacity(usize::from(course.question.octets()));
    course.question.write(0, &mut body);
    let body = Bytes::from(body);
    while !course.is_over.get() {
        let sent = Instant::now();
        let answer = course.client.exchange(&body).await?;
        if course.question.judge(&answer) != Verdict::Right {
            return Err(io::Error::other("the answer is wrong"));
        }
        if course.is_measured.get() {
            let took = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            course.times.borrow_mut().record(took).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

/// What this thread has used so far; the scheduler counts nanoseconds.
fn cpu_time() -> io::Result<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let run = text.split_whitespace().next().and_then(|run| run.parse().ok());
    run.map(Duration::from_nanos).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
