//! A server for the tests: a real Unix socket, frames in and out, and nothing that happens by itself.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jupyter_sse_codec::encode_body;
use jupyter_sse_codec::frame::{self, ToHub, ToKernel, VERSION};
use jupyter_sse_link::{Command, Link, LinkOptions, SendError, Sent};

/// Nothing in these tests takes so long unless it never comes.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A folder for a socket, gone at the end of the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("sse-link-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("link.sock")
    }

    /// A link to the socket of this folder that tries again quickly.
    pub fn options(&self) -> LinkOptions {
        let mut options = LinkOptions::new(self.socket(), "kernel-1", "notebook.ipynb");
        options.redial = (Duration::from_millis(2), Duration::from_millis(20));
        options
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a kernel said, without the bytes it was said with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Hello {
        link: [u8; 16],
    },
    Open {
        seq: u64,
        key: u32,
        request: u32,
        stream: String,
    },
    Event {
        seq: u64,
        key: u32,
        event: String,
        id: String,
        body: String,
    },
    Lost {
        seq: u64,
        key: u32,
        count: u64,
    },
    End {
        seq: u64,
        key: u32,
        reason: u8,
    },
    Head {
        seq: u64,
        key: u32,
        head: String,
    },
    Request {
        request: u32,
        body: String,
    },
}

impl Said {
    fn new(frame: ToHub<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match frame {
            ToHub::Hello {
                version,
                link,
                kernel,
                label,
                pid,
            } => {
                assert_eq!(
                    (version, kernel, label),
                    (VERSION, "kernel-1", "notebook.ipynb")
                );
                assert_eq!(pid, std::process::id());
                Self::Hello { link }
            }
            ToHub::Open {
                seq,
                key,
                request,
                stream,
                ..
            } => Self::Open {
                seq,
                key,
                request,
                stream: stream.to_owned(),
            },
            ToHub::Event {
                seq,
                key,
                event,
                id,
                body,
            } => Self::Event {
                seq,
                key,
                event: text(event),
                id: text(id),
                body: text(body),
            },
            ToHub::Lost { seq, key, count } => Self::Lost { seq, key, count },
            ToHub::End {
                seq, key, reason, ..
            } => Self::End { seq, key, reason },
            ToHub::Request { request, body } => Self::Request {
                request,
                body: body.to_owned(),
            },
            ToHub::Head { seq, key, head } => Self::Head {
                seq,
                key,
                head: head.to_owned(),
            },
            ToHub::Subscribe { .. } => unreachable!("a link does not subscribe"),
        }
    }

    pub fn seq(&self) -> u64 {
        match *self {
            Self::Open { seq, .. }
            | Self::Event { seq, .. }
            | Self::Lost { seq, .. }
            | Self::End { seq, .. }
            | Self::Head { seq, .. } => seq,
            Self::Hello { .. } | Self::Request { .. } => 0,
        }
    }
}

/// The listening end.
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    pub fn bind(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            listener,
            path: path.to_owned(),
        }
    }

    /// The next connection, before its first frame.
    pub fn accept(&self) -> Peer {
        let socket = eventually("a connection", || self.listener.accept().ok()).0;
        socket.set_nonblocking(false).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Peer {
            socket,
            incoming: Vec::new(),
        }
    }

    /// The next connection, welcomed as the first of its link.
    pub fn accept_new(&self) -> Peer {
        let mut peer = self.accept();
        assert!(matches!(peer.next(), Said::Hello { .. }));
        peer.welcome(false, 0);
        peer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// One connection of a link, from the server's side.
pub struct Peer {
    socket: UnixStream,
    incoming: Vec<u8>,
}

impl Peer {
    /// The next frame; `None` when the link has hung up.
    pub fn try_next(&mut self) -> Option<Said> {
        let mut scratch = vec![0; 64 * 1024];
        loop {
            if let Some((payload, consumed)) = frame::split(&self.incoming, usize::MAX).unwrap() {
                let said = Said::new(ToHub::decode(payload).unwrap());
                self.incoming.drain(..consumed);
                return Some(said);
            }
            match self.socket.read(&mut scratch) {
                Ok(0) => return None,
                Ok(count) => self.incoming.extend_from_slice(&scratch[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }

    pub fn next(&mut self) -> Said {
        self.try_next().unwrap()
    }

    /// Everything up to the frame with this place in the sequence.
    pub fn until(&mut self, seq: u64) -> Vec<Said> {
        let mut said = Vec::new();
        while said.last().is_none_or(|last: &Said| last.seq() < seq) {
            said.push(self.next());
        }
        said
    }

    pub fn say(&mut self, frame: ToKernel<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        self.socket.write_all(&bytes).unwrap();
    }

    /// The same, a byte at a time.
    pub fn say_in_bytes(&mut self, frame: ToKernel<'_>) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        for byte in bytes {
            self.socket.write_all(&[byte]).unwrap();
        }
    }

    pub fn welcome(&mut self, known: bool, last_seq: u64) {
        self.say(welcome(known, last_seq));
    }

    pub fn ack(&mut self, seq: u64) {
        self.say(ToKernel::Ack { seq });
    }

    /// Waits for the `Open` of a stream and confirms it as run 7.
    pub fn confirm_open(&mut self) -> Said {
        let said = self.next();
        let Said::Open { request, key, .. } = said else {
            panic!("an open expected, got {said:?}")
        };
        self.say(ToKernel::Opened {
            request,
            key,
            run: 7,
            error: "",
        });
        said
    }
}

pub fn welcome(known: bool, last_seq: u64) -> ToKernel<'static> {
    ToKernel::Welcome {
        version: VERSION,
        epoch: "abcdefghijk",
        known,
        last_seq,
        server: r#"{"url":"http://x","pid":1}"#,
    }
}

/// What `look` finds in the end. For the rare state that nothing announces.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} expected, nothing came");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Waits for a command, past others.
pub fn command(link: &Link, wanted: impl Fn(&Command) -> bool) -> Command {
    loop {
        let command = link.next_command(Some(PATIENCE)).expect("a command");
        if wanted(&command) {
            return command;
        }
    }
}

/// Sends text as data, which has to find room.
pub fn send(link: &Link, key: u32, data: &str) {
    assert_eq!(try_send(link, key, data), Sent::Queued);
}

pub fn try_send(link: &Link, key: u32, data: &str) -> Sent {
    attempt(link, key, data).unwrap()
}

pub fn attempt(link: &Link, key: u32, data: &str) -> Result<Sent, SendError> {
    link.send(key, None, None, |out| {
        encode_body(out, Some(data), None, None);
    })
}

/// An event as the server gets it.
pub fn event(seq: u64, key: u32, data: &str) -> Said {
    Said::Event {
        seq,
        key,
        event: String::new(),
        id: String::new(),
        body: format!("data: {data}\n\n"),
    }
}
