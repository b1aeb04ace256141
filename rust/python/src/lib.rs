//! The Python bindings of `jupyter_sse`: the compiled module `jupyter_sse._rust`. No logic lives here.
//!
//! `jupyter_sse/_rust.pyi` is the manual of what Python sees.

use pyo3::prelude::*;

mod codec;
mod event;
mod field;
mod hub;
mod link;
mod publication;

#[pymodule]
fn _rust(module: &Bound<'_, PyModule>) -> PyResult<()> {
    codec::register(module)?;
    hub::register(module)?;
    link::register(module)
}
