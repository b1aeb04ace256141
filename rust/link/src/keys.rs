//! The streams that this kernel has open over its link: pure.

use std::collections::{BTreeMap, VecDeque};

use jupyter_sse_codec::RunKind;
use jupyter_sse_codec::frame::ToHub;
use serde_json::Value;

use crate::command::Command;

/// Why the hub refused a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `owned` (another kernel's run has the stream), `invalid`, `limit` or `gone` (the reader of a visit).
    pub reason: String,
    /// The hub's words for people.
    pub message: String,
}

impl Refusal {
    /// The reader of a visit has left with the server that it was at.
    fn gone() -> Self {
        Self {
            reason: "gone".to_owned(),
            message: "the reader has left".to_owned(),
        }
    }

    /// Reads `{"reason", "message"}`; other text becomes the message.
    pub(crate) fn from_json(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name: &str| value.get(name).and_then(Value::as_str);
        Self {
            reason: field("reason").unwrap_or("invalid").to_owned(),
            message: field("message").unwrap_or(text).to_owned(),
        }
    }
}

/// One open stream.
struct Key {
    /// The hub's latest answer: the run, or why not.
    answer: Option<Result<u32, Refusal>>,
    /// The present hub has answered; one that started anew has to be asked again.
    is_confirmed: bool,
    /// Its opener still waits for the answer.
    is_awaited: bool,
    /// The request of its `Open`.
    request: u32,
    /// Kept to open the stream again.
    name: String,
    kind: u8,
    options: String,
    open_seq: u64,
    /// Set once the producer has ended.
    end_seq: Option<u64>,
}

/// How much of a visit its reader has asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Credit {
    /// What its events may have cost in all.
    granted: u64,
    /// What they have cost.
    spent: u64,
    /// The reader has left.
    is_over: bool,
}

impl Credit {
    fn left(self) -> i64 {
        let difference = i128::from(self.granted) - i128::from(self.spent);
        i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Why nothing can be sent under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotWritable {
    /// It was never opened, or has ended.
    Closed,
    /// The hub refused it.
    Refused(Refusal),
}

/// All keys of a link that are open, or whose end is not confirmed.
#[derive(Default)]
pub(crate) struct Keys {
    entries: BTreeMap<u32, Key>,
    last_key: u32,
    /// Ends that are not confirmed, in the order of their sequence: `(seq, key)`.
    ending: VecDeque<(u64, u32)>,
    /// Of visits: they alone are pulled by their readers.
    credits: BTreeMap<u32, Credit>,
}

impl Keys {
    /// A key that was never used before.
    pub(crate) fn draw(&mut self) -> u32 {
        self.last_key += 1;
        self.last_key
    }

    /// `key` is open from `open_seq` on, as far as this side is concerned.
    pub(crate) fn open(
        &mut self,
        key: u32,
        request: u32,
        name: &str,
        kind: u8,
        options: &str,
        open_seq: u64,
    ) {
        let (name, options) = (name.to_owned(), options.to_owned());
        let (answer, is_confirmed, is_awaited, end_seq) = (None, false, true, None);
        let entry = Key {
            answer,
            is_confirmed,
            is_awaited,
            request,
            name,
            kind,
            options,
            open_seq,
            end_seq,
        };
        self.entries.insert(key, entry);
        if kind == RunKind::Visit.as_u8() {
            self.credits.insert(key, Credit::default());
        }
    }

    /// How much more the reader of a visit has asked for; `None`: `key` is no visit's.
    pub(crate) fn credit(&self, key: u32) -> Option<i64> {
        self.credits.get(&key).map(|credit| credit.left())
    }

    /// Whether nobody need wait for credit: there is some, or no more will come.
    pub(crate) fn is_credit_settled(&self, key: u32) -> bool {
        let credit = self.credits.get(&key);
        credit.is_none_or(|credit| credit.is_over || credit.left() > 0)
    }

    /// The reader of `key`, if it is a visit's, has left.
    pub(crate) fn give_up_credit(&mut self, key: u32) {
        if let Some(credit) = self.credits.get_mut(&key) {
            credit.is_over = true;
        }
    }

    /// An event of `key` is queued that costs so much, as far as it is a visit's.
    #[inline]
    pub(crate) fn spend(&mut self, key: u32, cost: impl FnOnce() -> u64) {
        if !self.credits.is_empty()
            && let Some(credit) = self.credits.get_mut(&key)
        {
            credit.spent += cost();
        }
    }

    /// Events of `key` that cost so much were dropped: their reader will not pay for them.
    pub(crate) fn refund(&mut self, key: u32, cost: u64) -> Option<Command> {
        let credit = self.credits.get_mut(&key)?;
        let before = credit.left();
        credit.spent = credit.spent.saturating_sub(cost);
        (before <= 0 && credit.left() > 0).then_some(Command::Credit { key })
    }

    /// The events of `key` may have cost so much in all. Returns what the kernel is to be told.
    pub(crate) fn grant(&mut self, key: u32, granted: u64) -> Option<Command> {
        let credit = self.credits.get_mut(&key)?;
        let before = credit.left();
        credit.granted = credit.granted.max(granted);
        (before <= 0 && credit.left() > 0).then_some(Command::Credit { key })
    }

    /// What the hub has last said about `key`, if it said anything.
    pub(crate) fn answer_of(&self, key: u32) -> Option<&Result<u32, Refusal>> {
        self.entries.get(&key)?.answer.as_ref()
    }

    /// Whether events may be queued under `key`.
    #[inline]
    pub(crate) fn check_writable(&self, key: u32) -> Result<(), NotWritable> {
        match self.entries.get(&key) {
            Some(Key {
                end_seq: None,
                answer: Some(Err(refusal)),
                ..
            }) => Err(NotWritable::Refused(refusal.clone())),
            Some(Key { end_seq: None, .. }) => Ok(()),
            _ => Err(NotWritable::Closed),
        }
    }

    /// The hub's answer to an `Open`. Returns what the kernel must be told of it, if nobody waits for it.
    pub(crate) fn answer(&mut self, key: u32, answer: Result<u32, Refusal>) -> Option<Command> {
        let entry = self.entries.get_mut(&key)?;
        entry.is_confirmed = true;
        let refusal = entry.answer.insert(answer).as_ref().err()?;
        let is_news = !entry.is_awaited && entry.end_seq.is_none();
        is_news.then(|| Command::Refused {
            key,
            refusal: refusal.clone(),
        })
    }

    /// Nobody waits for the answer to the `Open` of `key` any more.
    pub(crate) fn let_go(&mut self, key: u32) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.is_awaited = false;
        }
    }

    /// The producer of `key` ends with the frame `end_seq`.
    pub(crate) fn end(&mut self, key: u32, end_seq: u64) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.end_seq = Some(end_seq);
            self.ending.push_back((end_seq, key));
        }
        self.credits.remove(&key);
    }

    /// Forgets a key that the hub does not know.
    pub(crate) fn forget(&mut self, key: u32) {
        self.entries.remove(&key);
        self.credits.remove(&key);
    }

    /// Everything up to `acked_seq` is confirmed: forgets the keys that have ended by then.
    pub(crate) fn forget_ended(&mut self, acked_seq: u64) {
        while let Some(&(end_seq, key)) = self.ending.front()
            && end_seq <= acked_seq
        {
            self.ending.pop_front();
            self.entries.remove(&key);
        }
    }

    /// Appends the `Open` frames, outside the sequence, that a new connection needs before anything else:
    ///
    /// - to a hub that does not know this link, for every key whose own `Open` will not be sent again;
    /// - to one that does, for every key whose `Open` it has but whose answer got lost on the way.
    ///
    /// The reader of a visit is not known to a hub that does not know this link: its visits are over, and are returned.
    pub(crate) fn reopen(
        &mut self,
        is_known: bool,
        acked_seq: u64,
        out: &mut Vec<u8>,
    ) -> Vec<Command> {
        let mut over = Vec::new();
        for (&key, entry) in &mut self.entries {
            entry.is_confirmed &= is_known;
            if entry.kind == RunKind::Visit.as_u8() && !is_known {
                if entry.end_seq.is_none() && !matches!(entry.answer, Some(Err(_))) {
                    over.push(Command::Stop { key });
                }
                entry.answer = Some(Err(Refusal::gone()));
                if let Some(credit) = self.credits.get_mut(&key) {
                    credit.is_over = true;
                }
            }
            let is_refused = matches!(entry.answer, Some(Err(_)));
            if entry.open_seq > acked_seq || entry.is_confirmed || is_refused {
                continue;
            }
            let Key {
                request,
                kind,
                ref name,
                ref options,
                ..
            } = *entry;
            ToHub::Open {
                seq: 0,
                key,
                request,
                kind,
                stream: name,
                options,
            }
            .encode(out);
        }
        over
    }
}
