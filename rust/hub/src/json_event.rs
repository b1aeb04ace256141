//! One JSON value as an event: what a yielded value becomes, without Python. An object that has `data` and no key but those of an event
//! is that event, text is its lines, anything else is its JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use jupyter_sse_codec::{
    EncodeError, check_body_size, check_event_type, check_id, encode_body, encode_json_body,
};
use memchr::{memchr2, memmem};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// How much of a refused text a message shows, in characters.
const SHOWN_CHARACTERS: usize = 40;
/// The longest reconnection time, in milliseconds: what JavaScript still holds exactly.
const MAX_RETRY: u64 = 1 << 53;

/// Why a value is no event. The text says what was expected, what came and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is no JSON.
    Json(String),
    /// A field of it cannot be sent.
    Field(String),
    /// It is too large.
    TooLarge(String),
}

/// The fields of an event, checked.
#[derive(Debug, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) event: Cow<'a, str>,
    pub(crate) id: Cow<'a, str>,
    retry: Option<u64>,
    comment: Option<Cow<'a, str>>,
    data: Data<'a>,
}

#[derive(Debug, Default)]
enum Data<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Json(&'a str),
}

/// What an object has to be in order to be an event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    retry: Option<&'a RawValue>,
    #[serde(borrow)]
    comment: Option<&'a RawValue>,
}

/// Checks that `text` is one JSON value and appends it to `out` without the space between its tokens.
pub(crate) fn compact(text: &[u8], out: &mut String) -> Result<(), Refused> {
    let refused = |why: &str| {
        let got = shown(&String::from_utf8_lossy(text));
        Refused::Json(format!("expected one JSON value, got {got}: {why}"))
    };
    let text =
        std::str::from_utf8(text).map_err(|error| refused(&format!("it is no UTF-8: {error}")))?;
    // It recurses into nothing, so no depth can hurt.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| refused(&why(&error)))?;
    push_compact(text, out).map_err(|()| {
        refused("it has a lone surrogate, a half of a character that UTF-16 writes in two")
    })
}

/// Reads what [`compact`] has written.
pub(crate) fn read(json: &str, max_event_bytes: usize) -> Result<Fields<'_>, Refused> {
    let is_object = json.starts_with('{') && memmem::find(json.as_bytes(), b"\"data\"").is_some();
    let object = is_object
        .then(|| serde_json::from_str::<Object<'_>>(json).ok())
        .flatten();
    let fields = match object {
        Some(object) => from_object(&object)?,
        None => Fields {
            data: data_of(json),
            ..Fields::default()
        },
    };
    let data = match &fields.data {
        Data::None => None,
        Data::Text(text) => Some(text.as_bytes()),
        Data::Json(json) => Some(json.as_bytes()),
    };
    check_body_size(
        data,
        fields.retry,
        fields.comment.as_deref(),
        max_event_bytes,
    )
    .map_err(|error| refused_size(&error, max_event_bytes))?;
    Ok(fields)
}

impl Fields<'_> {
    /// Appends everything of the block but its `event:` and `id:` lines.
    pub(crate) fn encode_body(&self, out: &mut Vec<u8>) {
        let comment = self.comment.as_deref();
        match &self.data {
            Data::None => encode_body(out, None, self.retry, comment),
            Data::Text(text) => encode_body(out, Some(text), self.retry, comment),
            Data::Json(json) => encode_json_body(out, json.as_bytes(), self.retry, comment),
        }
    }
}

/// The refusal of an event that takes more than `limit` bytes, `got` where that is known.
pub(crate) fn too_large(limit: usize, got: Option<usize>) -> Refused {
    let error = EncodeError::TooLarge { bytes: 0, limit };
    let got = got.map_or_else(|| "more".to_owned(), |bytes| format!("{bytes} bytes"));
    Refused::TooLarge(format!(
        "data: expected {}, got {got}; {}",
        error.expected(),
        error.remedy()
    ))
}

/// The refusal of an event whose size was found to be wrong.
pub(crate) fn refused_size(error: &EncodeError, limit: usize) -> Refused {
    match error {
        EncodeError::TooLarge { bytes, .. } => too_large(limit, Some(*bytes)),
        _ => too_large(limit, None),
    }
}

/// The refusal of a field's value.
pub(crate) fn refused_field(error: &EncodeError, value: &str) -> Refused {
    refuse(error.field(), &error.expected(), value, error.remedy())
}

fn refuse(field: &str, expected: &str, value: &str, remedy: &str) -> Refused {
    Refused::Field(format!(
        "{field}: expected {expected}, got {}; {remedy}",
        shown(value)
    ))
}

/// A text as a message shows it: quoted and not too long.
pub(crate) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let mut quoted = format!(
        "{:?}",
        characters
            .by_ref()
            .take(SHOWN_CHARACTERS)
            .collect::<String>()
    );
    if characters.next().is_some() {
        quoted.push('…');
    }
    quoted
}

/// What is wrong with a text, and in which column: lines are counted elsewhere.
fn why(error: &serde_json::Error) -> String {
    let (text, place) = (
        error.to_string(),
        format!(" at line {} column {}", error.line(), error.column()),
    );
    let mut said = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    if error.line() > 1 {
        said.push_str(&place);
    } else if error.column() > 0 {
        let _ = write!(said, " at column {}", error.column());
    }
    said
}

fn from_object<'a>(object: &Object<'a>) -> Result<Fields<'a>, Refused> {
    let text = |field: &str, value: Option<&'a RawValue>| match value {
        None => Ok(None),
        Some(value) => match data_of(value.get()) {
            Data::Text(text) => Ok(Some(text)),
            _ => Err(refuse(field, "a string", value.get(), "put it in quotes")),
        },
    };
    let event = text("event", object.event)?.unwrap_or_default();
    check_event_type(&event).map_err(|error| refused_field(&error, &event))?;
    let id = match object.id.map(RawValue::get) {
        Some(number) if is_integer(number) => Cow::Borrowed(number),
        Some(other) if !other.starts_with('"') => {
            return Err(refuse(
                "id",
                "a string or a whole number",
                other,
                "put it in quotes",
            ));
        }
        _ => text("id", object.id)?.unwrap_or_default(),
    };
    check_id(&id).map_err(|error| refused_field(&error, &id))?;
    let retry = object
        .retry
        .map(|value| {
            let number = value.get().parse().ok();
            number.filter(|number| *number <= MAX_RETRY).ok_or_else(|| {
                refuse(
                    "retry",
                    "a whole number of milliseconds from 0 to 2**53",
                    value.get(),
                    "leave it out, or give such a number",
                )
            })
        })
        .transpose()?;
    Ok(Fields {
        event,
        id,
        retry,
        comment: text("comment", object.comment)?,
        data: data_of(object.data.get()),
    })
}

/// A JSON value as data: a string as what it says.
fn data_of(json: &str) -> Data<'_> {
    let Some(inner) = json.strip_prefix('"') else {
        return Data::Json(json);
    };
    // Without an escape the text stands there as it is.
    match inner.strip_suffix('"') {
        Some(text) if !text.contains('\\') => Data::Text(Cow::Borrowed(text)),
        _ => serde_json::from_str::<String>(json)
            .map_or(Data::Json(json), |text| Data::Text(Cow::Owned(text))),
    }
}

fn is_integer(json: &str) -> bool {
    let digits = json.strip_prefix('-').unwrap_or(json);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Appends JSON without the space between its tokens.
///
/// # Errors
///
/// A string has half of a surrogate pair: not every reader could take it.
fn push_compact(json: &str, out: &mut String) -> Result<(), ()> {
    let bytes = json.as_bytes();
    let (mut at, mut start) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = string_end(bytes, at)?,
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(&json[start..at]);
                at += 1;
                start = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(&json[start..]);
    Ok(())
}

/// Where the string ends that begins at `start`, in JSON that is known to be sound.
fn string_end(bytes: &[u8], start: usize) -> Result<usize, ()> {
    let mut at = start + 1;
    while let Some(found) = memchr2(b'"', b'\\', &bytes[at..]) {
        at += found;
        if bytes[at] == b'"' {
            return Ok(at + 1);
        }
        at += match code_unit(&bytes[at..]) {
            None => 2,
            Some(0xd800..=0xdbff) => match code_unit(&bytes[at + 6..]) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return Err(()),
            },
            Some(0xdc00..=0xdfff) => return Err(()),
            Some(_) => 6,
        };
    }
    Err(())
}

/// The number in `\uXXXX`.
fn code_unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{Refused, compact, read};

    /// Type, id and body of what a text becomes.
    fn event(text: &str) -> Result<(String, String, String), Refused> {
        let mut json = String::new();
        compact(text.as_bytes(), &mut json)?;
        let fields = read(&json, 1000)?;
        let mut body = Vec::new();
        fields.encode_body(&mut body);
        let body = String::from_utf8(body).unwrap();
        Ok((fields.event.into_owned(), fields.id.into_owned(), body))
    }

    #[test]
    fn a_value_becomes_what_it_becomes_where_it_is_yielded() {
        for (text, kind, id, body) in [
            ("1.50", "", "", "data: 1.50\n\n"),
            (" null ", "", "", "data: null\n\n"),
            (r#""two\nlines""#, "", "", "data: two\ndata: lines\n\n"),
            (r#""""#, "", "", "data: \n\n"),
            (
                r#"{ "a" : [ 1 , null ] }"#,
                "",
                "",
                "data: {\"a\":[1,null]}\n\n",
            ),
            (r#"{"a b" : 1}"#, "", "", "data: {\"a b\":1}\n\n"),
            (
                r#"{"data": 1, "b": 2}"#,
                "",
                "",
                "data: {\"data\":1,\"b\":2}\n\n",
            ),
            (r#"{"event": "a"}"#, "", "", "data: {\"event\":\"a\"}\n\n"),
            (
                r#"{"data": {"a": "\""}, "event": "e", "id": "i"}"#,
                "e",
                "i",
                "data: {\"a\":\"\\\"\"}\n\n",
            ),
            (
                r#"{"data": "\u00e9", "id": -12, "retry": 5}"#,
                "",
                "-12",
                "data: é\nretry: 5\n\n",
            ),
            (
                r#"{"data": null, "event": null, "comment": "a\nb"}"#,
                "",
                "",
                "data: null\n: a\n: b\n\n",
            ),
            (
                r#"["\ud83d\ude00"]"#,
                "",
                "",
                "data: [\"\\ud83d\\ude00\"]\n\n",
            ),
        ] {
            let expected = (kind.to_owned(), id.to_owned(), body.to_owned());
            assert_eq!(event(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_the_field_the_value_and_what_to_do() {
        for (text, said) in [
            (
                "",
                "expected one JSON value, got \"\": EOF while parsing a value",
            ),
            ("{", "got \"{\": EOF while parsing an object at column 1"),
            ("1 2", "trailing characters"),
            ("NaN", "expected value"),
            (r#"["\ud800"]"#, "lone surrogate"),
            (r#"["\udc00\ud800"]"#, "lone surrogate"),
            (r#"["\ud800\u0041"]"#, "lone surrogate"),
            (
                r#"{"data": 1, "event": 5}"#,
                "event: expected a string, got \"5\"",
            ),
            (
                r#"{"data": 1, "event": "a\nb"}"#,
                "event: expected one line of text, got \"a\\nb\"",
            ),
            (r#"{"data": 1, "event": "sse.end"}"#, "\"sse.\""),
            (
                r#"{"data": 1, "id": "a\u0000b"}"#,
                "id: expected text without control characters",
            ),
            (
                r#"{"data": 1, "id": 1.5}"#,
                "id: expected a string or a whole number",
            ),
            (
                r#"{"data": 1, "id": true}"#,
                "id: expected a string or a whole number",
            ),
            (
                r#"{"data": 1, "retry": -1}"#,
                "retry: expected a whole number",
            ),
            (
                r#"{"data": 1, "retry": 9007199254740993}"#,
                "retry: expected a whole number",
            ),
            (r#"{"data": 1, "comment": 1}"#, "comment: expected a string"),
        ] {
            let Err(Refused::Json(message) | Refused::Field(message)) = event(text) else {
                panic!("{text} was taken");
            };
            assert!(message.contains(said), "{text}: {message}");
        }
        let long = format!("\"{}\"", "x".repeat(993));
        assert!(event(&long[1..]).is_err());
        let Err(Refused::TooLarge(message)) = event(&long) else {
            panic!("too large, and taken");
        };
        assert!(
            message.contains("at most 1000 bytes, got 1001 bytes"),
            "{message}"
        );
    }

    #[test]
    fn depth_hurts_nobody() {
        let text = format!("{}{}", "[".repeat(400), "]".repeat(400));
        assert!(event(&text).is_ok());
        let mut json = String::new();
        let open = "[".repeat(1_000_000);
        assert!(compact(open.as_bytes(), &mut json).is_err());
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "(?s).{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("(?s).{0,4}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn compact_json_is_the_same_value_on_one_line(value in values()) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let mut json = String::new();
            compact(text.as_bytes(), &mut json).unwrap();
            prop_assert_eq!(json, serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn no_text_can_hurt(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut json = String::new();
            let taken = compact(&text, &mut json);
            prop_assert_eq!(taken.is_ok(), serde_json::from_slice::<Value>(&text).is_ok());
        }
    }
}
