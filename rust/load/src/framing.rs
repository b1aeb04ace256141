//! What HTTP puts around the body of an answer.

use crate::head::Body;

/// Undoes it: the bytes of the body, in pieces as they come.
#[derive(Debug)]
pub enum Framing {
    /// The body ends with the connection.
    ToClose,
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunk),
}

/// Where in a chunk the next byte stands.
#[derive(Debug, Clone, Copy)]
pub enum Chunk {
    /// In its size, read so far.
    Size(u64),
    /// In what follows the size on its line.
    Extension(u64),
    /// So many bytes are left.
    Data(u64),
    /// In the line end after the data.
    End,
    /// Everything has come.
    Over,
}

impl From<Body> for Framing {
    fn from(body: Body) -> Self {
        match body {
            Body::ToClose => Self::ToClose,
            Body::Length(bytes) => Self::Length(bytes),
            Body::Chunked => Self::Chunked(Chunk::Size(0)),
        }
    }
}

impl Framing {
    /// Whether the body is complete.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Over))
    }

    /// Takes the next piece; `sink` gets what of it is body.
    pub fn feed(&mut self, piece: &[u8], mut sink: impl FnMut(&[u8])) {
        match self {
            Self::ToClose => sink(piece),
            Self::Length(left) => {
                let count = piece
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= count as u64;
                sink(&piece[..count]);
            }
            Self::Chunked(chunk) => {
                let mut rest = piece;
                while !rest.is_empty() && !matches!(chunk, Chunk::Over) {
                    (*chunk, rest) = chunk.step(rest, &mut sink);
                }
            }
        }
    }
}

impl Chunk {
    /// Takes the first byte of `piece`, or as much data as there is. (Trailers do not occur here.)
    fn step<'a>(self, piece: &'a [u8], sink: &mut impl FnMut(&[u8])) -> (Self, &'a [u8]) {
        let (first, rest) = (piece[0], &piece[1..]);
        match self {
            Self::Size(size) => match char::from(first).to_digit(16) {
                Some(digit) => (Self::Size(size << 4 | u64::from(digit)), rest),
                None => (Self::Extension(size), piece),
            },
            Self::Extension(size) if first == b'\n' && size == 0 => (Self::Over, rest),
            Self::Extension(size) if first == b'\n' => (Self::Data(size), rest),
            Self::Extension(_) | Self::Over => (self, rest),
            Self::Data(left) => {
                let count = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                sink(&piece[..count]);
                let left = left - count as u64;
                let next = if left == 0 {
                    Self::End
                } else {
                    Self::Data(left)
                };
                (next, &piece[count..])
            }
            Self::End if first == b'\n' => (Self::Size(0), rest),
            Self::End => (Self::End, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chunk, Framing};

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let text = b"5\r\nhello\r\n11;x=1\r\n, this is chunked\r\n0\r\n\r\n";
        for size in 1..text.len() {
            let mut framing = Framing::Chunked(Chunk::Size(0));
            let mut body = Vec::new();
            for piece in text.chunks(size) {
                framing.feed(piece, |bytes| body.extend_from_slice(bytes));
            }
            assert_eq!(body, b"hello, this is chunked", "{size}");
            assert!(framing.is_over());
        }
    }

    #[test]
    fn a_body_of_known_length_ends_there() {
        let mut framing = Framing::Length(5);
        let mut body = Vec::new();
        framing.feed(b"hel", |bytes| body.extend_from_slice(bytes));
        assert!(!framing.is_over());
        framing.feed(b"lo, more", |bytes| body.extend_from_slice(bytes));
        assert_eq!(body, b"hello");
        assert!(framing.is_over());
    }
}
