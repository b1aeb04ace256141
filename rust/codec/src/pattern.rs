use std::cmp::Ordering;
use std::error::Error;
use std::fmt;

use crate::name::{MAX_NAME_BYTES, NameError, check_name};

/// The names of a family of streams, such as `users/{user_id}`: segments that stand for themselves, and parameters that stand for any
/// segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Parameter(String),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// What does not stand in braces is no part of a name.
    Name(NameError),
    /// A segment with braces that is not `{identifier}` from end to end.
    Parameter(String),
    /// The same identifier twice.
    Twice(String),
}

impl fmt::Display for PatternError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(out),
            Self::Parameter(segment) => write!(
                out,
                "the segment {segment:?} is no parameter: put an identifier between braces and nothing beside them, as in {{user_id}}"
            ),
            Self::Twice(name) => {
                write!(out, "the parameter {name:?} comes twice: name each once")
            }
        }
    }
}

impl Error for PatternError {}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// It is none; see [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_NAME_BYTES {
            let bytes = text.len();
            return Err(PatternError::Name(NameError::TooLong { bytes }));
        }
        let mut segments: Vec<Segment> = Vec::new();
        for part in text.split('/') {
            let segment = if part.contains(['{', '}']) {
                let name = identifier_in(part)
                    .ok_or_else(|| PatternError::Parameter(part.to_owned()))?
                    .to_owned();
                if segments.contains(&Segment::Parameter(name.clone())) {
                    return Err(PatternError::Twice(name));
                }
                Segment::Parameter(name)
            } else {
                Segment::Literal(part.to_owned())
            };
            segments.push(segment);
        }
        // With a letter in the place of each parameter, what is left has to be a name.
        let parts: Vec<&str> = segments.iter().map(Segment::sample).collect();
        check_name(&parts.join("/")).map_err(PatternError::Name)?;
        let text = text.to_owned();
        Ok(Self { text, segments })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parameters of a path, in order and percent-decoded; `None` where the path is not of this family, or what it says is no text.
    pub fn matches(&self, path: &str) -> Option<Vec<(&str, String)>> {
        let mut parameters = Vec::new();
        let mut parts = path.split('/');
        for segment in &self.segments {
            let part = decode(parts.next()?)?;
            match segment {
                Segment::Literal(literal) if *literal == part => {}
                Segment::Parameter(name) if !part.is_empty() => {
                    parameters.push((name.as_str(), part));
                }
                _ => return None,
            }
        }
        parts.next().is_none().then_some(parameters)
    }

    /// Whether both have the same paths, whatever their parameters are called.
    pub fn is_same_family(&self, other: &Self) -> bool {
        self.cmp_rank(other) == Ordering::Equal
    }

    /// Which of two is asked first: at the first segment that differs, the one that is literal there.
    pub fn cmp_rank(&self, other: &Self) -> Ordering {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(literal) => (0, literal.clone()),
            Segment::Parameter(_) => (1, String::new()),
        };
        let (one, two) = (self.segments.iter(), other.segments.iter());
        one.map(rank).cmp(two.map(rank))
    }
}

impl Segment {
    fn sample(&self) -> &str {
        match self {
            Self::Literal(literal) => literal,
            Self::Parameter(_) => "x",
        }
    }
}

/// What stands between the braces of `{identifier}`.
fn identifier_in(part: &str) -> Option<&str> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    let is_start = |first: char| first.is_ascii_alphabetic() || first == '_';
    let is_part = |other: char| other.is_ascii_alphanumeric() || other == '_';
    (name.starts_with(is_start) && name.chars().all(is_part)).then_some(name)
}

/// Checks the path of a reader of a route: a stream's name, in which `%` and two hexadecimal digits may stand for any other byte but `/`
/// and the control characters.
///
/// # Errors
///
/// The first rule that `path` breaks, and where.
pub fn check_path(path: &str) -> Result<(), NameError> {
    if path.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { bytes: path.len() });
    }
    let mut plain = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(character) = rest.next() {
        let escaped = (character == '%').then(|| rest.as_str().get(..2)).flatten();
        match escaped.and_then(byte_of) {
            Some(byte) if byte == b'/' || byte.is_ascii_control() => {
                let index = plain.chars().count();
                return Err(NameError::Character { character, index });
            }
            Some(_) => {
                // Three characters, so that the error counts as its reader does.
                plain.push_str("xxx");
                rest.nth(1);
            }
            None => plain.push(character),
        }
    }
    check_name(&plain)
}

fn byte_of(digits: &str) -> Option<u8> {
    let is_hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hexadecimal
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// A segment of a path as text; `None` where its bytes are none.
fn decode(part: &str) -> Option<String> {
    if !part.contains('%') {
        return Some(part.to_owned());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(byte_of(after.get(..2)?)?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap()
    }

    #[test]
    fn a_parameter_stands_for_one_segment_and_is_decoded() {
        let users = pattern("users/{user_id}/posts/{post}");
        assert_eq!(
            users.matches("users/4%32/posts/J%C3%B6rg"),
            Some(vec![
                ("user_id", "42".to_owned()),
                ("post", "Jörg".to_owned())
            ])
        );
        for path in [
            "users/42",
            "users/42/posts/",
            "users/42/posts/1/2",
            "user/42/posts/1",
            "users/42/posts/%ff",
        ] {
            assert_eq!(users.matches(path), None, "{path}");
        }
        assert_eq!(pattern("clock").matches("clock"), Some(vec![]));
    }

    #[test]
    fn texts_that_are_no_patterns_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("users//{id}", "empty"),
            ("users/{}", "no parameter"),
            ("users/{1}", "no parameter"),
            ("users/{user id}", "no parameter"),
            ("users/a{id}", "no parameter"),
            ("users/{id", "no parameter"),
            ("users/{id:int}", "no parameter"),
            ("{id}/{id}", "twice"),
            ("../{id}", "resolve away"),
            ("users/é", "not allowed"),
        ] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
        let long = format!("{}/{{id}}", "x".repeat(200));
        assert!(Pattern::parse(&long).is_err());
    }

    #[test]
    fn literal_segments_are_asked_before_parameters() {
        let mut all = ["{a}/{b}", "users/{id}", "{kind}/me", "users/me"].map(pattern);
        all.sort_by(Pattern::cmp_rank);
        let texts = all.each_ref().map(Pattern::as_str);
        assert_eq!(texts, ["users/me", "users/{id}", "{kind}/me", "{a}/{b}"]);
        assert!(pattern("users/{a}").is_same_family(&pattern("users/{b}")));
        assert!(!pattern("users/{a}").is_same_family(&pattern("users/a")));
    }

    #[test]
    fn a_path_may_say_by_percent_what_a_name_cannot() {
        for path in ["users/42", "users/J%C3%B6rg", "users/a%40b.c", "a%20b"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in [
            "users/%2F",
            "users/%0a",
            "users/%",
            "users/%g0",
            "%7f",
            "a b",
            "x/%1",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
        assert!(check_path(&"%41".repeat(67)).is_err());
    }
}
