//! The command line.

use std::time::Duration;

use crate::request::Request;

const USAGE: &str = "usage: jupyter-sse-load --mode read|get --url URL --connections N [--header 'K: V']… [--inflight N]
         [--slow N --slow-rate BYTES_PER_S] [--never N] [--vanishing N --lifetime SECONDS]
       jupyter-sse-load --mode send --port PORT";

/// What to do; see the program's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Read,
    Get,
    Send,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Arguments {
    pub mode: Mode,
    /// `Mode::Send`: where readers come in.
    pub port: u16,
    /// The others: what they ask for.
    pub request: Option<Request>,
    pub connections: usize,
    /// So many may wait for their answer at a time.
    pub inflight: usize,
    /// So many read at `slow_rate`, bytes a second.
    pub slow: usize,
    pub slow_rate: usize,
    /// So many read nothing after the answer's head.
    pub never: usize,
    /// So many leave after about `lifetime` and come back where they were.
    pub vanishing: usize,
    pub lifetime: Duration,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut found = Self {
            mode: Mode::Read,
            port: 0,
            request: None,
            connections: 1,
            inflight: 64,
            slow: 0,
            slow_rate: 10_000,
            never: 0,
            vanishing: 0,
            lifetime: Duration::from_secs(5),
        };
        let (mut url, mut headers) = (String::new(), Vec::new());
        let mut words = words;
        while let Some(name) = words.next() {
            let value = words.next().unwrap_or_default();
            match name.as_str() {
                "--mode" => found.mode = mode(&value)?,
                "--url" => url = value,
                "--header" => headers.push(value),
                "--port" => found.port = number(&name, &value)?,
                "--connections" => found.connections = number(&name, &value)?,
                "--inflight" => found.inflight = number(&name, &value)?,
                "--slow" => found.slow = number(&name, &value)?,
                "--slow-rate" => found.slow_rate = number(&name, &value)?,
                "--never" => found.never = number(&name, &value)?,
                "--vanishing" => found.vanishing = number(&name, &value)?,
                "--lifetime" => found.lifetime = Duration::from_secs(number(&name, &value)?),
                _ => return Err(format!("expected an option, got {name:?}\n{USAGE}")),
            }
        }
        if found.mode == Mode::Read {
            headers.push("Accept: text/event-stream".to_owned());
        }
        if found.mode != Mode::Send {
            found.request = Some(Request::new(&url, &headers)?);
        }
        if found.slow + found.never + found.vanishing > found.connections || found.inflight == 0 {
            return Err(format!("expected numbers that go together\n{USAGE}"));
        }
        Ok(found)
    }
}

fn mode(word: &str) -> Result<Mode, String> {
    match word {
        "read" => Ok(Mode::Read),
        "get" => Ok(Mode::Get),
        "send" => Ok(Mode::Send),
        _ => Err(format!(
            "expected --mode read, get or send, got {word:?}\n{USAGE}"
        )),
    }
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("expected a number after {name}, got {text:?}\n{USAGE}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Arguments, Mode};

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_in_any_order() {
        let found =
            parse("--connections 7 --url http://127.0.0.1:1/x --slow 2 --mode read").unwrap();
        assert_eq!(
            (found.mode, found.connections, found.slow),
            (Mode::Read, 7, 2)
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for line in [
            "--mode dance",
            "--connections x --url http://127.0.0.1/",
            "--connections 1 --slow 2 --url http://127.0.0.1/",
            "--what",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
