//! `ServerSentEvent`: one event as Python sees it.

use pyo3::basic::CompareOp;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString, PyTuple, PyType};

use crate::field::{extract_event, extract_id, extract_retry, extract_text, refuse};

const FIELDS: [&str; 5] = ["data", "event", "id", "retry", "comment"];

/// One server-sent event.
#[pyclass(frozen, module = "jupyter_sse")]
pub(crate) struct ServerSentEvent {
    #[pyo3(get)]
    data: Py<PyAny>,
    #[pyo3(get)]
    event: Option<Py<PyString>>,
    #[pyo3(get)]
    id: Option<Py<PyString>>,
    #[pyo3(get)]
    retry: Option<u64>,
    #[pyo3(get)]
    comment: Option<Py<PyString>>,
}

impl ServerSentEvent {
    /// An event off the wire, where every type and id is possible.
    pub(crate) fn decoded(event: Py<PyString>, data: Py<PyString>, id: Py<PyString>) -> Self {
        Self {
            data: data.into_any(),
            event: Some(event),
            id: Some(id),
            retry: None,
            comment: None,
        }
    }

    /// An event of fields that were checked.
    pub(crate) fn checked(
        data: Py<PyAny>,
        event: Option<Py<PyString>>,
        id: Option<Py<PyString>>,
        retry: Option<u64>,
        comment: Option<Py<PyString>>,
    ) -> Self {
        Self {
            data,
            event,
            id,
            retry,
            comment,
        }
    }

    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        (&self.data, &self.event, &self.id, self.retry, &self.comment).into_pyobject(py)
    }
}

#[pymethods]
impl ServerSentEvent {
    #[classattr]
    fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, FIELDS)
    }

    #[new]
    #[pyo3(signature = (data=None, *, event=None, id=None, retry=None, comment=None))]
    fn new(
        py: Python<'_>,
        data: Option<&Bound<'_, PyAny>>,
        event: Option<&Bound<'_, PyAny>>,
        id: Option<&Bound<'_, PyAny>>,
        retry: Option<&Bound<'_, PyAny>>,
        comment: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        data.map_or(Ok(()), check_data)?;
        let text = |text: &str| PyString::new(py, text).unbind();
        Ok(Self {
            data: data.map_or_else(|| py.None(), |data| data.clone().unbind()),
            event: event.map(extract_event).transpose()?.map(text),
            id: id.map(extract_id).transpose()?.map(|id| text(&id)),
            retry: retry.map(extract_retry).transpose()?,
            comment: comment
                .map(|comment| extract_text("comment", comment))
                .transpose()?
                .map(text),
        })
    }

    /// Rebuilds an event of any origin, unchecked: what pickle and copy call.
    #[staticmethod]
    fn _restore(
        data: Py<PyAny>,
        event: Option<Py<PyString>>,
        id: Option<Py<PyString>>,
        retry: Option<u64>,
        comment: Option<Py<PyString>>,
    ) -> Self {
        Self::checked(data, event, id, retry, comment)
    }

    /// Data may lead back to its event; the containers on that way can be cleared, the event need not.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.data)
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let restore = PyType::new::<Self>(py).getattr("_restore")?;
        Ok((restore, self.fields(py)?))
    }

    fn __richcmp__<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        match other.cast::<Self>() {
            Ok(other) if matches!(op, CompareOp::Eq | CompareOp::Ne) => {
                self.fields(py)?.rich_compare(other.get().fields(py)?, op)
            }
            _ => Ok(py.NotImplemented().into_bound(py)),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.fields(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut shown = Vec::new();
        for (name, value) in FIELDS.into_iter().zip(self.fields(py)?) {
            if !value.is_none() {
                shown.push(format!("{name}={}", value.repr()?.to_string_lossy()));
            }
        }
        Ok(format!("ServerSentEvent({})", shown.join(", ")))
    }
}

/// Data of other types becomes JSON when it is sent; these two would fail there, far from where they came in.
fn check_data(data: &Bound<'_, PyAny>) -> PyResult<()> {
    if data.is_instance_of::<PyString>() {
        extract_text("data", data)?;
    }
    let is_bytes = data.is_instance_of::<PyBytes>()
        || data.is_instance_of::<PyByteArray>()
        || data.is_instance_of::<PyMemoryView>();
    if is_bytes {
        return Err(refuse(
            "data",
            "text or a value that JSON knows",
            data,
            "make it text with .decode() or base64",
        ));
    }
    Ok(())
}
