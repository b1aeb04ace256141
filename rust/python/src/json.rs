//! JSON in one line: by `orjson`, and by `jupyter_sse.plain` where that refuses or errs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{mem, ptr};

use memchr::{memchr, memmem};
use pyo3::call::PyCallArgs;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::{self, METH_FASTCALL, METH_KEYWORDS};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};

/// Adds what `jupyter_sse.encoding` and `jupyter_sse.plain` need of it to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(encode_json, module)?)?;
    module.add_function(wrap_pyfunction!(may_hide_nat, module)?)
}

/// What is needed for every event, looked up once.
struct Json {
    dumps: Dumps,
    /// The hook of `dumps` for values that it does not know.
    replace: Py<PyAny>,
    /// Its option to look for `NumPy`'s values.
    with_numpy: Py<PyAny>,
    modules: Modules,
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

    #[cold]
    fn look_up(py: Python<'_>) -> PyResult<Self> {
        let orjson = py.import("orjson")?;
        let modules = py.import("sys")?.getattr("modules")?;
        Ok(Self {
            dumps: Dumps::of(&orjson.getattr("dumps")?),
            replace: plain(py)?.getattr("replace")?.unbind(),
            with_numpy: orjson.getattr("OPT_SERIALIZE_NUMPY")?.unbind(),
            modules: Modules {
                modules: modules.cast_into::<PyDict>()?.unbind(),
                seen: AtomicUsize::new(0),
            },
        })
    }

    #[inline]
    fn dump<'py>(&self, value: &Bound<'py, PyAny>, has_numpy: bool) -> PyResult<Bound<'py, PyAny>> {
        let py = value.py();
        let (replace, with_numpy) = (self.replace.bind(py), self.with_numpy.bind(py));
        if has_numpy {
            self.dumps.call([value, replace, with_numpy])
        } else {
            self.dumps.call([value, replace])
        }
    }
}

/// `sys.modules`.
struct Modules {
    modules: Py<PyDict>,
    /// How many there were when `NumPy` was looked for, times two; one more where it was among them.
    seen: AtomicUsize,
}

impl Modules {
    /// Whether `NumPy` was imported. It is looked for where the number of modules is another than before, which is told
    /// sooner than that a name is not among them.
    #[inline]
    fn have_numpy(&self, py: Python<'_>) -> PyResult<bool> {
        let modules = self.modules.bind(py);
        let (count, seen) = (modules.len(), self.seen.load(Ordering::Relaxed));
        if seen / 2 == count {
            return Ok(seen % 2 == 1);
        }
        let have_numpy = modules.contains(intern!(py, "numpy"))?;
        self.seen
            .store(2 * count + usize::from(have_numpy), Ordering::Relaxed);
        Ok(have_numpy)
    }
}

/// `orjson.dumps`.
struct Dumps {
    object: Py<PyAny>,
    /// The C function that it is, and what that takes as `self`.
    function: Option<(ffi::PyCFunctionFastWithKeywords, Option<Py<PyAny>>)>,
}

#[allow(
    unsafe_code,
    reason = "PyO3 would make a tuple of the arguments, and the stable ABI of Python 3.11 has no call without detours"
)]
impl Dumps {
    fn of(dumps: &Bound<'_, PyAny>) -> Self {
        let function = dumps.cast_exact::<PyCFunction>().ok().and_then(|dumps| {
            // SAFETY: Python is attached, and it is a function of C. The flags say how that one is called, whatever the
            // type of the pointer is; `self` is borrowed from it, or null.
            unsafe {
                if ffi::PyCFunction_GetFlags(dumps.as_ptr()) != METH_FASTCALL | METH_KEYWORDS {
                    return None;
                }
                let function = ffi::PyCFunction_GetFunction(dumps.as_ptr())?;
                let function =
                    mem::transmute::<ffi::PyCFunction, ffi::PyCFunctionFastWithKeywords>(function);
                let owner = ffi::PyCFunction_GetSelf(dumps.as_ptr());
                Some((
                    function,
                    Bound::from_borrowed_ptr_or_opt(dumps.py(), owner).map(Bound::unbind),
                ))
            }
        });
        Self {
            object: dumps.clone().unbind(),
            function,
        }
    }

    #[inline]
    fn call<'py, const N: usize>(
        &self,
        arguments: [&Bound<'py, PyAny>; N],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = arguments[0].py();
        let Some((function, owner)) = &self.function else {
            return self.object.bind(py).call1(PyTuple::new(py, arguments)?);
        };
        let owner = owner.as_ref().map_or(ptr::null_mut(), Py::as_ptr);
        let pointers = arguments.map(Bound::as_ptr);
        // SAFETY: Python is attached, and the flags said that the function takes an array, its length and the names of
        // keywords, or null. `arguments` and `self` keep alive what the pointers are of. What is returned is a new
        // reference, or null where an error is set.
        unsafe {
            let dumped = function(owner, pointers.as_ptr(), N.cast_signed(), ptr::null_mut());
            Bound::from_owned_ptr_or_err(py, dumped)
        }
    }
}

/// Encodes a value as JSON in UTF-8, on one line; NaN, infinities and `NaT` become null.
///
/// Raises `EncodeError` for a value that holds something that JSON does not know; the message has its path.
#[pyfunction]
#[pyo3(signature = (value, /))]
#[inline]
pub(crate) fn encode_json<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let json = Json::get(py)?;
    // Told to look for `NumPy`'s values, orjson would import it; before that import there are none.
    let has_numpy = json.modules.have_numpy(py)?;
    let encoded = match json.dump(value, has_numpy) {
        Ok(encoded) => encoded.cast_into::<PyBytes>()?,
        Err(error) => return dump_slowly(value, error),
    };
    if has_numpy && may_hide_nat(encoded.as_bytes()) {
        return by_plain("dump_plainly", py, (value,));
    }
    Ok(encoded)
}

/// Encodes what orjson has refused.
#[cold]
fn dump_slowly<'py>(value: &Bound<'py, PyAny>, error: PyErr) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    if error.is_instance_of::<PyTypeError>(py) {
        by_plain("dump_slowly", py, (value, error.into_value(py)))
    } else {
        Err(error)
    }
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
