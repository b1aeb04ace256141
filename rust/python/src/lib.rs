//! The Python bindings of `jupyter_sse`: the compiled module `jupyter_sse._rust`. No logic lives here.
