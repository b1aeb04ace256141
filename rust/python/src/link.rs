//! `Link` and `Producer`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jupyter_sse_codec::{EndReason, MAX_EVENT_BYTES, RunKind};
use jupyter_sse_link::{
    Command, Gone, Link as CoreLink, LinkOptions, OpenError, Refusal, RequestError, SendError, Sent,
};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::event::ServerSentEvent;
use crate::field::{Fields, checked_name, raise};
use crate::value::{Alone, Value};

/// How long a wait may go on before Python can see a signal.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(100);

/// Adds the link to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Link>()?;
    module.add_class::<Producer>()
}

/// A kernel's connection to the hub.
#[pyclass(module = "jupyter_sse._rust", frozen)]
struct Link {
    inner: CoreLink,
}

#[pymethods]
impl Link {
    #[new]
    #[pyo3(signature = (path, kernel, label, *, max_unsent_bytes=64 << 20, overflow_after=30.0,
        max_event_bytes=MAX_EVENT_BYTES))]
    fn new(
        path: PathBuf,
        kernel: String,
        label: String,
        max_unsent_bytes: usize,
        overflow_after: f64,
        max_event_bytes: usize,
    ) -> PyResult<Self> {
        let shown = path.display().to_string();
        let mut options = LinkOptions::new(path, kernel, label);
        options.max_unsent_bytes = max_unsent_bytes;
        options.overflow_after = duration(overflow_after);
        options.max_event_bytes = max_event_bytes;
        CoreLink::start(options)
            .map(|inner| Self { inner })
            .map_err(|error| {
                PyOSError::new_err(format!("the link cannot start (path={shown:?}): {error}"))
            })
    }

    #[pyo3(signature = (name, kind, options="{}", timeout=1.0))]
    fn open(
        &self,
        name: &Bound<'_, PyAny>,
        kind: &str,
        options: &str,
        timeout: f64,
    ) -> PyResult<Producer> {
        let py = name.py();
        // Patterns and paths of visits are no names; the link knows what they are.
        let text = match kind {
            "route" | "visit" => name.extract()?,
            _ => checked_name(name)?,
        };
        let kind = RunKind::parse(kind)
            .filter(|kind| *kind != RunKind::Post)
            .ok_or_else(|| {
                let expected = "expected 'run', 'send', 'route' or 'visit'";
                PyValueError::new_err(format!("kind: {expected}, got {kind:?}"))
            })?;
        let timeout = duration(timeout);
        let opened = py
            .detach(|| self.inner.open(text, kind, options, timeout))
            .map_err(|error| not_opened(py, &error))?;
        Ok(Producer {
            link: self.inner.clone(),
            key: opened.key,
            run: opened.run,
            name: PyString::new(py, text).unbind(),
        })
    }

    #[pyo3(signature = (timeout=None))]
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let mark = self.inner.mark();
        let receipt = wait(py, timeout, |slice| {
            self.inner.wait_for_receipt(mark, Some(slice))
        })?;
        Ok(receipt == Some(true))
    }

    #[pyo3(signature = (body, timeout=5.0))]
    fn request(&self, py: Python<'_>, body: &str, timeout: f64) -> PyResult<(u16, String)> {
        let request = self
            .inner
            .ask(body)
            .map_err(|error| unanswered(py, &error))?;
        let mut last = RequestError::TimedOut { is_linked: false };
        let answer = wait(py, Some(timeout), |slice| {
            match self.inner.wait_for_answer(request, slice) {
                Err(error @ RequestError::TimedOut { .. }) => {
                    last = error;
                    None
                }
                outcome => Some(outcome),
            }
        });
        self.inner.forget_request(request);
        answer?
            .unwrap_or(Err(last))
            .map_err(|error| unanswered(py, &error))
    }

    #[pyo3(signature = (timeout=None))]
    fn next_command<'py>(
        &self,
        py: Python<'py>,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let timeout = timeout.map(duration);
        let Some(command) = py.detach(|| self.inner.next_command(timeout)) else {
            return Ok(None);
        };
        match command {
            Command::Stop { key } => ("stop", key).into_pyobject(py),
            Command::Refused { key, refusal } => {
                ("refused", key, refusal.message).into_pyobject(py)
            }
            Command::Begin {
                key,
                visit,
                request,
            } => ("begin", key, visit, request).into_pyobject(py),
            Command::Credit { key } => ("credit", key).into_pyobject(py),
            Command::Linked => ("linked",).into_pyobject(py),
            Command::Unlinked { reason } => ("unlinked", reason).into_pyobject(py),
            Command::Lost { key, count } => ("lost", key, count).into_pyobject(py),
        }
        .map(Some)
    }

    #[getter]
    fn linked(&self) -> bool {
        self.inner.is_linked()
    }

    fn server(&self) -> Option<String> {
        self.inner.server()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self
            .inner
            .stats()
            .ok_or_else(|| gone(py, Gone::Abandoned))?;
        let dict = PyDict::new(py);
        dict.set_item("linked", stats.is_linked)?;
        dict.set_item("links", stats.links)?;
        dict.set_item("queued_events", stats.queued_events)?;
        dict.set_item("lost_events", stats.lost_events)?;
        dict.set_item("unconfirmed_bytes", stats.unconfirmed_bytes)?;
        dict.set_item("unconfirmed_frames", stats.unconfirmed_frames)?;
        Ok(dict)
    }

    #[pyo3(signature = (timeout=1.0))]
    fn close(&self, py: Python<'_>, timeout: f64) -> bool {
        let timeout = duration(timeout);
        py.detach(|| self.inner.close(timeout))
    }

    fn abandon(&self) {
        self.inner.abandon();
    }
}

/// One stream that is open for sending.
#[pyclass(module = "jupyter_sse._rust", frozen)]
struct Producer {
    link: CoreLink,
    #[pyo3(get)]
    key: u32,
    /// As confirmed when it was opened.
    run: Option<u32>,
    #[pyo3(get)]
    name: Py<PyString>,
}

#[pymethods]
impl Producer {
    #[getter]
    fn run(&self) -> Option<u32> {
        self.link.run_of(self.key).or(self.run)
    }

    #[pyo3(signature = (value, event=None, id=None, retry=None))]
    fn send<'py>(
        &self,
        value: &Bound<'py, PyAny>,
        event: Option<Bound<'py, PyAny>>,
        id: Option<Bound<'py, PyAny>>,
        retry: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let py = value.py();
        let value = match Alone::read(value)? {
            Some(alone) if event.is_none() && id.is_none() && retry.is_none() => {
                return self.put(py, &Fields::of_alone(&alone)?);
            }
            Some(alone) => alone.into(),
            None => Value::look_closer(value)?,
        };
        let value = value.with(event, id, retry);
        self.put(py, &Fields::of(&value)?)
    }

    #[pyo3(signature = (value))]
    fn offer(&self, value: &Bound<'_, PyAny>) -> PyResult<Option<ServerSentEvent>> {
        let py = value.py();
        let value = Value::read(value)?;
        let fields = Fields::of(&value)?;
        let is_queued = self.queue(py, &fields)? == Sent::Queued;
        Ok((!is_queued).then(|| fields.to_event(py)))
    }

    #[getter]
    fn credit(&self) -> i64 {
        self.link.credit(self.key).unwrap_or_default()
    }

    fn wait_for_credit(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        let settled = wait(py, Some(timeout), |slice| {
            self.link.wait_for_credit(self.key, slice).then_some(())
        })?;
        Ok(settled.is_some())
    }

    fn head(&self, py: Python<'_>, head: &str) -> PyResult<()> {
        self.link
            .head(self.key, head)
            .map_err(|error| self.not_sent(py, &error))
    }

    #[pyo3(signature = (reason, error=None))]
    fn end(&self, py: Python<'_>, reason: &str, error: Option<&str>) -> PyResult<()> {
        let reason = EndReason::parse(reason).ok_or_else(|| {
            let expected = "expected 'done', 'stopped', 'error', 'lost' or 'refused'";
            PyValueError::new_err(format!("reason: {expected}, got {reason:?}"))
        })?;
        match self.link.end(self.key, reason, error.unwrap_or_default()) {
            // Whoever cleans up need not know who else did.
            Ok(()) | Err(SendError::NotOpen | SendError::Gone(_)) => Ok(()),
            Err(error) => Err(self.not_sent(py, &error)),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let run = self
            .run()
            .map_or_else(|| "unconfirmed".to_owned(), |run| format!("run {run}"));
        format!(
            "<Producer of {:?}, {run}>",
            self.name.bind(py).to_string_lossy()
        )
    }
}

impl Producer {
    /// Queues one event, and waits while there is no room for it.
    #[inline]
    fn put(&self, py: Python<'_>, fields: &Fields<'_>) -> PyResult<()> {
        while let Sent::Full { bytes } = self.queue(py, fields)? {
            self.wait_for_room(py, bytes)?;
        }
        Ok(())
    }

    #[inline]
    fn queue(&self, py: Python<'_>, fields: &Fields<'_>) -> PyResult<Sent> {
        fields.check_size(py, self.link.max_event_bytes())?;
        let body = |out: &mut Vec<u8>| fields.encode_body(out);
        self.link
            .send(self.key, fields.event, fields.id.as_deref(), body)
            .map_err(|error| self.not_sent(py, &error))
    }

    /// Rests once, until there may be room or a signal has to be looked for.
    #[cold]
    fn wait_for_room(&self, py: Python<'_>, bytes: usize) -> PyResult<()> {
        py.detach(|| self.link.wait_for_room(bytes, SIGNAL_INTERVAL));
        py.check_signals()
    }

    #[cold]
    fn not_sent(&self, py: Python<'_>, error: &SendError) -> PyErr {
        match error {
            SendError::NotOpen => {
                let name = self.name.bind(py).to_string_lossy();
                raise(
                    py,
                    "StreamEndedError",
                    format!("the producer of the stream {name:?} has ended; open it again"),
                )
            }
            SendError::Refused(refusal) => refused(py, refusal),
            SendError::TooLarge { .. } => raise(
                py,
                "EventTooLargeError",
                format!("error: {error}; shorten it"),
            ),
            SendError::Gone(reason) => gone(py, *reason),
        }
    }
}

/// Calls `attempt` for slices of the time, without the GIL, until it gives something; signals are seen between them.
/// `None`: the time is over.
fn wait<T: Send>(
    py: Python<'_>,
    timeout: Option<f64>,
    mut attempt: impl FnMut(Duration) -> Option<T> + Send,
) -> PyResult<Option<T>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(duration(timeout)));
    loop {
        let left = deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if let Some(found) = py.detach(|| attempt(left.min(SIGNAL_INTERVAL))) {
            return Ok(Some(found));
        }
        py.check_signals()?;
        if left <= SIGNAL_INTERVAL {
            return Ok(None);
        }
    }
}

/// Seconds as Python gives them. Less than nothing is nothing: what is left of a deadline may be.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

fn not_opened(py: Python<'_>, error: &OpenError) -> PyErr {
    match error {
        OpenError::Refused(refusal) => refused(py, refusal),
        OpenError::Gone(reason) => gone(py, *reason),
        OpenError::Pattern(_) => raise(py, "StreamNameError", format!("pattern: {error}")),
        OpenError::Name(_) => raise(py, "StreamNameError", format!("name: {error}")),
        OpenError::TooLarge { .. } => raise(
            py,
            "LinkError",
            format!("options: {error}; give shorter ones"),
        ),
        OpenError::Full => raise(
            py,
            "LinkError",
            format!("{error}; wait until a server is linked"),
        ),
    }
}

fn unanswered(py: Python<'_>, error: &RequestError) -> PyErr {
    match error {
        RequestError::Gone(reason) => gone(py, *reason),
        RequestError::TimedOut { is_linked: true } => {
            raise(py, "LinkError", format!("{error}; try again"))
        }
        RequestError::TimedOut { is_linked: false } => raise(
            py,
            "LinkError",
            format!("{error}; try again when the Jupyter server is back"),
        ),
        RequestError::TooLarge { .. } => raise(py, "LinkError", error.to_string()),
    }
}

fn refused(py: Python<'_>, refusal: &Refusal) -> PyErr {
    let class = match refusal.reason.as_str() {
        "owned" => "OwnedError",
        "invalid" => "StreamNameError",
        "limit" => "LimitError",
        "gone" => "ReaderGoneError",
        _ => "LinkError",
    };
    raise(py, class, refusal.message.clone())
}

fn gone(py: Python<'_>, reason: Gone) -> PyErr {
    raise(py, "LinkError", format!("{reason}; open the stream anew"))
}
