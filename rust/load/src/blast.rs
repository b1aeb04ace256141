//! The limit of what a server can do with one thread: a loop of `send()` over all readers, and nothing else.
//!
//! It knows one kind of request, one stream, and no history but that of the run. All that a reader has not got goes out in one call.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::arguments::Arguments;
use crate::clock;
use crate::order::{self, Order};
use crate::say;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\r\n: hello\n\n";
/// The shortest pause between two rounds, as publishers have it in all measurements.
const TICK: u64 = 1_000_000;
/// The time between an order and its first event.
const LEAD: u64 = 50_000_000;
/// A reader, and how much of the run's bytes its socket has taken.
struct Receiving {
    socket: TcpStream,
    taken: usize,
}

/// See the module's text.
///
/// # Errors
///
/// The port is taken, or nobody listens to what is found.
pub fn run(arguments: &Arguments) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))?;
    let port = listener.local_addr()?.port();
    let comers = accept(listener);
    let orders = order::listen(|| {});
    let mut readers: Vec<Receiving> = Vec::new();
    say(&json!({"port": port}))?;
    while let Ok(order) = orders.recv() {
        let Order::Publish {
            run,
            rate,
            seconds,
            bytes,
        } = order
        else {
            break;
        };
        readers.extend(
            comers
                .try_iter()
                .map(|socket| Receiving { socket, taken: 0 }),
        );
        let report = publish(&mut readers, run, rate, seconds, bytes);
        say(&report)?;
    }
    Ok(())
}

/// Answers whoever comes, in a thread of its own: its work is not what is measured.
fn accept(listener: TcpListener) -> Receiver<TcpStream> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut request = [0; 4096];
            let _ = socket.set_nodelay(true);
            if socket.read(&mut request).is_ok()
                && socket.write_all(HEAD).is_ok()
                && socket.set_nonblocking(true).is_ok()
                && sender.send(socket).is_err()
            {
                return;
            }
        }
    });
    receiver
}

fn publish(
    readers: &mut Vec<Receiving>,
    run: u64,
    rate: f64,
    seconds: f64,
    bytes: usize,
) -> serde_json::Value {
    let count = (rate * seconds).round().max(1.0) as u64;
    let start = clock::now() + LEAD;
    let due_at = |number: u64| start + ((number - 1) as f64 / rate * 1e9) as u64;
    let (mut number, mut sends, mut latest) = (1, 0, 0);
    let (mut log, used) = (Vec::new(), clock::used());
    for reader in readers.iter_mut() {
        reader.taken = 0;
    }
    while number <= count || readers.iter().any(|reader| reader.taken < log.len()) {
        let now = clock::now();
        while number <= count && due_at(number) <= now {
            latest = latest.max(now - due_at(number));
            write_event(&mut log, run, number, due_at(number), bytes);
            number += 1;
        }
        readers.retain_mut(|reader| {
            sends += u64::from(reader.taken < log.len());
            reader.send(&log).is_ok()
        });
        let next = if number <= count { due_at(number) } else { now };
        let pause = next.saturating_sub(clock::now()).max(TICK);
        thread::sleep(Duration::from_nanos(pause));
    }
    json!({
        "published": count,
        "readers": readers.len(),
        "sends": sends,
        "late_ms": latest as f64 / 1e6,
        "cpu_seconds": (clock::used() - used) as f64 / 1e9,
    })
}

/// Appends an event of the form that the program's text shows, with an id as long as a position.
fn write_event(out: &mut Vec<u8>, run: u64, number: u64, due: u64, bytes: usize) {
    let start = format!("{{\"run\":{run},\"n\":{number},\"ts\":{due},\"x\":\"");
    let padding = bytes.saturating_sub(start.len() + 2);
    out.extend_from_slice(format!("id: bench000000-{number}-{number}\ndata: {start}").as_bytes());
    out.resize(out.len() + padding, b'x');
    out.extend_from_slice(b"\"}\n\n");
}

impl Receiving {
    fn send(&mut self, log: &[u8]) -> io::Result<()> {
        let pending = &log[self.taken..];
        if pending.is_empty() {
            return Ok(());
        }
        match self.socket.write(pending) {
            Ok(sent) => self.taken += sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::write_event;
    use crate::stream::{Seen, Stream};

    #[test]
    fn its_events_have_the_size_asked_for_and_are_read_as_they_were_written() {
        let mut out = Vec::new();
        write_event(&mut out, 3, 17, 99, 120);
        let data = String::from_utf8(out.clone()).unwrap();
        let data = data
            .lines()
            .find_map(|line| line.strip_prefix("data: "))
            .unwrap()
            .to_owned();
        assert_eq!(data.len(), 120);
        let mut found = Vec::new();
        Stream::default().feed(&out, |seen| {
            if let Seen::Event { run, number, due } = seen {
                found.push((run, number, due));
            }
        });
        assert_eq!(found, [(3, 17, 99)]);
    }
}
