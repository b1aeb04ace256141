//! One process of a kernel: a real link without its socket, and the bytes that are on their way between it and the hub.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jupyter_sse_link::simulation::SimulatedLink;

use super::ledger::Ledger;
use super::random::Random;
use crate::stream::LinkId;

/// What the largest frames beside events take: what the link's bound leaves out.
const FRAMES_BYTES: usize = 4096;

/// One connection, seen from outside.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Written by the link and not read by the hub.
    pub(super) up: Vec<u8>,
    /// Written by the hub and not read by the link.
    pub(super) down: Vec<u8>,
    /// Read by the hub, of which the frame is not whole yet.
    pub(super) input: Vec<u8>,
    /// The hub knows whose it is.
    pub(super) is_linked: bool,
    pub(super) acked_seq: u64,
}

/// See the module's text.
pub(super) struct Kernel {
    pub(super) id: LinkId,
    /// The same for all processes of one kernel.
    pub(super) name: &'static str,
    pub(super) link: SimulatedLink,
    max_unsent_bytes: usize,
    pub(super) pipe: Option<Pipe>,
    /// A connection that the link has given up, and the hub not yet.
    pub(super) old_pipe: Option<Pipe>,
    /// The keys that it writes.
    pub(super) producers: Vec<u32>,
    pub(super) ledger: Ledger,
    /// What the hub has opened: the stream and its run, by key.
    pub(super) opened: BTreeMap<u32, (&'static str, u32)>,
    /// Which keys the hub has refused.
    pub(super) refused: BTreeSet<u32>,
    /// The process is gone, and the hub does not know.
    pub(super) is_dead: bool,
}

impl Kernel {
    pub(super) fn new(number: u64, random: &mut Random) -> Self {
        let mut id = LinkId::default();
        id[..8].copy_from_slice(&number.to_le_bytes());
        let name = *random.pick(&["k", "k", "other"]);
        let max_unsent_bytes = *random.pick(&[3000, 16 << 10, 1 << 20]);
        let patience = Duration::from_millis(*random.pick(&[0, 100, 30_000]));
        Self {
            id,
            name,
            link: SimulatedLink::new(id, name, max_unsent_bytes, patience),
            max_unsent_bytes,
            pipe: None,
            old_pipe: None,
            producers: Vec::new(),
            ledger: Ledger::default(),
            opened: BTreeMap::new(),
            refused: BTreeSet::new(),
            is_dead: false,
        }
    }

    /// Dials the hub.
    pub(super) fn connect(&mut self) {
        self.link.connect();
        self.pipe = Some(Pipe::default());
    }

    /// The link loses its connection. What the hub makes of it is another matter: it gets what it has not read yet.
    pub(super) fn hang_up(&mut self) {
        if let Some(pipe) = self.pipe.take() {
            self.link.disconnect();
            self.old_pipe = Some(pipe);
        }
    }

    /// Everything that was ever said is with the hub, and the link knows it.
    pub(super) fn is_quiet(&self) -> bool {
        let is_empty = |pipe: &Pipe| pipe.up.is_empty() && pipe.down.is_empty();
        self.link.is_flushed() && self.pipe.as_ref().is_some_and(is_empty)
    }

    pub(super) fn check_bounds(&self) {
        // A frame that is larger than the bound is taken where nothing else is.
        let most = self.max_unsent_bytes.max(FRAMES_BYTES) * 5 / 4 + FRAMES_BYTES;
        assert!(
            self.link.unconfirmed_bytes() <= most,
            "the link holds {} bytes, more than {most}",
            self.link.unconfirmed_bytes()
        );
    }
}
