//! The head of an HTTP answer.

use memchr::memmem;

/// A head is refused beyond this.
const MAX_BYTES: usize = 64 << 10;

/// How the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// With the connection.
    ToClose,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
}

/// What counts of a head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub is_event_stream: bool,
    pub body: Body,
    /// Where the body begins.
    pub bytes: usize,
}

impl Head {
    /// Reads the head at the start of `text`; `None`: it is not complete.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn parse(text: &[u8]) -> Result<Option<Self>, String> {
        let Some(end) = memmem::find(text, b"\r\n\r\n") else {
            let is_hopeless = text.len() > MAX_BYTES;
            return if is_hopeless {
                Err(format!("expected a head of at most {MAX_BYTES} bytes"))
            } else {
                Ok(None)
            };
        };
        let head = String::from_utf8_lossy(&text[..end]);
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5)?.parse().ok());
        let Some(status) = status else {
            return Err(format!("expected the head of an answer, got {first:?}"));
        };
        let mut found = Self {
            status,
            is_event_stream: false,
            body: Body::ToClose,
            bytes: end + 4,
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            found.take_field(&name.to_ascii_lowercase(), value.trim());
        }
        Ok(Some(found))
    }

    fn take_field(&mut self, name: &str, value: &str) {
        match name {
            "content-type" => self.is_event_stream = value.starts_with("text/event-stream"),
            "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => {
                self.body = Body::Chunked;
            }
            "content-length" if self.body == Body::ToClose => {
                self.body = value.parse().map_or(Body::ToClose, Body::Length);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Body, Head};

    #[test]
    fn the_framing_is_read_from_the_head_whatever_its_case() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-TYPE: text/event-stream; charset=utf-8\r\n\
            Transfer-Encoding: Chunked\r\n\r\nbody";
        let head = Head::parse(text).unwrap().unwrap();
        assert!(head.is_event_stream && head.status == 200);
        assert_eq!(
            (head.body, &text[head.bytes..]),
            (Body::Chunked, &b"body"[..])
        );
        let text = b"HTTP/1.0 503 No\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(Head::parse(text).unwrap().unwrap().body, Body::Length(12));
    }

    #[test]
    fn half_a_head_is_waited_for_and_another_protocol_is_refused() {
        assert_eq!(Head::parse(b"HTTP/1.1 200 OK\r\nContent-"), Ok(None));
        assert!(Head::parse(b"SSH-2.0\r\n\r\n").is_err());
    }
}
