//! Where to connect, and what to ask for there.

use std::net::{SocketAddr, ToSocketAddrs};

/// A request, ready to be sent on any number of connections.
#[derive(Debug, Clone)]
pub struct Request {
    pub address: SocketAddr,
    pub is_encrypted: bool,
    /// Everything but the empty line at the end.
    text: String,
}

impl Request {
    /// A GET of `url` with further header lines.
    ///
    /// # Errors
    ///
    /// The URL is not `http://` or `https://` with a host that is known.
    pub fn new(url: &str, headers: &[String]) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let is_encrypted = match scheme {
            "http" => false,
            "https" => true,
            _ => {
                return Err(format!(
                    "expected a URL of http:// or https://, got {url:?}"
                ));
            }
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let place = if host.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:{}", if is_encrypted { 443 } else { 80 })
        };
        let known = place.to_socket_addrs();
        let address = known
            .ok()
            .and_then(|mut known| known.find(SocketAddr::is_ipv4));
        let address = address.ok_or_else(|| format!("expected a host with IPv4, got {host:?}"))?;
        let mut text = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        Ok(Self {
            address,
            is_encrypted,
            text,
        })
    }

    /// The request as sent; of a reader that comes back, with the last id it got.
    pub fn text(&self, last_id: &str) -> String {
        if last_id.is_empty() {
            format!("{}\r\n", self.text)
        } else {
            format!("{}Last-Event-ID: {last_id}\r\n\r\n", self.text)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Request;

    #[test]
    fn the_request_holds_path_host_and_header_lines() {
        let headers = ["Authorization: token x".to_owned()];
        let request = Request::new("http://127.0.0.1:8888/sse/a?wait=1", &headers).unwrap();
        assert_eq!(request.address.port(), 8888);
        let expected =
            "GET /sse/a?wait=1 HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nAuthorization: token x\r\n";
        assert_eq!(request.text(""), format!("{expected}\r\n"));
        assert!(
            request
                .text("e-1-2")
                .ends_with("Last-Event-ID: e-1-2\r\n\r\n")
        );
    }

    #[test]
    fn another_scheme_is_refused() {
        assert!(Request::new("ws://127.0.0.1/", &[]).is_err());
        assert!(Request::new("127.0.0.1/", &[]).is_err());
    }
}
