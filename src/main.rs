//! The program: hands its arguments to the library and its exit code to the system.

use std::process::ExitCode;

/// Misses make and free small things on two threads, which is what it is good at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dnsward::cli::run(std::env::args_os()).into()
}
