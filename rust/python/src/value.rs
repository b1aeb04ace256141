//! What a program yields, sends or encodes, read as the fields of an event.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFloat, PyInt, PyList, PyString};

use crate::json::encode_json;

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
    /// Reads a value as an event. Most are text, or a dict that is data: only others are left to `jupyter_sse.encoding`.
    #[inline]
    pub(crate) fn read(value: &Bound<'py, PyAny>) -> PyResult<Self> {
        let data = if value.is_exact_instance_of::<PyString>() {
            value.clone()
        } else if is_data(value)? {
            encode_json(value)?.into_any()
        } else {
            return Self::read_other(value);
        };
        Ok(Self {
            data: Some(data),
            ..Self::default()
        })
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

    fn read_other(value: &Bound<'py, PyAny>) -> PyResult<Self> {
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
