//! The kernel's end of a link, by hand.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jupyter_sse_codec::frame::{ToHub, ToKernel, VERSION, split};
use jupyter_sse_codec::{EndReason, RunKind};
use jupyter_sse_hub::{Hub, HubOptions};

use crate::client::{body, options};

/// A kernel's link, by hand.
pub(crate) struct Kernel {
    pub(crate) stream: UnixStream,
    input: Vec<u8>,
    path: PathBuf,
}

impl Kernel {
    /// A connection that has not said hello.
    pub(crate) fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        Self {
            stream,
            input: Vec::new(),
            path: path.to_owned(),
        }
    }

    pub(crate) fn dial(path: &Path, link: u8) -> Self {
        Self::dial_as(path, link, "k", "nb.ipynb")
    }

    pub(crate) fn dial_as(path: &Path, link: u8, kernel: &str, label: &str) -> Self {
        let mut dialled = Self::connect(path);
        dialled.say(&ToHub::Hello {
            version: VERSION,
            link: [link; 16],
            kernel,
            label,
            pid: std::process::id(),
        });
        dialled
    }

    pub(crate) fn say(&mut self, frame: &ToHub<'_>) {
        let mut out = Vec::new();
        frame.encode(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    /// Reads frames until one is what the caller looks for.
    pub(crate) fn hear<T>(&mut self, mut pick: impl FnMut(ToKernel<'_>) -> Option<T>) -> T {
        loop {
            while let Some((payload, used)) = split(&self.input, 1 << 20).unwrap() {
                let picked = pick(ToKernel::decode(payload).unwrap());
                self.input.drain(..used);
                if let Some(picked) = picked {
                    return picked;
                }
            }
            let mut buffer = vec![0; 65_536];
            let count = self
                .stream
                .read(&mut buffer)
                .expect("nothing came for ten seconds");
            assert!(
                count > 0,
                "the hub closed the link at {}",
                self.path.display()
            );
            self.input.extend_from_slice(&buffer[..count]);
        }
    }

    /// What came and was not looked at.
    pub(crate) fn into_input(self) -> Vec<u8> {
        self.input
    }

    /// Sends one event of the default type.
    pub(crate) fn send(&mut self, seq: u64, key: u32, text: &str) {
        self.say(&ToHub::Event {
            seq,
            key,
            event: b"",
            id: b"",
            body: &body(text),
        });
    }

    /// Ends a producer.
    pub(crate) fn end(&mut self, seq: u64, key: u32, reason: EndReason) {
        self.say(&ToHub::End {
            seq,
            key,
            reason: reason.as_u8(),
            error: "",
        });
    }

    /// Waits for the receipt of everything up to `seq`.
    pub(crate) fn hear_ack(&mut self, seq: u64) {
        self.hear(|frame| {
            matches!(frame, ToKernel::Ack { seq: acked } if acked >= seq).then_some(())
        });
    }

    pub(crate) fn open(
        &mut self,
        seq: u64,
        key: u32,
        kind: RunKind,
        name: &str,
        options: &str,
    ) -> Result<u32, String> {
        self.say(&ToHub::Open {
            seq,
            key,
            request: key,
            kind: kind.as_u8(),
            stream: name,
            options,
        });
        self.hear(|frame| match frame {
            ToKernel::Opened { run, error: "", .. } => Some(Ok(run)),
            ToKernel::Opened { error, .. } => Some(Err(error.to_owned())),
            _ => None,
        })
    }
}

pub(crate) fn start_with_links(name: &str) -> (Hub, PathBuf) {
    let path = std::env::temp_dir().join(format!("jsse-{name}-{}.sock", std::process::id()));
    let hub = Hub::start(HubOptions {
        link_path: Some(path.clone()),
        ..options()
    })
    .unwrap();
    (hub, path)
}
