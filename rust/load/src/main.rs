//! The load generator of the benchmarks: thousands of readers of one event stream in one thread, who count.
//!
//! | `--mode` | what it does |
//! |---|---|
//! | `read` | opens `--connections` readers of `--url` and counts what they are delivered |
//! | `get` | asks for `--url` on `--connections` new connections, one answer each |
//! | `send` | the limit: a bare loop of `send()` over its readers, as a server on `--port` |
//!
//! Everything it finds goes to standard output, one line of JSON each; it is told what to do next by lines on standard input (see
//! [`order`]). An event's data says when it was to be published, and its number:
//!
//! ```text
//! data: {"run":3,"n":17,"ts":123456789,"x":"…"}
//! ```
//!
//! `run` is the number of the measurement, `n` counts from 1 within it, `ts` is the *scheduled* time (`CLOCK_MONOTONIC`, ns): a server
//! or publisher that falls behind cannot hide it.

mod arguments;
mod blast;
mod clock;
mod counter;
mod fetch;
mod fleet;
mod framing;
mod head;
mod histogram;
mod number;
mod order;
mod reader;
mod request;
mod stream;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Mode};

fn main() -> ExitCode {
    let done = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| {
        raise_descriptor_limit();
        let done = match arguments.mode {
            Mode::Read => fleet::run(&arguments),
            Mode::Get => fetch::run(&arguments),
            Mode::Send => blast::run(&arguments),
        };
        done.map_err(|error| error.to_string())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = writeln!(io::stderr(), "jupyter-sse-load: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Every connection is a descriptor.
fn raise_descriptor_limit() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

/// Says one thing to whoever started this program.
fn say(value: &serde_json::Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
