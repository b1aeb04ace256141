//! JSON in one line: by `orjson`, and by `jupyter_sse.plain` where that refuses or errs.

use std::ptr;

use memchr::{memchr, memmem};
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict};

/// Adds what `jupyter_sse.encoding` and `jupyter_sse.plain` need of it to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_json, module)?)?;
    module.add_function(wrap_pyfunction!(may_hide_nat, module)?)
}

/// What is needed for every event, looked up once.
struct Json {
    /// `orjson.dumps`.
    dumps: Py<PyAny>,
    /// Its hook for values that it does not know.
    replace: Py<PyAny>,
    /// Its option to look for `NumPy`'s values.
    with_numpy: Py<PyAny>,
    /// `sys.modules`.
    modules: Py<PyDict>,
}

static JSON: PyOnceLock<Json> = PyOnceLock::new();

impl Json {
    #[inline]
    fn get(py: Python<'_>) -> PyResult<&Self> {
        match JSON.get(py) {
            Some(found) => Ok(found),
            None => JSON.get_or_try_init(py, || Self::look_up(py)),
        }
    }

    /// Calls `dumps`.
    #[inline]
    fn dump<'py>(&self, value: &Bound<'py, PyAny>, has_numpy: bool) -> PyResult<Bound<'py, PyAny>> {
        let option = if has_numpy {
            self.with_numpy.as_ptr()
        } else {
            ptr::null_mut()
        };
        // SAFETY: Python is attached, all pointers are of objects that live meanwhile, and null ends the arguments. What is
        // returned is a new reference, or null where an error is set.
        #[allow(
            unsafe_code,
            reason = "PyO3 would make a tuple of the arguments, which costs a tenth of the call"
        )]
        unsafe {
            let dumped = ffi::PyObject_CallFunctionObjArgs(
                self.dumps.as_ptr(),
                value.as_ptr(),
                self.replace.as_ptr(),
                option,
                ptr::null_mut::<ffi::PyObject>(),
            );
            Bound::from_owned_ptr_or_err(value.py(), dumped)
        }
    }

    #[cold]
    fn look_up(py: Python<'_>) -> PyResult<Self> {
        let orjson = py.import("orjson")?;
        let modules = py.import("sys")?.getattr("modules")?;
        Ok(Self {
            dumps: orjson.getattr("dumps")?.unbind(),
            replace: plain(py)?.getattr("replace")?.unbind(),
            with_numpy: orjson.getattr("OPT_SERIALIZE_NUMPY")?.unbind(),
            modules: modules.cast_into::<PyDict>()?.unbind(),
        })
    }
}

/// Encodes a value as JSON in UTF-8, on one line; NaN, infinities and `NaT` become null.
///
/// Raises `EncodeError` for a value that holds something that JSON does not know; the message has its path.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub(crate) fn encode_json<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let json = Json::get(py)?;
    // Told to look for `NumPy`'s values, orjson would import it; before that import there are none.
    let has_numpy = json.modules.bind(py).contains(intern!(py, "numpy"))?;
    let encoded = match json.dump(value, has_numpy) {
        Ok(encoded) => encoded.cast_into::<PyBytes>()?,
        Err(error) if error.is_instance_of::<PyTypeError>(py) => {
            return by_plain("dump_slowly", py, (value, error.into_value(py)));
        }
        Err(error) => return Err(error),
    };
    if has_numpy && may_hide_nat(encoded.as_bytes()) {
        return by_plain("dump_plainly", py, (value,));
    }
    Ok(encoded)
}

/// What a function of `jupyter_sse.plain` makes of a value.
#[cold]
fn by_plain<'py>(
    function: &str,
    py: Python<'py>,
    args: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyBytes>> {
    let encoded = plain(py)?.getattr(function)?.call1(args)?;
    Ok(encoded.cast_into::<PyBytes>()?)
}

fn plain(py: Python<'_>) -> PyResult<Bound<'_, PyModule>> {
    py.import("jupyter_sse.plain")
}

/// Whether orjson may have written `NumPy`'s `NaT` as one of the times that it takes it for.
///
/// It reads `NaT` as the smallest number of nanoseconds, and of other units as 1970 by overflow.
#[pyfunction]
#[pyo3(signature = (encoded, /))]
fn may_hide_nat(encoded: &[u8]) -> bool {
    // One byte is sought faster than many, and no time stands in most events.
    memchr(b'T', encoded).is_some()
        && [
            &b"\"1677-09-21T00:12:43.145224"[..],
            b"\"1970-01-01T00:00:00",
        ]
        .iter()
        .any(|time| memmem::find(encoded, time).is_some())
}
