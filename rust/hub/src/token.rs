//! Stream tokens: they read one stream and nothing else, expire, and die with the server. Only their digests are kept.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use crate::random;
use crate::state::{Refusal, State};

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
        let random = random::base62::<43>();
        let token = format!("{PREFIX}{}", String::from_utf8_lossy(&random));
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

    /// How many tokens read a stream now.
    pub(crate) fn count(&self, stream: &str, now: u64) -> usize {
        let is_good = |token: &&Token| token.stream == stream && now < token.expires_at;
        self.given.values().filter(is_good).count()
    }

    /// The same for every stream that has any.
    pub(crate) fn counts(&self, now: u64) -> HashMap<&str, usize> {
        let mut counts = HashMap::new();
        for token in self.given.values().filter(|token| now < token.expires_at) {
            *counts.entry(&*token.stream).or_insert(0) += 1;
        }
        counts
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
    /// Takes back all tokens of a stream; who reads it by one has to go. Returns how many were good.
    ///
    /// # Errors
    ///
    /// No such stream.
    pub(crate) fn revoke_tokens(&mut self, name: &str, now: u64) -> Result<usize, Refusal> {
        let Some((key, _)) = self.find(name) else {
            return Err(Refusal::Unknown(name.to_owned()));
        };
        let count = self.tokens.count(name, now);
        self.tokens.revoke(name);
        self.mark_dirty(key);
        Ok(count)
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
    fn tokens_are_counted_as_long_as_they_are_good() {
        let mut tokens = Tokens::default();
        for (stream, expires_at) in [("a", 100), ("a", 200), ("b", 100)] {
            tokens.issue(stream, expires_at);
        }
        assert_eq!([99, 100, 200].map(|now| tokens.count("a", now)), [2, 1, 0]);
        assert_eq!(tokens.counts(99), [("a", 2), ("b", 1)].into());
        assert_eq!(tokens.counts(100), [("a", 1)].into());
        tokens.revoke("a");
        assert_eq!(tokens.counts(0), [("b", 1)].into());
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
