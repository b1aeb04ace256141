"""The compiled module: the codec, the link of a kernel, the hub of a server. This stub is its manual."""

from typing import Any, Final, final

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
            id: What a returning reader names to resume: one line of at most 128 bytes without NUL; an int becomes
                its text. A stream gives an event without id, or with an empty one, its position.
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
    def __eq__(self, other: object) -> bool: ...
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

def encode(
    data: str | bytes | None,
    event: str | None = None,
    id: str | int | None = None,  # noqa: A002 - the field's name on the wire
    retry: int | None = None,
    comment: str | None = None,
    max_event_bytes: int = ...,
) -> bytes:
    """Encode the fields of one event, as `jupyter_sse.encoding.parts` gives them, as a block of an event stream.

    Args:
        data: Text (CR, CRLF and LF are line ends), JSON that is already UTF-8, or None for no data.
        event: The type.
        id: The id.
        retry: The reconnection time in milliseconds.
        comment: Text that is seen in the raw stream only.
        max_event_bytes: The most that the data, retry and comment lines may take.

    Raises:
        EncodeError: A field cannot be sent.
        EventTooLargeError: The event takes more than `max_event_bytes`.
    """

def check_name(name: str) -> None:
    """Check the name of a stream: segments of `[A-Za-z0-9._~-]+` joined by `/`, none `.` or `..`, at most 200 bytes.

    Raises:
        StreamNameError: It is none; the message says which rule it breaks, and where.
    """
