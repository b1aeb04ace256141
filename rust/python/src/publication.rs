//! `Publication`: one POST whose body comes in pieces.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jupyter_sse_hub::{BodyErrorKind, Format, Hub, Publication as CorePublication, PublishError};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::field::{checked_name, raise};
use crate::hub::refused;

/// One POST whose body comes in pieces.
#[pyclass(module = "jupyter_sse._rust", frozen)]
pub(crate) struct Publication {
    /// Only ever taken without the GIL: it is held while the hub's lock is waited for.
    inner: Mutex<State>,
}

struct State {
    /// `None`: closed.
    core: Option<CorePublication>,
    /// What was said last, for then.
    report: String,
    published: u64,
    line: Option<u64>,
}

impl Publication {
    pub(crate) fn begin(
        hub: &Hub,
        name: &Bound<'_, PyAny>,
        media_type: &str,
        user: &str,
        producer: Option<(String, u64)>,
    ) -> PyResult<Self> {
        let py = name.py();
        let text = checked_name(name)?;
        let format = Format::parse(media_type).ok_or_else(|| {
            PyValueError::new_err(format!(
                "media_type: expected application/json, application/x-ndjson or text/event-stream, got {media_type:?}"
            ))
        })?;
        let begin = move || {
            let producer = producer.as_ref().map(|(id, first)| (id.as_str(), *first));
            hub.publication(text, format, user, producer)
        };
        let core = py.detach(begin).map_err(|refusal| refused(py, &refusal))?;
        Ok(Self {
            inner: Mutex::new(State {
                core: Some(core),
                report: String::new(),
                published: 0,
                line: None,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing with what is open.
    fn advance(
        &self,
        py: Python<'_>,
        step: impl FnOnce(&mut CorePublication) -> Result<(), PublishError> + Send,
    ) -> PyResult<()> {
        let outcome = py.detach(|| {
            let mut state = self.lock();
            let core = state.core.as_mut()?;
            let outcome = step(core);
            if let Err(PublishError::Body(error)) = &outcome {
                state.line = Some(error.line);
            }
            Some(outcome)
        });
        match outcome {
            None => Err(PyValueError::new_err(
                "publication: expected an open one, got a closed one; begin another",
            )),
            Some(Ok(())) => Ok(()),
            Some(Err(PublishError::Refused(refusal))) => Err(refused(py, &refusal)),
            Some(Err(PublishError::Body(error))) => {
                let class = match error.kind {
                    BodyErrorKind::Body => "DecodeError",
                    BodyErrorKind::Field => "EncodeError",
                    BodyErrorKind::TooLarge => "EventTooLargeError",
                };
                Err(raise(py, class, error.message))
            }
        }
    }
}

#[pymethods]
impl Publication {
    fn feed(&self, py: Python<'_>, chunk: &[u8]) -> PyResult<()> {
        self.advance(py, |core| core.feed(chunk))
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.advance(py, CorePublication::finish)
    }

    #[getter]
    fn published(&self, py: Python<'_>) -> u64 {
        py.detach(|| {
            let state = self.lock();
            state
                .core
                .as_ref()
                .map_or(state.published, CorePublication::published)
        })
    }

    #[getter]
    fn line(&self, py: Python<'_>) -> Option<u64> {
        py.detach(|| self.lock().line)
    }

    fn report(&self, py: Python<'_>) -> String {
        py.detach(|| {
            let state = self.lock();
            match &state.core {
                Some(core) => core.report().to_string(),
                None => state.report.clone(),
            }
        })
    }

    fn close(&self, py: Python<'_>) {
        py.detach(|| {
            let mut state = self.lock();
            if let Some(core) = state.core.take() {
                state.report = core.report().to_string();
                state.published = core.published();
            }
        });
    }
}
