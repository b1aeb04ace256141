use std::error::Error;
use std::fmt;

/// The length of the longest name of a stream, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// Which rule a stream's name breaks, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// There is no character in it.
    Empty,
    /// It is longer than [`MAX_NAME_BYTES`].
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// A character that names have not.
    Character {
        /// Which.
        character: char,
        /// Its index, counted in characters from 0.
        index: usize,
    },
    /// A `/` at the start, at the end, or after another.
    EmptySegment {
        /// Where the segment would begin, counted in characters from 0.
        index: usize,
    },
    /// A segment that is `.` or `..`.
    DotSegment {
        /// Where it begins, counted in characters from 0.
        index: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("it is empty"),
            Self::TooLong { bytes } => write!(
                out,
                "it is {bytes} bytes long, at most {MAX_NAME_BYTES} are allowed"
            ),
            Self::Character { character, index } => write!(
                out,
                "{character:?} at index {index} is not allowed: use letters A-Z and a-z, digits, and the \
                 characters . _ ~ - with / between segments"
            ),
            Self::EmptySegment { index } => {
                write!(
                    out,
                    "the segment at index {index} is empty: use one / between two segments only"
                )
            }
            Self::DotSegment { index } => {
                write!(
                    out,
                    "the segment at index {index} is . or .. which a URL would resolve away"
                )
            }
        }
    }
}

impl Error for NameError {}

/// Checks the name of a stream: segments of `[A-Za-z0-9._~-]+` joined by `/`, none `.` or `..`, at most 200 bytes.
///
/// # Errors
///
/// The first rule that `name` breaks, and where.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if let Some((index, character)) = name
        .chars()
        .enumerate()
        .find(|(_, character)| !is_allowed(*character))
    {
        return Err(NameError::Character { character, index });
    }
    // From here on every character is ASCII: bytes and characters count the same.
    if name.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    let mut index = 0;
    for segment in name.split('/') {
        match segment {
            "" => return Err(NameError::EmptySegment { index }),
            "." | ".." => return Err(NameError::DotSegment { index }),
            _ => index += segment.len() + 1,
        }
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '~' | '-' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_allowed_form_pass() {
        for name in [
            "a",
            "loss",
            "demo/cell-1",
            "A.b_c~d-e/0",
            "...",
            "a/.b/..c",
            &"x".repeat(200),
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn every_broken_rule_is_told_with_its_place() {
        let long = "x".repeat(201);
        let cases: [(&str, NameError); 11] = [
            ("", NameError::Empty),
            (&long, NameError::TooLong { bytes: 201 }),
            (
                "a b",
                NameError::Character {
                    character: ' ',
                    index: 1,
                },
            ),
            (
                "é",
                NameError::Character {
                    character: 'é',
                    index: 0,
                },
            ),
            (
                "a@latest",
                NameError::Character {
                    character: '@',
                    index: 1,
                },
            ),
            (
                "a:b",
                NameError::Character {
                    character: ':',
                    index: 1,
                },
            ),
            ("/a", NameError::EmptySegment { index: 0 }),
            ("a/", NameError::EmptySegment { index: 2 }),
            ("a//b", NameError::EmptySegment { index: 2 }),
            (".", NameError::DotSegment { index: 0 }),
            ("ab/..", NameError::DotSegment { index: 3 }),
        ];
        for (name, error) in cases {
            assert_eq!(check_name(name), Err(error), "{name}");
        }
    }
}
