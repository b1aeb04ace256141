//! What a program yields, sends or encodes, read as the fields of an event.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use crate::json::encode_json;

/// A value that is the data of an event and nothing else of it, as most are.
pub(crate) enum Alone<'py> {
    Text(Bound<'py, PyString>),
    Json(Bound<'py, PyBytes>),
}

impl<'py> Alone<'py> {
    /// `None`: it needs a closer look, [`Value::look_closer`].
    #[allow(
        clippy::inline_always,
        reason = "left to itself, the compiler calls it, and `encode` of a small dict takes 6 % longer"
    )]
    #[inline(always)]
    pub(crate) fn read(value: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        Ok(if let Ok(text) = value.cast_exact::<PyString>() {
            Some(Self::Text(text.clone()))
        } else if is_data(value)? {
            Some(Self::Json(encode_json(value)?))
        } else {
            None
        })
    }
}

impl<'py> From<Alone<'py>> for Value<'py> {
    fn from(alone: Alone<'py>) -> Self {
        let data = match alone {
            Alone::Text(text) => text.into_any(),
            Alone::Json(json) => json.into_any(),
        };
        Self {
            data: Some(data),
            ..Self::default()
        }
    }
}

/// The fields of an event as Python has them, not checked yet. `None` is an absent field.
#[derive(Default)]
pub(crate) struct Value<'py> {
    /// Text, or bytes that are JSON.
    pub(crate) data: Option<Bound<'py, PyAny>>,
    pub(crate) event: Option<Bound<'py, PyAny>>,
    pub(crate) id: Option<Bound<'py, PyAny>>,
    pub(crate) retry: Option<Bound<'py, PyAny>>,
    pub(crate) comment: Option<Bound<'py, PyAny>>,
}

/// Data, event, id, retry and comment, as `jupyter_sse.encoding` gives them.
type Parts<'py> = (
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
    Option<Bound<'py, PyAny>>,
);

impl<'py> Value<'py> {
    /// Reads a value as an event. Only where it is no [`Alone`], `jupyter_sse.encoding` is asked.
    pub(crate) fn read(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        match Alone::read(value)? {
            Some(alone) => Ok(alone.into()),
            None => Self::look_closer(value),
        }
    }

    /// The same with the fields that are given instead of its own.
    #[inline]
    pub(crate) fn with(
        self,
        event: Option<Bound<'py, PyAny>>,
        id: Option<Bound<'py, PyAny>>,
        retry: Option<Bound<'py, PyAny>>,
    ) -> Self {
        Self {
            event: event.or(self.event),
            id: id.or(self.id),
            retry: retry.or(self.retry),
            ..self
        }
    }

    /// The same where it is known to be no [`Alone`].
    pub(crate) fn look_closer(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        static PARTS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let parts = PARTS.import(value.py(), "jupyter_sse.encoding", "parts")?;
        let (data, event, id, retry, comment) = parts.call1((value,))?.extract::<Parts<'_>>()?;
        Ok(Self {
            data,
            event,
            id,
            retry,
            comment,
        })
    }
}

/// Whether the value is an event's data and nothing else of it.
#[inline]
fn is_data(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        return Ok(!dict.contains(intern!(value.py(), "data"))?);
    }
    Ok(value.is_exact_instance_of::<PyFloat>()
        || value.is_exact_instance_of::<PyInt>()
        || value.is_exact_instance_of::<PyList>())
}
