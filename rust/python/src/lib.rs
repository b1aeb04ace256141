//! The Python bindings of `jupyter_sse`: the compiled module `jupyter_sse._rust`. What they add is how a value of
//! Python's is read as an event.
//!
//! `jupyter_sse/_rust.pyi` is the manual of what Python sees.

use pyo3::prelude::*;

mod codec;
mod event;
mod field;
mod hub;
mod json;
mod link;
mod publication;
mod value;

#[pymodule]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    codec::register(module)?;
    hub::register(module)?;
    json::register(module)?;
    link::register(module)
}
