//! What this program is told to do, one order a line of standard input.

use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// An order; the words are those of the line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// `begin RUN`: forget what was counted; the events of this run follow.
    Begin { run: u64 },
    /// `end LAST PATIENCE`: wait until everybody has event `LAST`, or nothing more has come for so many seconds; then report.
    End { last: u64, patience: Duration },
    /// `publish RUN RATE SECONDS BYTES`: publish so many events a second, with data of so many bytes.
    Publish {
        run: u64,
        rate: f64,
        seconds: f64,
        bytes: usize,
    },
    /// The end of the input, or a line that is no order.
    Quit,
}

impl Order {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["begin", run] => Some(Self::Begin {
                run: run.parse().ok()?,
            }),
            ["end", last, patience] => Some(Self::End {
                last: last.parse().ok()?,
                patience: Duration::try_from_secs_f64(patience.parse().ok()?).ok()?,
            }),
            ["publish", run, rate, seconds, bytes] => Some(Self::Publish {
                run: run.parse().ok()?,
                rate: rate.parse().ok()?,
                seconds: seconds.parse().ok()?,
                bytes: bytes.parse().ok()?,
            }),
            _ => None,
        }
    }
}

/// Reads orders in a thread of its own; `wake` is called after each.
pub fn listen(wake: impl Fn() + Send + 'static) -> Receiver<Order> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            give(&sender, Order::parse(&line).unwrap_or(Order::Quit));
            wake();
        }
        give(&sender, Order::Quit);
        wake();
    });
    receiver
}

fn give(sender: &Sender<Order>, order: Order) {
    // Nobody listens any more only where the program ends.
    let _ = sender.send(order);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Order;

    #[test]
    fn orders_are_words_and_numbers() {
        assert_eq!(Order::parse("begin 3"), Some(Order::Begin { run: 3 }));
        let patience = Duration::from_millis(2500);
        assert_eq!(
            Order::parse("end 9 2.5"),
            Some(Order::End { last: 9, patience })
        );
        for line in ["begin", "begin x", "end 1 -1", "publish 1 2 3", ""] {
            assert_eq!(Order::parse(line), None, "{line}");
        }
    }
}
