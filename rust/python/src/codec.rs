//! `encode`, `Decoder` and `check_name`.

use std::cell::RefCell;
use std::ptr;

use jupyter_sse_codec::{self as codec, DecodedEvent, MAX_EVENT_BYTES, MAX_ID_BYTES, encode_head};
use pyo3::PyTypeInfo;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMemoryView, PyString};

use crate::event::ServerSentEvent;
use crate::field::{Fields, checked_name, raise};
use crate::value::{Alone, Value};

/// What a thread keeps of [`BLOCK`], in bytes.
const KEPT_BYTES: usize = 64 * 1024;

/// Adds the codec to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ServerSentEvent>()?;
    module.add_class::<Decoder>()?;
    module.add_function(wrap_pyfunction!(encode, module)?)?;
    module.add_function(wrap_pyfunction!(read, module)?)?;
    module.add_function(wrap_pyfunction!(check_name, module)?)?;
    module.add("MAX_EVENT_BYTES", MAX_EVENT_BYTES)?;
    module.add("MAX_ID_BYTES", MAX_ID_BYTES)
}

thread_local! {
    /// Where [`encode`] writes a block, to know its length before it makes the bytes of it.
    static BLOCK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Encode a value as one block of an event stream, the blank line included.
///
/// Args:
///     value: As for a yield.
///     max_event_bytes: The most that its data, retry and comment lines may take.
///
/// Raises:
///     EncodeError: A field of it cannot be sent.
///     EventTooLargeError: It takes more than `max_event_bytes`.
#[allow(clippy::doc_markdown, reason = "Python's help() shows it as it is")]
#[pyfunction]
#[pyo3(signature = (value, *, max_event_bytes=MAX_EVENT_BYTES))]
fn encode<'py>(value: &Bound<'py, PyAny>, max_event_bytes: usize) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let Some(alone) = Alone::read(value)? else {
        let value = Value::look_closer(value)?;
        let fields = Fields::of(&value)?;
        fields.check_size(py, max_event_bytes)?;
        return Ok(block(py, &fields));
    };
    let fields = Fields::of_alone(&alone)?;
    fields.check_size(py, max_event_bytes)?;
    // Most blocks are one line. How long that is is known before, which spares it a copy.
    match fields.as_line() {
        Some(parts) => join(py, parts),
        None => Ok(block(py, &fields)),
    }
}

/// The block of checked fields.
fn block<'py>(py: Python<'py>, fields: &Fields<'_>) -> Bound<'py, PyBytes> {
    BLOCK.with_borrow_mut(|block| {
        block.clear();
        encode_head(block, fields.event, fields.id.as_deref());
        fields.encode_body(block);
        let bytes = PyBytes::new(py, block);
        block.shrink_to(KEPT_BYTES);
        bytes
    })
}

/// The parts back to back.
#[inline]
fn join<'py>(py: Python<'py>, parts: [&[u8]; 3]) -> PyResult<Bound<'py, PyBytes>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // SAFETY: Python is attached. It makes bytes of this length, whose content is not set yet and nobody else knows: all of
    // it is written here, by parts that lie elsewhere. A slice is never longer than `isize` can tell.
    #[allow(
        unsafe_code,
        reason = "PyO3 would fill the bytes with zeros first, which costs as much as the copy"
    )]
    unsafe {
        let bytes = ffi::PyBytes_FromStringAndSize(ptr::null(), length.cast_signed());
        let bytes = Bound::from_owned_ptr_or_err(py, bytes)?.cast_into_unchecked::<PyBytes>();
        let mut place = ffi::PyBytes_AsString(bytes.as_ptr()).cast::<u8>();
        for part in parts {
            ptr::copy_nonoverlapping(part.as_ptr(), place, part.len());
            place = place.add(part.len());
        }
        Ok(bytes)
    }
}

/// The event that a value is, checked and encoded: sent later, it is what the value would be now.
#[pyfunction]
#[pyo3(signature = (value, /))]
fn read(value: &Bound<'_, PyAny>) -> PyResult<ServerSentEvent> {
    Ok(Fields::of(&Value::read(value)?)?.to_event(value.py()))
}

#[pyfunction]
fn check_name(name: &Bound<'_, PyAny>) -> PyResult<()> {
    checked_name(name).map(drop)
}

/// The incremental decoder.
#[pyclass(module = "jupyter_sse")]
struct Decoder {
    inner: codec::Decoder,
    /// The type of the last event: most streams have few, so most events share one object.
    event: (String, Py<PyString>),
}

#[pymethods]
impl Decoder {
    #[new]
    #[pyo3(signature = (max_event_bytes=MAX_EVENT_BYTES))]
    fn new(py: Python<'_>, max_event_bytes: usize) -> Self {
        let event = (
            String::from("message"),
            PyString::new(py, "message").unbind(),
        );
        Self {
            inner: codec::Decoder::new(max_event_bytes),
            event,
        }
    }

    fn feed<'py>(
        &mut self,
        py: Python<'py>,
        chunk: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyList>> {
        if let Ok(bytes) = chunk.cast::<PyBytes>() {
            return self.feed_bytes(py, bytes.as_bytes());
        }
        // A bytearray could be changed while events are made of it, so other buffers are copied.
        let copy = PyBytes::type_object(py)
            .call1((PyMemoryView::from(chunk)?,))?
            .cast_into::<PyBytes>()?;
        self.feed_bytes(py, copy.as_bytes())
    }

    fn reset(&mut self) {
        self.inner.reset();
    }

    #[getter]
    fn last_event_id(&self) -> &str {
        self.inner.last_event_id()
    }

    #[getter]
    fn reconnection_time(&self) -> Option<u64> {
        self.inner.reconnection_time()
    }
}

impl Decoder {
    fn feed_bytes<'py>(&mut self, py: Python<'py>, chunk: &[u8]) -> PyResult<Bound<'py, PyList>> {
        let mut events = Vec::new();
        let (inner, last) = (&mut self.inner, &mut self.event);
        let mut failure = None;
        let result = inner.feed(chunk, |event| match to_python(py, &event, last) {
            Ok(event) => events.push(event),
            Err(error) => failure = Some(error),
        });
        if let Some(error) = failure {
            return Err(error);
        }
        match result {
            // The events before the error come first; the next call raises, because the decoder stays as it is.
            Err(error) if events.is_empty() => Err(raise(py, "DecodeError", error.to_string())),
            _ => PyList::new(py, events),
        }
    }
}

fn to_python(
    py: Python<'_>,
    event: &DecodedEvent<'_>,
    last: &mut (String, Py<PyString>),
) -> PyResult<Py<ServerSentEvent>> {
    if last.0 != event.event {
        *last = (
            event.event.to_owned(),
            PyString::new(py, event.event).unbind(),
        );
    }
    let data = PyString::new(py, event.data).unbind();
    let id = PyString::new(py, event.id).unbind();
    Py::new(py, ServerSentEvent::decoded(last.1.clone_ref(py), data, id))
}
