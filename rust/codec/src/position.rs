use std::fmt;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const END_MARK: &str = "-end-";

/// The life of a log: 11 base62 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch([u8; Epoch::BYTES]);

impl Epoch {
    /// The length of an epoch's text.
    pub const BYTES: usize = 11;

    /// The epoch that random bits stand for; about 65 of them count.
    pub fn from_random(mut random: u128) -> Self {
        let mut text = [0; Self::BYTES];
        for byte in &mut text {
            *byte = BASE62[(random % 62) as usize];
            random /= 62;
        }
        Self(text)
    }

    /// The epoch of this text, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; Self::BYTES] = text.as_bytes().try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_alphanumeric)
            .then_some(Self(bytes))
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        // Only ASCII gets in, so the default never stands in for anything.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Epoch({self})")
    }
}

/// Where an event stands: `<epoch>-<seq>-<n>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The life of the log that the numbers belong to.
    pub epoch: Epoch,
    /// Counts over all streams of the server, from 1; 0 is before the first.
    pub seq: u64,
    /// Counts within the event's stream, over its runs, from 1; 0 is before the first.
    pub n: u64,
}

impl Position {
    /// The length of the longest text of a position, in bytes.
    pub const MAX_BYTES: usize = Epoch::BYTES + 2 * (1 + 20);

    /// The position of this text, if it is exactly one: no sign, no leading zero, nothing around it.
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, numbers) = text.split_at_checked(Epoch::BYTES)?;
        let (seq, n) = numbers.strip_prefix('-')?.split_once('-')?;
        Some(Self {
            epoch: Epoch::parse(epoch)?,
            seq: parse_number(seq)?,
            n: parse_number(n)?,
        })
    }

    /// Appends its text. Writes one event's `id:` on the hub's hot way, so it does not go through `fmt`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.epoch.0);
        out.push(b'-');
        push_number(out, self.seq);
        out.push(b'-');
        push_number(out, self.n);
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}-{}", self.epoch, self.seq, self.n)
    }
}

/// The id of the `sse.end` that closes a connection of one stream; producers may not use ids of this form.
pub fn end_id(epoch: Epoch, number: u64) -> String {
    format!("{epoch}{END_MARK}{number}")
}

/// Whether `id` has the form of [`end_id`]: `^[0-9A-Za-z]{11}-end-[0-9]+$`.
pub fn is_end_id(id: &str) -> bool {
    id.split_at_checked(Epoch::BYTES)
        .is_some_and(|(epoch, rest)| {
            Epoch::parse(epoch).is_some()
                && rest.strip_prefix(END_MARK).is_some_and(|number| {
                    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
                })
        })
}

/// Appends `number` in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

fn parse_number(text: &str) -> Option<u64> {
    let is_canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    if is_canonical {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch() -> Epoch {
        Epoch::from_random(0x1234_5678_9abc_def0_1122_3344_5566_7788)
    }

    #[test]
    fn random_bits_become_base62() {
        assert_eq!(Epoch::from_random(0).as_str(), "00000000000");
        assert_eq!(Epoch::from_random(61).as_str(), "z0000000000");
        assert_eq!(
            Epoch::parse(Epoch::from_random(u128::MAX).as_str()),
            Some(Epoch::from_random(u128::MAX))
        );
    }

    #[test]
    fn written_shown_and_parsed_are_the_same_position() {
        for (seq, n) in [
            (0, 0),
            (1, 1),
            (9, 10),
            (1_000_000, 99),
            (u64::MAX, u64::MAX),
        ] {
            let position = Position {
                epoch: epoch(),
                seq,
                n,
            };
            let mut written = Vec::new();
            position.write(&mut written);
            assert_eq!(written, position.to_string().as_bytes());
            assert!(written.len() <= Position::MAX_BYTES);
            assert_eq!(Position::parse(&position.to_string()), Some(position));
        }
    }

    #[test]
    fn what_is_almost_a_position_is_none() {
        let refused = [
            "",
            "-",
            "--",
            "0123456789a",
            "0123456789a-1",
            "0123456789a-1-",
            "0123456789a--1",
            "0123456789a-1-1 ",
            " 0123456789a-1-1",
            "0123456789a-01-1",
            "0123456789a-1-+1",
            "0123456789a-1--1",
            "0123456789a-1-1-1",
            "0123456789-1-1",
            "0123456789ab-1-1",
            "0123456789_-1-1",
            "0123456789é-1-1",
            "0123456789a-1-1_0",
            "0123456789a-18446744073709551616-1",
            "0123456789a-١-1",
        ];
        for text in refused {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }

    #[test]
    fn end_ids_are_known_by_their_form() {
        assert!(is_end_id(&end_id(epoch(), 7)));
        assert!(is_end_id("0123456789a-end-00099999999999999999999999"));
        for id in [
            "",
            "0123456789a-end-",
            "0123456789a-end-1x",
            "0123456789-end-1",
            "0123456789a-END-1",
            "end-1",
        ] {
            assert!(!is_end_id(id), "{id}");
        }
    }
}
