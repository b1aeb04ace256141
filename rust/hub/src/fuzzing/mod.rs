//! What is fuzzed: for any bytes, each of these functions returns, or has found something. `rust/fuzz` gives them to libFuzzer
//! (`make fuzz`); here they are run over the corpus that is kept there, as an ordinary test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a target fails by panicking; its module says what it looks for"
)]

mod codec;
mod links;
mod posts;
mod texts;

pub use codec::{blocks, decoder, encoder, frames};
pub use links::links;
pub use posts::posts;
pub use texts::texts;

/// Bytes as a source of choices: when they are at their end, every number is 0.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    fn number(&mut self) -> u64 {
        let mut number = [0; 8];
        let bytes = self.bytes(8);
        number[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(number)
    }

    /// At most `count` bytes.
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A few bytes, as many as the first says.
    fn some(&mut self) -> &'a [u8] {
        let count = usize::from(self.byte());
        self.bytes(count)
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.some()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    fn run_corpus(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
        let mut count = 0;
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            target(&bytes);
            // Also with an end that comes too early.
            target(&bytes[..bytes.len() / 2]);
            count += 1;
        }
        assert!(count > 0, "no corpus of {name}");
    }

    macro_rules! corpus {
        ($($name:ident)*) => {
            $(#[test]
            fn $name() {
                run_corpus(stringify!($name), super::$name);
            })*
        };
    }

    corpus! { blocks decoder encoder frames links posts texts }
}
