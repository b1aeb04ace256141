//! `Hub` and `Subscription`.

use std::sync::Mutex;
use std::time::Duration;

use jupyter_sse_codec::MAX_EVENT_BYTES;
use jupyter_sse_hub::{
    Guest, HistoryBounds, Hub as CoreHub, HubOptions, Query, Refusal, Socket,
    Subscription as CoreSubscription, Wants,
};
use pyo3::exceptions::{PyKeyError, PyOSError, PyPermissionError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::field::raise;
use crate::publication::Publication;

/// Adds the hub to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Hub>()?;
    module.add_class::<Publication>()?;
    module.add_class::<Subscription>()
}

pub(crate) fn refused(py: Python<'_>, refusal: &Refusal) -> PyErr {
    let class = match refusal {
        Refusal::Name(_) => "StreamNameError",
        Refusal::Unknown(_) => "UnknownStreamError",
        Refusal::Owned(_) => "OwnedError",
        Refusal::Limit(_) => "LimitError",
        Refusal::Ended | Refusal::Over(_) => "StreamEndedError",
        Refusal::Late(_) => "SequenceError",
        Refusal::Gone => "ReaderGoneError",
        Refusal::Large(_) => "RequestTooLargeError",
    };
    raise(py, class, refusal.to_string())
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        PyValueError::new_err(format!("{name}: expected seconds, 0 or more, got {value}"))
    })
}

/// A subscriber whose cursors are fixed and that nobody carries yet.
#[pyclass(module = "jupyter_sse._rust")]
struct Subscription {
    inner: Mutex<Option<CoreSubscription>>,
    hub: Py<Hub>,
    #[pyo3(get)]
    connection: String,
    #[pyo3(get)]
    visits: Vec<u64>,
}

#[pymethods]
impl Subscription {
    /// What generators have begun for it ends, unless somebody carries it.
    fn forget(&self) {
        if let Ok(inner) = self.take() {
            self.hub.get().inner.forget(inner);
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Subscription {
    fn take(&self) -> PyResult<CoreSubscription> {
        let mut inner = self
            .inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        inner.take().ok_or_else(|| {
            PyValueError::new_err("subscription: it has been attached already; subscribe again")
        })
    }
}

/// The streams of one server.
#[pyclass(module = "jupyter_sse._rust", frozen)]
struct Hub {
    inner: CoreHub,
    link_path: Option<String>,
}

#[pymethods]
impl Hub {
    #[new]
    #[pyo3(signature = (*, link_path=None, url=String::new(), history_events=10_000, history_bytes=16 << 20,
        history_seconds=None, live_window_bytes=8 << 20, max_total_bytes=1 << 30, max_event_bytes=MAX_EVENT_BYTES,
        max_streams=10_000, ping_interval=15.0, reconnection_time=2000, ended_retention=86_400.0,
        max_connection_age=None, stall_timeout=Some(60.0), reactor_threads=1))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn new(
        link_path: Option<String>,
        url: String,
        history_events: u64,
        history_bytes: usize,
        history_seconds: Option<f64>,
        live_window_bytes: usize,
        max_total_bytes: usize,
        max_event_bytes: usize,
        max_streams: usize,
        ping_interval: f64,
        reconnection_time: u64,
        ended_retention: f64,
        max_connection_age: Option<f64>,
        stall_timeout: Option<f64>,
        reactor_threads: usize,
    ) -> PyResult<Self> {
        let age = history_seconds
            .map(|value| seconds("history_seconds", value))
            .transpose()?;
        let options = HubOptions {
            link_path: link_path.as_ref().map(Into::into),
            url,
            history: HistoryBounds {
                events: history_events,
                bytes: history_bytes,
                age,
            },
            live_window_bytes,
            max_total_bytes,
            max_event_bytes,
            max_streams,
            ping_interval: seconds("ping_interval", ping_interval)?,
            reconnection_time: Duration::from_millis(reconnection_time),
            ended_retention: seconds("ended_retention", ended_retention)?,
            stall_timeout: stall_timeout
                .filter(|value| *value != 0.0)
                .map(|value| seconds("stall_timeout", value))
                .transpose()?,
            reactor_threads,
            max_connection_age: max_connection_age
                .map(|value| seconds("max_connection_age", value))
                .transpose()?,
        };
        let inner = CoreHub::start(options).map_err(|error| {
            PyOSError::new_err(format!(
                "the hub cannot start (link_path={link_path:?}): {error}"
            ))
        })?;
        Ok(Self { inner, link_path })
    }

    #[getter]
    fn epoch(&self) -> String {
        self.inner.epoch()
    }

    #[getter]
    fn link_path(&self) -> Option<&str> {
        self.link_path.as_deref()
    }

    fn set_url(&self, url: &str) {
        self.inner.set_url(url);
    }

    #[pyo3(signature = (streams, *, single, last_event_id=None, control=false, positions=false, wait=false,
        latest_when_slow=false, conflate=None, user=String::new(), address=String::new(), token=None, request=None))]
    #[expect(
        clippy::too_many_arguments,
        clippy::fn_params_excessive_bools,
        reason = "keyword arguments of Python"
    )]
    fn subscribe(
        slf: &Bound<'_, Self>,
        streams: Vec<String>,
        single: bool,
        last_event_id: Option<String>,
        control: bool,
        positions: bool,
        wait: bool,
        latest_when_slow: bool,
        conflate: Option<f64>,
        user: String,
        address: String,
        token: Option<String>,
        request: Option<String>,
    ) -> PyResult<Subscription> {
        let py = slf.py();
        let hub = slf.get();
        let conflate = conflate
            .map(|value| seconds("conflate", value))
            .transpose()?;
        let wants = Wants {
            single,
            control,
            positions,
            exact_times: false,
            passing: false,
            latest_when_slow,
        };
        let query = Query {
            streams,
            last_event_id,
            wait,
            request,
            wants,
            conflate,
            guest: Guest { user, address },
            token,
        };
        let inner = py
            .detach(|| hub.inner.subscribe(query))
            .map_err(|refusal| refused(py, &refusal))?;
        Ok(Subscription {
            connection: inner.connection.to_string(),
            visits: inner.visits().to_vec(),
            inner: Mutex::new(Some(inner)),
            hub: slf.clone().unbind(),
        })
    }

    #[cfg(unix)]
    fn begun_fileno(&self) -> i32 {
        self.inner.begun_fileno()
    }

    fn take_begun(&self) -> Vec<(u64, &'static str, String)> {
        let begun = self.inner.take_begun().into_iter();
        let told = begun.map(|it| {
            let kind = if it.is_refused { "refused" } else { "ready" };
            (it.visit, kind, it.payload)
        });
        told.collect()
    }

    fn routes(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.routes().to_string())
    }

    fn can_be_read(&self, name: &str) -> bool {
        self.inner.can_be_read(name)
    }

    #[cfg(unix)]
    fn attach(&self, subscription: &Subscription, fd: i32, head: &[u8]) -> PyResult<()> {
        let socket = Socket::take(fd)?;
        self.inner
            .attach(subscription.take()?, socket, head.to_vec());
        Ok(())
    }

    fn portable(&self, subscription: &Subscription, head: &[u8]) -> PyResult<u64> {
        Ok(self
            .inner
            .attach_portable(subscription.take()?, head.to_vec()))
    }

    #[cfg(unix)]
    fn portable_fileno(&self) -> i32 {
        self.inner.portable_fileno()
    }

    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let pieces = py.detach(|| self.inner.drain());
        let list = PyList::empty(py);
        // Readers at the same place share one object, as they share the bytes behind it.
        let mut newest: Option<(*const u8, Bound<'py, PyBytes>)> = None;
        for piece in pieces {
            let bytes = match &newest {
                Some((start, bytes)) if *start == piece.bytes.as_ptr() => bytes.clone(),
                _ => PyBytes::new(py, &piece.bytes),
            };
            newest = Some((piece.bytes.as_ptr(), bytes.clone()));
            list.append((piece.id, bytes, piece.closes))?;
        }
        Ok(list)
    }

    fn drained(&self, id: u64) {
        self.inner.drained(id);
    }

    fn let_go(&self) {
        self.inner.let_portable_go();
    }

    fn took(&self, id: u64) {
        self.inner.note_taken(id);
    }

    fn detach(&self, id: u64) {
        self.inner.detach_portable(id);
    }

    #[pyo3(signature = (name, media_type, *, user="", producer=None))]
    fn publication(
        &self,
        name: &Bound<'_, PyAny>,
        media_type: &str,
        user: &str,
        producer: Option<(String, u64)>,
    ) -> PyResult<Publication> {
        Publication::begin(&self.inner, name, media_type, user, producer)
    }

    fn streams(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.streams().to_string())
    }

    #[pyo3(signature = (user=None))]
    fn readers(&self, py: Python<'_>, user: Option<&str>) -> PyResult<String> {
        let readers = py.detach(|| self.inner.readers(user));
        Ok(readers?)
    }

    fn stream_with_backlog(&self, py: Python<'_>, name: &str) -> PyResult<Option<String>> {
        let described = py.detach(|| self.inner.stream_with_backlog(name))?;
        Ok(described.map(|stream| stream.to_string()))
    }

    fn stream(&self, py: Python<'_>, name: &str) -> Option<String> {
        py.detach(|| self.inner.stream(name).map(|stream| stream.to_string()))
    }

    fn end(&self, py: Python<'_>, name: &str) -> bool {
        py.detach(|| self.inner.end(name).is_ok())
    }

    #[expect(clippy::needless_pass_by_value, reason = "as they come from Python")]
    fn change(
        &self,
        py: Python<'_>,
        connection: &str,
        user: &str,
        add: Vec<String>,
        remove: Vec<String>,
    ) -> PyResult<()> {
        match self.inner.connection_user(connection) {
            None => Err(PyKeyError::new_err(format!(
                "no connection {connection:?} on this server"
            ))),
            Some(owner) if owner != user => Err(PyPermissionError::new_err(
                "the connection belongs to another user",
            )),
            Some(_) => self
                .inner
                .change(connection, &add, &remove)
                .map_err(|refusal| refused(py, &refusal)),
        }
    }

    #[pyo3(signature = (user=None))]
    fn connections(&self, user: Option<&str>) -> usize {
        self.inner.connections(user)
    }

    fn connections_from(&self, address: &str) -> usize {
        self.inner.connections_from(address)
    }

    #[pyo3(signature = (name, seconds=86_400.0))]
    #[pyo3(name = "token")]
    fn issue_token(&self, py: Python<'_>, name: &str, seconds: f64) -> PyResult<String> {
        let life = self::seconds("seconds", seconds)?;
        self.inner
            .issue_token(name, life)
            .map_err(|refusal| refused(py, &refusal))
    }

    fn check_token(&self, token: &str, name: &str) -> bool {
        self.inner.check_token(token, name)
    }

    fn revoke_tokens(&self, py: Python<'_>, name: &str) -> PyResult<usize> {
        py.detach(|| self.inner.revoke_tokens(name))
            .map_err(|refusal| refused(py, &refusal))
    }

    fn metrics(&self, py: Python<'_>) -> String {
        py.detach(|| self.inner.metrics().to_string())
    }

    #[pyo3(signature = (timeout=1.0))]
    fn close(&self, py: Python<'_>, timeout: f64) -> PyResult<()> {
        let patience = seconds("timeout", timeout)?;
        py.detach(|| self.inner.close(patience));
        Ok(())
    }
}
