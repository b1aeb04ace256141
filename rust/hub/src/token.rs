//! Stream tokens: they read one stream and nothing else, expire, and die with the server. Only their digests are kept.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::random;
use crate::state::State;

/// What every stream token begins with, so that it is never taken for a login.
pub const PREFIX: &str = "sse_";
/// The most tokens at one time; the one that expires first gives way.
const MAX_TOKENS: usize = 10_000;

/// Stands for a token wherever one is kept.
pub(crate) type TokenDigest = [u8; 32];

/// The tokens that were given out.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    given: HashMap<TokenDigest, Token>,
}

#[derive(Debug)]
struct Token {
    stream: String,
    expires_at: u64,
}

impl Tokens {
    /// A new token for one stream, good until `expires_at` (unix milliseconds).
    pub(crate) fn issue(&mut self, stream: &str, expires_at: u64) -> String {
        if self.given.len() >= MAX_TOKENS {
            let first = self
                .given
                .iter()
                .min_by_key(|(_, token)| token.expires_at)
                .map(|(digest, _)| *digest);
            first.and_then(|digest| self.given.remove(&digest));
        }
        let token = format!("{PREFIX}{}", random::base62(43));
        self.given.insert(
            digest(&token),
            Token {
                stream: stream.to_owned(),
                expires_at,
            },
        );
        token
    }

    /// Whether this token reads this stream now. The comparison is of digests, so that its time says nothing of the token.
    pub(crate) fn check(&self, token: &str, stream: &str, now: u64) -> bool {
        self.given
            .get(&digest(token))
            .is_some_and(|given| given.stream == stream && now < given.expires_at)
    }

    /// Until when a token is good (unix milliseconds); `None`: it is not, any more.
    pub(crate) fn expires_at(&self, digest: &TokenDigest) -> Option<u64> {
        self.given.get(digest).map(|token| token.expires_at)
    }

    /// Takes back all tokens of a stream.
    pub(crate) fn revoke(&mut self, stream: &str) {
        self.given.retain(|_, token| token.stream != stream);
    }

    pub(crate) fn expire(&mut self, now: u64) {
        self.given.retain(|_, token| now < token.expires_at);
    }
}

impl State {
    /// Takes back all tokens of a stream; who reads it by one has to go.
    pub(crate) fn revoke_tokens(&mut self, name: &str) {
        self.tokens.revoke(name);
        if let Some((key, _)) = self.find(name) {
            self.mark_dirty(key);
        }
    }
}

pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::Tokens;

    #[test]
    fn a_token_reads_its_own_stream_until_it_expires() {
        let mut tokens = Tokens::default();
        let token = tokens.issue("a", 100);
        assert!(tokens.check(&token, "a", 99));
        assert!(!tokens.check(&token, "b", 99));
        assert!(!tokens.check(&token, "a", 100));
        assert!(!tokens.check("sse_", "a", 99));
    }

    #[test]
    fn a_revoked_token_reads_nothing() {
        let mut tokens = Tokens::default();
        let token = tokens.issue("a", 100);
        assert_eq!(tokens.expires_at(&super::digest(&token)), Some(100));
        tokens.revoke("a");
        assert!(!tokens.check(&token, "a", 0));
        assert_eq!(tokens.expires_at(&super::digest(&token)), None);
    }
}
