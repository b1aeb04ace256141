//! The fields of an event as Python gives them: read, checked, and refused with a message that says which field,
//! what came and what to do.

use std::borrow::Cow;

use jupyter_sse_codec::{
    EncodeError, check_body_size, check_event_type, check_id, check_name, encode_body,
    encode_json_body, line_body,
};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PySlice, PyString, PyType};

use crate::event::ServerSentEvent;
use crate::value::{Alone, Value};

/// The longest reconnection time, in milliseconds: what JavaScript still holds exactly.
const MAX_RETRY: u64 = 1 << 53;

/// How much of a refused value a message shows, in characters.
const SHOWN_CHARACTERS: usize = 80;

/// The data of an event.
#[derive(Clone, Copy)]
pub(crate) enum Data<'a> {
    /// Text, one `data:` line for each of its lines.
    Text(&'a str),
    /// JSON that is already UTF-8.
    Json(&'a [u8]),
}

impl<'a> Data<'a> {
    fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Json(json) => json,
        }
    }
}

/// The checked fields of an event, borrowed from Python's objects.
pub(crate) struct Fields<'a> {
    data: Option<Data<'a>>,
    pub(crate) event: Option<&'a str>,
    pub(crate) id: Option<Cow<'a, str>>,
    retry: Option<u64>,
    comment: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Checks the fields of a value.
    #[inline]
    pub(crate) fn of(value: &'a Value<'_>) -> PyResult<Self> {
        Ok(Self {
            data: value.data.as_ref().map(extract_data).transpose()?,
            event: value.event.as_ref().map(extract_event).transpose()?,
            id: value.id.as_ref().map(extract_id).transpose()?,
            retry: value.retry.as_ref().map(extract_retry).transpose()?,
            comment: value
                .comment
                .as_ref()
                .map(|comment| extract_text("comment", comment))
                .transpose()?,
        })
    }

    /// The fields of a value that is nothing but data.
    #[inline]
    pub(crate) fn of_alone(alone: &'a Alone<'_>) -> PyResult<Self> {
        let data = match alone {
            Alone::Text(text) => Data::Text(extract_text("data", text)?),
            Alone::Json(json) => Data::Json(json.as_bytes()),
        };
        Ok(Self {
            data: Some(data),
            event: None,
            id: None,
            retry: None,
            comment: None,
        })
    }

    /// Checks that the body takes at most `max_event_bytes`.
    #[inline]
    pub(crate) fn check_size(&self, py: Python<'_>, max_event_bytes: usize) -> PyResult<()> {
        check_body_size(
            self.data.map(Data::as_bytes),
            self.retry,
            self.comment,
            max_event_bytes,
        )
        .map_err(|error| {
            let message = match error {
                EncodeError::TooLarge { bytes, limit } => {
                    format!(
                        "data: expected an event of at most {limit} bytes, got {bytes} bytes; {}",
                        error.remedy()
                    )
                }
                other => other.to_string(),
            };
            raise(py, "EventTooLargeError", message)
        })
    }

    /// An event of these fields, which is sent as they are.
    pub(crate) fn to_event(&self, py: Python<'_>) -> ServerSentEvent {
        let text = |text: &str| PyString::new(py, text).unbind();
        let data = match self.data {
            Some(Data::Json(json)) => text(&String::from_utf8_lossy(json)).into_any(),
            Some(Data::Text(data)) => text(data).into_any(),
            None => py.None(),
        };
        ServerSentEvent::checked(
            data,
            self.event.map(text),
            self.id.as_deref().map(text),
            self.retry,
            self.comment.map(text),
        )
    }

    /// The block in parts, where it is one line of data and nothing else.
    #[inline]
    pub(crate) fn as_line(&self) -> Option<[&'a [u8]; 3]> {
        match *self {
            Self {
                data: Some(data),
                event: None,
                id: None,
                retry: None,
                comment: None,
            } => line_body(data.as_bytes()),
            _ => None,
        }
    }

    /// Appends everything of the block but its `event:` and `id:` lines.
    pub(crate) fn encode_body(&self, out: &mut Vec<u8>) {
        match self.data {
            Some(Data::Json(json)) => encode_json_body(out, json, self.retry, self.comment),
            Some(Data::Text(text)) => encode_body(out, Some(text), self.retry, self.comment),
            None => encode_body(out, None, self.retry, self.comment),
        }
    }
}

#[inline]
fn extract_data<'a>(data: &'a Bound<'_, PyAny>) -> PyResult<Data<'a>> {
    if let Ok(json) = data.cast::<PyBytes>() {
        Ok(Data::Json(json.as_bytes()))
    } else {
        extract_text("data", data).map(Data::Text)
    }
}

/// A type that passed [`check_event_type`].
pub(crate) fn extract_event<'a>(event: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let text = extract_text("event", event)?;
    check_event_type(text).map_err(|error| refuse_checked(&error, event))?;
    Ok(text)
}

/// An id that passed [`check_id`]; a whole number becomes its text.
pub(crate) fn extract_id<'a>(id: &'a Bound<'_, PyAny>) -> PyResult<Cow<'a, str>> {
    let text = if id.is_instance_of::<PyString>() {
        Cow::Borrowed(extract_text("id", id)?)
    } else {
        let number = as_index(id)
            .ok_or_else(|| refuse("id", "a str or an int", id, "convert it with str()"))?;
        // Python refuses to write out an int of thousands of digits; as an id it is too long anyway.
        let text = number.str().map_or_else(
            |_| "0".repeat(4301),
            |text| text.to_string_lossy().into_owned(),
        );
        Cow::Owned(text)
    };
    check_id(&text).map_err(|error| refuse_checked(&error, id))?;
    Ok(text)
}

/// A reconnection time in milliseconds.
pub(crate) fn extract_retry(retry: &Bound<'_, PyAny>) -> PyResult<u64> {
    as_index(retry)
        .and_then(|number| number.extract().ok())
        .filter(|number| *number <= MAX_RETRY)
        .ok_or_else(|| {
            refuse(
                "retry",
                "a whole number of milliseconds from 0 to 2**53",
                retry,
                "give seconds as int(seconds * 1000)",
            )
        })
}

/// Text of the field `name`, without lone surrogates.
pub(crate) fn extract_text<'a>(name: &str, text: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let Ok(string) = text.cast::<PyString>() else {
        return Err(refuse(name, "a str", text, "convert it with str()"));
    };
    string.to_str().map_err(|_| {
        let remedy = "remove them with text.encode('utf-8', 'replace').decode()";
        refuse(name, "text without lone surrogates", text, remedy)
    })
}

/// The int that `value` is or stands for, as those of `numpy` do; a bool stands for none.
fn as_index<'py>(value: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    if value.is_instance_of::<PyBool>() {
        None
    } else if value.is_exact_instance_of::<PyInt>() {
        Some(value.clone())
    } else {
        value.call_method0("__index__").ok()
    }
}

/// The `StreamNameError` for what `check_name` refuses.
pub(crate) fn checked_name<'a>(name: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    let refused = |why: &str| {
        let message = format!(
            "name: expected a stream's name such as 'training/loss', got {}; {why}",
            shown(name)
        );
        raise(name.py(), "StreamNameError", message)
    };
    let string = name
        .cast::<PyString>()
        .map_err(|_| refused("it must be a str"))?;
    let text = string
        .to_str()
        .map_err(|_| refused("it has a lone surrogate"))?;
    check_name(text).map_err(|error| refused(&error.to_string()))?;
    Ok(text)
}

fn refuse_checked(error: &EncodeError, value: &Bound<'_, PyAny>) -> PyErr {
    refuse(error.field(), &error.expected(), value, error.remedy())
}

/// The `EncodeError` for the value of one field.
pub(crate) fn refuse(field: &str, expected: &str, value: &Bound<'_, PyAny>, remedy: &str) -> PyErr {
    raise(
        value.py(),
        "EncodeError",
        format!(
            "{field}: expected {expected}, got {}; {remedy}",
            shown(value)
        ),
    )
}

/// The repr of a value, shortened.
fn shown(value: &Bound<'_, PyAny>) -> String {
    let short = value
        .cast::<PyString>()
        .ok()
        .filter(|text| text.len().is_ok_and(|length| length > SHOWN_CHARACTERS));
    let start = short.and_then(|text| {
        text.get_item(PySlice::new(
            value.py(),
            0,
            SHOWN_CHARACTERS.cast_signed(),
            1,
        ))
        .ok()
    });
    let Ok(repr) = start.as_ref().unwrap_or(value).repr() else {
        return "a value without a repr".to_owned();
    };
    let repr = repr.to_string_lossy();
    let is_cut = start.is_some() || repr.chars().count() > SHOWN_CHARACTERS + 2;
    let text: String = repr.chars().take(SHOWN_CHARACTERS + 2).collect();
    if is_cut { format!("{text}…") } else { text }
}

/// An exception of `jupyter_sse.error`. Imported when first raised: the package need not be loaded before.
pub(crate) fn raise(py: Python<'_>, class: &str, message: String) -> PyErr {
    match py
        .import("jupyter_sse.error")
        .and_then(|module| module.getattr(class))
        .and_then(|class| Ok(class.cast_into::<PyType>()?))
    {
        Ok(class) => PyErr::from_type(class, message),
        Err(error) => error,
    }
}
