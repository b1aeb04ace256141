"""The compiled module: the codec, the link of a kernel, the hub of a server. This stub is its manual."""

from os import PathLike
from typing import Any, Final, Literal, final

# --- the codec ----------------------------------------------------------------------------------------------------

MAX_EVENT_BYTES: Final[int]
"""What one event may take on the wire where nothing else was configured: 1 MiB."""

MAX_ID_BYTES: Final[int]
"""The longest id, in bytes of UTF-8: beyond it each cross-origin reconnection costs a preflight."""

@final
class ServerSentEvent:
    """One server-sent event; immutable, comparable, hashable if its data is, can be pickled.

    Yield it, or pass it to `Stream.send`, where a dict would be ambiguous. A `Decoder` makes it too; then
    `event` ("message" by default), `data` and `id` (the last event ID at dispatch) are text, and the others None.
    """

    __match_args__: Final = ("data", "event", "id", "retry", "comment")

    def __new__(
        cls,
        data: Any = None,
        *,
        event: str | None = None,
        id: str | int | None = None,  # noqa: A002 - the field's name on the wire
        retry: int | None = None,
        comment: str | None = None,
    ) -> ServerSentEvent:
        """Make an event of checked fields.

        Args:
            data: Text, or what becomes JSON when the event is sent. None is no data: such an event is not
                dispatched by its readers, it only carries its other fields.
            event: The type, one line that does not begin with "sse."; without it readers see "message".
            id: What a returning reader names to resume: one line of at most 128 bytes without control characters,
                and without a space at either end, as a header carries it; an int becomes its text. A stream gives an
                event without id, or with an empty one, its position.
            retry: The reconnection time that readers are told, in milliseconds.
            comment: Text that is seen in the raw stream only.

        Raises:
            EncodeError: A field cannot be sent; the message names it, shows the value and says what to do.
        """

    @property
    def data(self) -> Any: ...
    @property
    def event(self) -> str | None: ...
    @property
    def id(self) -> str | None: ...
    @property
    def retry(self) -> int | None: ...
    @property
    def comment(self) -> str | None: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Decoder:
    """An incremental decoder of one event stream, exact to WHATWG HTML 9.2.5 and 9.2.6.

    What it costs depends on the bytes, not on the number of chunks. It holds at most one event and one line, each
    of at most `max_event_bytes` and a few bytes more.

    Threads: one at a time; another that calls meanwhile gets a RuntimeError.
    """

    def __new__(cls, max_event_bytes: int = ...) -> Decoder: ...
    def feed(self, chunk: bytes | bytearray | memoryview) -> list[ServerSentEvent]:
        """Take the next bytes of the stream, cut anywhere.

        Returns:
            The events that they complete, in order.

        Raises:
            DecodeError: The data of an event, or another field, is longer than `max_event_bytes`. Events before it
                are returned first, by this call, and the next call raises. So does every call until `reset`.
            TypeError: The chunk is not bytes-like.
        """

    def reset(self) -> None:
        """Make ready for a new connection.

        An incomplete block and an error are forgotten; the last event ID and the reconnection time are kept.
        """

    @property
    def last_event_id(self) -> str:
        """What a reader names when it returns; empty where the stream set none."""

    @property
    def reconnection_time(self) -> int | None:
        """The last reconnection time that the stream set, in milliseconds."""

def encode(value: object, *, max_event_bytes: int = ...) -> bytes:
    """Encode a value as one block of an event stream, the blank line included.

    Args:
        value: As for a yield.
        max_event_bytes: The most that its data, retry and comment lines may take.

    Raises:
        EncodeError: A field of it cannot be sent.
        EventTooLargeError: It takes more than `max_event_bytes`.
    """

def encode_json(value: object, /) -> bytes:
    """Encode a value as JSON in UTF-8, on one line; NaN, infinities and NaT become null.

    Raises:
        EncodeError: It holds something that JSON does not know; the message has its path.
    """

def may_hide_nat(encoded: bytes, /) -> bool:
    """Whether orjson may have written NumPy's NaT as one of the times that it takes it for."""

def read(value: object, /) -> ServerSentEvent:
    """Return the event that a value is, checked and with its data as text: sent later, it is what the value is now.

    Raises:
        EncodeError: A field of it cannot be sent.
    """

def check_name(name: str) -> None:
    """Check the name of a stream: segments of `[A-Za-z0-9._~-]+` joined by `/`, none `.` or `..`, at most 200 bytes.

    Raises:
        StreamNameError: It is none; the message says which rule it breaks, and where.
    """

# --- the link -----------------------------------------------------------------------------------------------------

@final
class Link:
    """A process's two-way connection to the hub, and the thread that keeps it.

    Returns at once, whether or not a hub listens at `path`: the thread looks for it, first after 50 ms, then ever more
    rarely, every 2 s at last, and so again whenever the connection is lost. What is sent meanwhile waits, and nothing
    is sent twice or left out: what the hub has not confirmed is kept, and a hub that comes back gets exactly what it
    lacks; one that was started anew gets the open streams again and everything unconfirmed.

    The bound: where `max_unsent_bytes` are unconfirmed, `Producer.send` waits for room. Where no hub was ever there, or
    where nothing was confirmed for `overflow_after` seconds, the oldest events are dropped instead. They are counted,
    readers get an `sse.gap` in their place, and `next_command` tells it.

    Args:
        path: The hub's Unix socket.
        kernel: Who produces, the same for all processes of one kernel.
        label: What people call it.
        max_unsent_bytes: How many bytes of events may be unconfirmed, sent or not.
        overflow_after: Seconds.
        max_event_bytes: What the data, retry and comment lines of one event may take.

    Raises:
        OSError: No socket can have this path (about a hundred bytes are allowed), the system gives no thread or
            descriptor, or the platform has no Unix sockets.

    Threads: any, for every method. No method waits with the GIL. The waits of `flush`, `request` and
    `Producer.send` let signals through, so Ctrl-C interrupts them; `open`, `next_command` and `close` end in time.

    Forks: the child has a copy without a thread. It must call `abandon` before all else and make a link of its own.
    """

    def __new__(
        cls,
        path: str | PathLike[str],
        kernel: str,
        label: str,
        *,
        max_unsent_bytes: int = ...,
        overflow_after: float = 30.0,
        max_event_bytes: int = ...,
    ) -> Link: ...
    def open(
        self, name: str, kind: Literal["run", "send", "route", "visit"], options: str = "{}", timeout: float = 1.0
    ) -> Producer:
        """Open a stream for sending, or a route: a family of streams, each of whose readers gets a run of its own.

        Waits for the hub's word where one is linked or the first attempt is not over, else returns at once with
        `Producer.run` None; what is sent waits then. A refusal that comes later is a command of `next_command`.

        Args:
            name: The stream; of a route its pattern, such as `users/{user_id}`; of a visit the path of its request.
            kind: "run" starts a new run, ours alone; "send" joins this kernel's run of that kind or starts one. "route"
                takes readers, each of whom is told by `next_command` ("begin") and has to be answered at once by the
                "visit" that carries its run. Whoever opens a route of the same family again takes over those who read
                it: open the new one before the old one ends.
            options: JSON: history, ping_interval, view, origin; of a visit "visit", the number from "begin", and
                ping_interval.
            timeout: Seconds.

        Raises:
            StreamNameError: It is no name of a stream, or no pattern.
            OwnedError: Another kernel owns the stream's run, or the route; the message says which.
            ReaderGoneError: The reader of the visit has left.
            LimitError: The hub holds as many streams as it may.
            LinkError: The link is closed, or the options are longer than an event may be.
        """

    def flush(self, timeout: float | None = None) -> bool:
        """Wait for the hub's receipt for everything that was queued before the call.

        Events that are dropped meanwhile count as received, for readers are told of them.

        Returns:
            False: it did not come within `timeout` seconds (None: wait for ever), or the link is closed.
        """

    def request(self, body: str, timeout: float = 5.0) -> tuple[int, str]:
        """Ask the hub, past everything that is queued.

        A hub that comes back within the time is asked again, so requests should bear repetition.

        Args:
            body: JSON: `{"op": "list"}`, or "stream", "end", "token" or "revoke" with a "name".
            timeout: Seconds.

        Returns:
            The status, as in HTTP, and JSON.

        Raises:
            LinkError: No answer in time, or the link is closed.
        """

    def next_command(
        self, timeout: float | None = None
    ) -> (
        tuple[Literal["stop"], int]
        | tuple[Literal["begin"], int, int, str]
        | tuple[Literal["credit"], int]
        | tuple[Literal["refused"], int, str]
        | tuple[Literal["linked"]]
        | tuple[Literal["unlinked"], str]
        | tuple[Literal["lost"], int, int]
        | None
    ):
        """Wait for the next thing that the kernel should act on.

        Returns:
            `("stop", key)`: somebody wants this producer to end; of a visit, its reader has left.
            `("begin", key, visit, request)`: a reader of the route `key` has come. The request is JSON: `path`,
            `path_params`, `query` (name to values), `headers` (lower-case names), `user`, `address`, `last_event_id`,
            `connection`.
            `("credit", key)`: the reader of a visit that had none left has granted credit again, or for the first time.
            `("refused", key, message)`: the hub does not take this producer's events, of which `open` could not tell.
            `("linked",)`, `("unlinked", why)`: a hub is there, or gone. Of changes that nobody has asked for the last
            is told; a hub of another version is told as "unlinked", once.
            `("lost", key, count)`: so many events were dropped since the last such command about this producer.
            None: `timeout` seconds are over (None: wait for ever), or the link is closed and nothing is left.
        """

    @property
    def linked(self) -> bool:
        """Whether a hub is connected now."""

    def server(self) -> str | None:
        """Return what the last hub said of itself, JSON `{"url", "pid"}`; None before the first."""

    def stats(self) -> dict[str, int]:
        """Return the counters.

        Returns:
            `linked`, `links` (connections made), `queued_events` and `lost_events` (ever), `unconfirmed_bytes`,
            `unconfirmed_frames` (events, opens and ends).

        Raises:
            LinkError: The link is abandoned.
        """

    def close(self, timeout: float = 1.0) -> bool:
        """Take nothing more, wait at most `timeout` seconds until everything is received, and end the thread.

        Whoever waits in another method is let go. Producers are not ended: to the hub a process that closes its link
        without ending them is lost. A link that is dropped without `close` ends at once and loses what is queued.

        Returns:
            Whether everything was received.
        """

    def abandon(self) -> None:
        """Leave an inherited link alone: only for the child of a fork, before it uses anything of the link.

        Takes no lock (one may have been held at the moment of the fork, for ever), says nothing to the hub, and
        closes the child's copy of the socket: else the hub would not notice the parent's death. From then on
        the link and its producers raise LinkError, and dropping them does nothing.
        """

@final
class Producer:
    """One stream that is open for sending; what `Link.open` returns.

    Threads: any; events of one thread stay in order.
    """

    @property
    def key(self) -> int:
        """What `Link.next_command` calls it; no other producer of the link ever has the same."""

    @property
    def run(self) -> int | None:
        """The number of the run, once the hub has confirmed it; a hub that was started anew gives another."""

    @property
    def name(self) -> str:
        """The stream's name."""

    def send(
        self,
        value: object,
        event: str | None = None,
        id: str | int | None = None,  # noqa: A002 - the field's name on the wire
        retry: int | None = None,
    ) -> None:
        """Queue one event: encode it into the link's buffer, and wake the link's thread if it sleeps.

        Where the link is full, waits for room without the GIL; see `Link`.

        Args:
            value: As for a yield.
            event: The type, instead of the value's own.
            id: The producer's own id, instead of the value's; an int becomes its text; empty is none.
            retry: The reconnection time that readers are told, in milliseconds, instead of the value's.

        Raises:
            EncodeError: A field cannot be sent; the stream is as it was.
            EventTooLargeError: Data, retry and comment lines take more than `max_event_bytes`.
            StreamEndedError: `end` was called.
            OwnedError: The hub has refused the stream: another kernel owns its run. Other refusals are StreamNameError
                and LimitError.
            LinkError: The link is closed, or belongs to the process that this one was forked from.
        """

    def offer(self, value: object) -> ServerSentEvent | None:
        """Queue one event if there is room: what `send` does, for callers that must not wait.

        Returns:
            None where it is queued. Else the link is full, and this is the event, read and checked, to be sent later.
        """

    @property
    def credit(self) -> int:
        """How many bytes more the reader of a visit wants (each event counts its type, id and body, and 64 more).

        Rest at 0 and below: `send` takes what is sent all the same. Of other producers always 0.
        """

    def wait_for_credit(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until the reader of a visit wants more, or has left.

        Returns:
            False: neither has happened. True for all other producers.
        """

    def head(self, head: str) -> None:
        """Set headers of the response to the reader of a visit, before the first event.

        Args:
            head: JSON `{"headers": {name: value}}`.

        Raises:
            StreamEndedError, ReaderGoneError, LinkError: As of `send`.
        """

    def end(self, reason: Literal["done", "stopped", "error", "lost", "refused"], error: str | None = None) -> None:
        """End the producer, after everything that was sent. Does nothing where it has ended, or the link has.

        Args:
            reason: What readers are told if nobody else feeds the stream. "refused" is a visit's: before its first
                event its reader gets the error as the status of the response.
            error: JSON `{"type", "message"}`, where refused also `"status"` and perhaps `"headers"`.

        Raises:
            EventTooLargeError: `error` is longer than an event may be.
        """

# --- the hub ------------------------------------------------------------------------------------------------------

@final
class Subscription:
    """A reader with fixed cursors whom nobody carries yet: from `Hub.subscribe`, for `attach` or `portable`."""

    @property
    def connection(self) -> str:
        """The connection's name, for `Hub.change`; told to the reader in `sse.open`."""

    @property
    def visits(self) -> list[int]:
        """The runs of generators that have begun for this reader alone; `Hub.take_begun` says how."""

    def forget(self) -> None:
        """End the runs that have begun for it, unless somebody carries it. So does the end of its last reference."""

@final
class Publication:
    """One body on its way into a stream, from `Hub.publication`. It holds one event at most, however long the body is.

    Threads: any, one at a time.
    """

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes and publish the events that they complete.

        Raises:
            DecodeError: The body is not what its type says. This and all others: what came before is published,
                nothing may follow.
            EncodeError: A field of an event cannot be sent.
            EventTooLargeError: An event takes more than the hub's `max_event_bytes`.
            OwnedError: A kernel has taken the stream over.
            StreamEndedError: Somebody has ended the stream since the body's first event.
            SequenceError: An event comes after later ones of its producer.
            LimitError: The server holds as many streams as it may.
            ValueError: It is closed.
        """

    def finish(self) -> None:
        """Take the end of the body, which ends its last event too, and raises as `feed` does."""

    @property
    def published(self) -> int:
        """How many events are published."""

    @property
    def line(self) -> int | None:
        """The line of the body that was refused, from 1; of an event stream, the first of the refused event."""

    def report(self) -> str:
        """Return what the sender is told, JSON.

        Returns:
            `stream`; `count`, the events published; `first` and `last`, the positions of the body's first and last
            event, None where unknown; `duplicates`, those that had been published before; `lost`, the numbers left
            out; and `positions`, one for each event, where there are at most 1,000.
        """

    def close(self) -> None:
        """End it. What is incomplete is dropped; what is published stays."""

@final
class Hub:
    """The streams of one server, and the threads that carry them to their readers.

    No method waits for I/O or needs the GIL for its work; each holds the hub's lock for microseconds.

    Args:
        link_path: Where kernels come in, a Unix socket made with mode 0600; None: nowhere.
        url: What `%sse url` puts before `/sse/<name>`.
        history_events: The most events of a stream that newcomers get.
        history_bytes: The same in bytes.
        history_seconds: The same in seconds of age; None: no bound.
        live_window_bytes: What a stream keeps for connected readers beyond its history.
        max_total_bytes: What all streams together may hold; the largest gives way.
        max_event_bytes: The largest event.
        max_streams: The most streams; the one that ended first gives way.
        ping_interval: Seconds of silence before a keep-alive, where a stream sets none.
        reconnection_time: The middle of the `retry:` that readers are told, in milliseconds.
        ended_retention: Seconds that an ended stream is kept.
        max_connection_age: Seconds after which a reader has to come back with a new request, less up to a tenth;
            None: no bound.
        stall_timeout: Seconds for which a reader may take nothing of what waits for it before it is closed; None or 0:
            for ever.
        reactor_threads: How many threads carry readers; the first has the links as well.

    Raises:
        OSError: The socket cannot be made, or the system gives no thread.

    Threads: any.
    """

    def __new__(
        cls,
        *,
        link_path: str | None = None,
        url: str = "",
        history_events: int = 10_000,
        history_bytes: int = ...,
        history_seconds: float | None = None,
        live_window_bytes: int = ...,
        max_total_bytes: int = ...,
        max_event_bytes: int = ...,
        max_streams: int = 10_000,
        ping_interval: float = 15.0,
        reconnection_time: int = 2000,
        ended_retention: float = 86_400.0,
        max_connection_age: float | None = None,
        stall_timeout: float | None = 60.0,
        reactor_threads: int = 1,
    ) -> Hub: ...
    @property
    def epoch(self) -> str:
        """The life of this log, 11 characters."""

    @property
    def link_path(self) -> str | None:
        """Where kernels come in."""

    def set_url(self, url: str) -> None:
        """Set what `%sse url` puts before `/sse/<name>`."""

    def subscribe(
        self,
        streams: list[str],
        *,
        single: bool,
        last_event_id: str | None = None,
        control: bool = False,
        positions: bool = False,
        wait: bool = False,
        latest_when_slow: bool = False,
        conflate: float | None = None,
        user: str = "",
        address: str = "",
        token: str | None = None,
        request: str | None = None,
    ) -> Subscription:
        """Fix a new reader's cursors: from here on it misses nothing that it is not told of.

        Args:
            streams: `NAME` or `NAME@START` each; START is `earliest` (the default), `latest`, `-N`, a position or an
                own id.
            single: One stream by its own address: types as they are, and the connection ends with the stream.
            last_event_id: The cursor of all these streams; goes before START.
            control: Also `sse.open`, `sse.run`, `sse.state`, `sse.time`, `sse.ready` and `sse.ping`.
            positions: Positions as ids, also where the producer gave its own.
            wait: Wait for a stream that does not exist.
            latest_when_slow: After falling behind go on with the newest event, not the oldest held.
            conflate: At most one event of each stream and type in so many seconds, the last; None: all. Those left out
                are no losses: `sse.state` (`conflated`) and the metrics count them.
            user: Whose connection it is.
            address: Where the reader is.
            token: The stream token that the reader came with in place of a login: the connection ends with it.
            request: What the generator of a route is told of its reader: JSON with `query`, `headers`, `user` and
                `address`. The rest of what it is told the hub adds.

        Raises:
            StreamNameError: A name is none.
            UnknownStreamError: A newcomer to one stream that there is not, nor a route that stands for it.
            StreamEndedError: The reader of one stream has seen its end.
            RequestTooLargeError: Of a route: the request is longer than 16 KiB.
            LimitError: Of a route: its kernel has as many readers as it may.
        """

    def begun_fileno(self) -> int:
        """Return the descriptor that is readable while `take_begun` has something."""

    def take_begun(self) -> list[tuple[int, Literal["ready", "refused"], str]]:
        """Return what runs began with whose reader asked for one stream, and brought a request; each once.

        Returns:
            One of `Subscription.visits`; whether it has headers, an event or its end ("ready"), or wants no such
            reader; and JSON: `{"headers"}`, where refused also `"status"`, `"type"` and `"message"`.
        """

    def routes(self) -> str:
        """Return all routes, a JSON array: `pattern`, `producer`, `visits`, `started_at` (unix milliseconds)."""

    def can_be_read(self, name: str) -> bool:
        """Tell whether there is a stream of this name, or a route that stands for it."""

    def attach(self, subscription: Subscription, fd: int, head: bytes) -> None:
        """Carry a subscription over a socket, `head` first, in one write with the first line.

        Args:
            subscription: Whom to carry; used up by this.
            head: What goes before the events, such as the head of an HTTP response.
            fd: A stream socket's descriptor; the hub owns it from here on, also when this raises.

        Raises:
            OSError: It is no socket.
            ValueError: The subscription has been attached before.
        """

    def portable(self, subscription: Subscription, head: bytes) -> int:
        """Carry a subscription on the portable path: what it gets comes out of `drain` under the returned number."""

    def portable_fileno(self) -> int:
        """Return the descriptor that is readable while `drain` has something."""

    def drain(self) -> list[tuple[int, bytes, bool]]:
        """Take one piece (at most 256 KiB, or one event) for each portable reader that has something to get.

        Returns:
            The reader's number, what to write (one object for all readers at the same place), and whether to close
            afterwards. A reader's next piece comes after `drained`.
        """

    def drained(self, id: int) -> None:  # noqa: A002 - the reader's number
        """A portable reader's last piece is written."""

    def let_go(self) -> None:
        """The server stops: `drain` gives portable readers all there is, held back or not, and a time to come back."""

    def took(self, id: int) -> None:  # noqa: A002 - the reader's number
        """A portable reader has taken some of its piece: it is slow, but does not stall."""

    def detach(self, id: int) -> None:  # noqa: A002 - the reader's number
        """A portable reader is gone."""

    def publication(
        self,
        name: str,
        media_type: str,
        *,
        user: str = "",
        producer: tuple[str, int] | None = None,
    ) -> Publication:
        """Begin to publish a body that comes in pieces. Its first event makes the stream where there is none.

        Args:
            name: The stream.
            media_type: `application/json` (one value, read as a yielded one), `application/x-ndjson` (one on each line)
                or `text/event-stream`.
            user: Whose it is: two users may choose the same id.
            producer: An id and the number of the body's first event, from which the others count on. Events of a
                number that was published are not published again; numbers left out are told to readers as lost.

        Raises:
            StreamNameError: The name is none.
            OwnedError: A kernel's cell or generator writes this stream.
            ValueError: There is no such media type.
        """

    def streams(self) -> str:
        """Return all streams, a JSON array by name."""

    def stream(self, name: str) -> str | None:
        """Return one stream as JSON."""

    def stream_with_backlog(self, name: str) -> str | None:
        """Return one stream as JSON, `largest_backlog` being that of the reader that is furthest behind.

        Raises:
            OSError: The hub's thread did not answer within two seconds.

        Threads: any; waits for the hub's thread, milliseconds where thousands read.
        """

    def readers(self, user: str | None = None) -> str:
        """Return all readers, of one user or of all, as JSON: an array, who came first stands first.

        Each has `id`, `user`, `address`, `since` (unix milliseconds), `path` (`socket` or `portable`), `state`
        (`moving`; `slow`: something waits for it to take it; `stalled`: it has taken nothing for five seconds),
        `streams` (`name`, `position`, `backlog`, `lost`, `conflated`), and the last three of all its streams. A backlog
        has `events`, `bytes` and `seconds`, the age of the oldest event that is not written.

        Raises:
            OSError: The hub's thread did not answer within two seconds.

        Threads: any; waits for the hub's thread, milliseconds where thousands read.
        """

    def end(self, name: str) -> bool:
        """End a stream: its producers are told to stop; where there are none, it ends at once.

        Returns:
            False: there is no such stream.
        """

    def change(self, connection: str, user: str, add: list[str], remove: list[str]) -> None:
        """Add streams to a connection and remove others.

        Raises:
            KeyError: There is no such connection.
            PermissionError: It belongs to somebody else.
            StreamNameError: A name is none; nothing is changed.
        """

    def connections(self, user: str | None = None) -> int:
        """Return how many readers are connected, of one user or in all."""

    def connections_from(self, address: str) -> int:
        """Return how many readers are connected from one address."""

    def token(self, name: str, seconds: float = 86_400.0) -> str:
        """Make a token that reads one stream; it dies with the hub, which keeps only its digest.

        Raises:
            UnknownStreamError: There is no such stream.
        """

    def check_token(self, token: str, name: str) -> bool:
        """Tell whether a token reads a stream now."""

    def revoke_tokens(self, name: str) -> int:
        """Take back all tokens of a stream; connections that one of them opened end.

        Returns:
            How many were good.

        Raises:
            UnknownStreamError: There is no such stream.
        """

    def metrics(self) -> str:
        """Return the counters as JSON."""

    def close(self, timeout: float = 1.0) -> None:
        """Write what is pending, close all connections and end the thread, within `timeout` seconds."""
