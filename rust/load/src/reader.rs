//! One reader: its connection, and what it has seen.

use std::io::{self, Read, Write};

use crate::clock;
use crate::counter::Counter;
use crate::framing::Framing;
use crate::head::Head;
use crate::number::Numbers;
use crate::request::Request;
use crate::stream::{Seen, Stream};
use crate::wire::Wire;

/// Reads at a time, before others have their turn.
const MOST_READS: usize = 16;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads all there is, at once.
    Steady,
    /// Reads so many bytes a second at the most.
    Slow,
    /// Reads nothing after the answer's head.
    Never,
    /// Leaves without a word and comes back where it was.
    Vanishing,
}

#[derive(Debug)]
enum State {
    /// Not connected.
    Gone,
    /// Connecting, or with so much of the request still to be written.
    Asking {
        wire: Wire,
        request: Vec<u8>,
        sent: usize,
    },
    /// The head has not come in full.
    Waiting { wire: Wire, head: Vec<u8> },
    /// The stream.
    Streaming {
        wire: Wire,
        framing: Framing,
        stream: Stream,
    },
}

/// What is to be done about a reader.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing until its socket says so.
    Done,
    /// It has more to read.
    Again,
}

/// See the module's text.
#[derive(Debug)]
pub struct Reader {
    pub kind: Kind,
    state: State,
    pub numbers: Numbers,
    /// So many events it was told it lost.
    pub announced: u64,
    /// The id of the last event that came in full, of readers that come back.
    last_id: Vec<u8>,
    /// The id that the event under way has brought, of the same.
    next_id: Vec<u8>,
    /// When it began to connect.
    pub started: u64,
    /// When it leaves (vanishing readers) or reads (slow ones) next; `u64::MAX`: not known yet.
    pub acts_at: u64,
}

impl Reader {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            state: State::Gone,
            numbers: Numbers::default(),
            announced: 0,
            last_id: Vec::new(),
            next_id: Vec::new(),
            started: 0,
            acts_at: u64::MAX,
        }
    }

    /// Begins to connect.
    ///
    /// # Errors
    ///
    /// The system gives no socket.
    pub fn open(&mut self, request: &Request, number: usize) -> io::Result<&mut Wire> {
        let is_small = matches!(self.kind, Kind::Slow | Kind::Never);
        let wire = Wire::connect(request.address, request.is_encrypted, number, is_small)?;
        let text = request.text(&String::from_utf8_lossy(&self.last_id));
        self.started = clock::now();
        self.state = State::Asking {
            wire,
            request: text.into_bytes(),
            sent: 0,
        };
        match &mut self.state {
            State::Asking { wire, .. } => Ok(wire),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Leaves without a word. An event that has come in part it has not seen.
    pub fn leave(&mut self) {
        self.state = State::Gone;
        self.next_id.clone_from(&self.last_id);
    }

    /// Whether it can come back where it was.
    pub fn knows_where(&self) -> bool {
        !self.last_id.is_empty()
    }

    pub fn is_streaming(&self) -> bool {
        matches!(self.state, State::Streaming { .. })
    }

    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Asking { .. } | State::Waiting { .. })
    }

    /// Another run begins.
    pub fn begin(&mut self) {
        self.numbers = Numbers::default();
        self.announced = 0;
    }

    /// The socket can be written or read.
    ///
    /// # Errors
    ///
    /// The connection is over, and why.
    pub fn ready(
        &mut self,
        buffer: &mut [u8],
        counter: &mut Counter,
        is_ending: bool,
    ) -> Result<Turn, String> {
        self.ask().map_err(|error| error.to_string())?;
        for _ in 0..MOST_READS {
            let may_read = match (&self.state, self.kind) {
                (State::Waiting { .. }, _) => true,
                (State::Streaming { .. }, kind) => matches!(kind, Kind::Steady | Kind::Vanishing),
                _ => false,
            };
            if !may_read {
                let is_cut = is_ending && self.kind == Kind::Never && self.is_streaming();
                return if is_cut {
                    Err("the server closed the connection".to_owned())
                } else {
                    Ok(Turn::Done)
                };
            }
            if !self.read(buffer, counter, is_ending)? {
                return Ok(Turn::Done);
            }
        }
        Ok(Turn::Again)
    }

    /// A slow reader's time to read once has come.
    ///
    /// # Errors
    ///
    /// The connection is over, and why.
    pub fn read_slowly(&mut self, buffer: &mut [u8], counter: &mut Counter) -> Result<(), String> {
        if self.is_streaming() {
            self.read(buffer, counter, false)?;
        }
        Ok(())
    }

    /// Sends what is left of the request.
    fn ask(&mut self) -> io::Result<()> {
        let State::Asking {
            wire,
            request,
            sent,
        } = &mut self.state
        else {
            return Ok(());
        };
        wire.check()?;
        while *sent < request.len() {
            match wire.write(&request[*sent..]) {
                Ok(count) => *sent += count,
                Err(error) if is_not_yet(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        let State::Asking { wire, .. } = std::mem::replace(&mut self.state, State::Gone) else {
            return Ok(());
        };
        self.state = State::Waiting {
            wire,
            head: Vec::new(),
        };
        Ok(())
    }

    /// Reads once; returns whether there may be more.
    fn read(
        &mut self,
        buffer: &mut [u8],
        counter: &mut Counter,
        is_ending: bool,
    ) -> Result<bool, String> {
        let (State::Waiting { wire, .. } | State::Streaming { wire, .. }) = &mut self.state else {
            return Ok(false);
        };
        let room = buffer.len();
        let count = match wire.read(buffer) {
            Ok(0) => return Err("the server closed the connection".to_owned()),
            Ok(count) => count,
            Err(error) if is_not_yet(&error) => return Ok(false),
            Err(error) => return Err(error.to_string()),
        };
        let is_drained = count < room && wire.tells_when_drained() && !is_ending;
        let now = clock::now();
        counter.bytes += count as u64;
        counter.reads += 1;
        self.take(&buffer[..count], counter, now)?;
        Ok(!is_drained)
    }

    fn take(&mut self, piece: &[u8], counter: &mut Counter, now: u64) -> Result<(), String> {
        match &mut self.state {
            State::Waiting { head, .. } => {
                head.extend_from_slice(piece);
                self.take_head(counter, now)
            }
            State::Streaming {
                framing, stream, ..
            } => {
                let (kind, numbers) = (self.kind, &mut self.numbers);
                let (announced, next_id, last_id) =
                    (&mut self.announced, &mut self.next_id, &mut self.last_id);
                let comes_back = kind == Kind::Vanishing;
                framing.feed(piece, |body| {
                    stream.feed(body, |seen| {
                        if comes_back && !matches!(seen, Seen::Id(_)) {
                            last_id.clone_from(next_id);
                        }
                        match seen {
                            Seen::Event { run, number, due } if run == counter.run => {
                                numbers.take(number);
                                counter.deliver(kind, due, now);
                            }
                            Seen::Event { .. } => counter.note_stale(),
                            Seen::Gap { count } => *announced += count,
                            Seen::Id(id) if comes_back => id.clone_into(next_id),
                            Seen::Id(_) => {}
                            Seen::Other => counter.note_other(),
                        }
                    });
                });
                if framing.is_over() {
                    return Err("the server ended the answer".to_owned());
                }
                Ok(())
            }
            State::Gone | State::Asking { .. } => Ok(()),
        }
    }

    /// The head may be complete: from there on it is the stream.
    fn take_head(&mut self, counter: &mut Counter, now: u64) -> Result<(), String> {
        let State::Waiting { head, .. } = &self.state else {
            return Ok(());
        };
        let Some(found) = Head::parse(head)? else {
            return Ok(());
        };
        if found.status != 200 || !found.is_event_stream {
            return Err(format!(
                "expected an event stream with status 200, got {}",
                found.status
            ));
        }
        let State::Waiting { wire, head } = std::mem::replace(&mut self.state, State::Gone) else {
            return Ok(());
        };
        self.state = State::Streaming {
            wire,
            framing: found.body.into(),
            stream: Stream::default(),
        };
        self.take(&head[found.bytes..], counter, now)
    }
}

fn is_not_yet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::{Kind, Reader};
    use crate::counter::Counter;
    use crate::request::Request;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

    #[test]
    fn who_leaves_amid_an_event_comes_back_before_it() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut counter = Counter::default();
        counter.begin(1);
        let mut reader = Reader::new(Kind::Vanishing);
        reader.open(&Request::new(&url, &[]).unwrap(), 0).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert!(!reader.knows_where());
        let whole = "id: one\ndata: {\"run\":1,\"n\":1,\"ts\":1}\n\n";
        let part = "id: two\ndata: {\"run\":1,\"n\":2";
        server
            .write_all(format!("{HEAD}{whole}{part}").as_bytes())
            .unwrap();
        let mut buffer = [0; 1024];
        while reader.next_id != b"two" {
            reader.ready(&mut buffer, &mut counter, false).unwrap();
        }
        assert!(reader.knows_where());
        reader.leave();
        assert_eq!((&reader.last_id[..], reader.numbers.last), (&b"one"[..], 1));
        assert_eq!(reader.next_id, b"one");
    }
}
