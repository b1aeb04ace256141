"""How an error in a run is shown: in the cell that started it, with the cell's lines and without ours."""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_sse.error import SSEError

if TYPE_CHECKING:
    from types import TracebackType

    from jupyter_sse.origin import Origin

LONGEST_MESSAGE = 500


class CellSyntaxError(SSEError):
    """A syntax error in the body of a cell magic, shown as Python's own in a plain cell.

    For a ``SyntaxError`` that is raised while a cell runs, IPython prints every frame down to the parser.
    """

    def __init__(self, error: SyntaxError, lines: list[str]) -> None:
        super().__init__(str(error))
        self._lines = lines

    def _render_traceback_(self) -> list[str]:
        return self._lines


CellSyntaxError.__name__ = "SyntaxError"

_OUR_FOLDER = str(Path(__file__).parent)
_UNBOUND = re.compile(
    r"cannot access free variable '([^']+)' where it is not associated with a value in enclosing scope"
)
_OTHER_LOOP = re.compile(r"attached to a different loop|bound to a different event loop")


def prepare(error: BaseException) -> None:
    """Make an error of a run what it would be in any cell: our frames go, and names are not found as usual."""
    error.__traceback__ = _user_frames(error.__traceback__)
    if isinstance(error, NameError) and (match := _UNBOUND.fullmatch(str(error))):
        error.args = (f"name '{match[1]}' is not defined",)
    if isinstance(error, RuntimeError) and _OTHER_LOOP.search(str(error)):
        error.add_note(
            "This cell runs in jupyter_sse's own event loop. What belongs to the kernel's loop needs the cell to run "
            "there: %%sse NAME --loop main"
        )


def refused_value(error: Exception) -> Exception:
    """Make the error of a value that cannot be sent fit to be raised where it was yielded: without our frames."""
    if isinstance(error, SSEError) and error.__cause__ is None:
        error.__suppress_context__ = True
    return error.with_traceback(_user_frames(error.__traceback__))


def describe(error: BaseException) -> dict[str, Any]:
    """Return what readers of the stream are told: type, message and line, never the traceback."""
    message = str(error)
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    return {"type": type(error).__name__, "message": message, "line": _line(error)}


def show(error: BaseException, origin: Origin) -> None:
    """Show an error in the cell that started the run, which has returned already.

    Threads: the calling thread must be pinned to the origin's cell.
    """
    lines = _rendered(error, origin)
    # Where %debug looks.
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    if origin.is_kernel:
        origin.shell._showtraceback(type(error), error, lines)
    else:
        sys.stderr.write("\n".join(lines) + "\n")


def mark(error: BaseException, origin: Origin) -> None:
    """Let IPython show an error that is about to be raised in the cell itself without the frames that raise it."""
    lines = _rendered(error, origin)
    try:
        error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    except AttributeError:
        # An exception with slots: IPython shows our frames too.
        return


def hide_frames(error: BaseException, origin: Origin) -> None:
    """Let IPython show an error as its type and message alone: it is about what the cell asked us for."""
    error.__traceback__ = None
    mark(error, origin)


def _user_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OUR_FOLDER):
        frames = frames.tb_next
    return frames


def _line(error: BaseException) -> int | None:
    """Return the line of the cell at which the error passed, as the cell counts them."""
    return None if error.__traceback__ is None else error.__traceback__.tb_lineno


def _rendered(error: BaseException, origin: Origin) -> list[str]:
    if origin.shell is None or _holds_group(error):
        return traceback.format_exception(error)
    return origin.shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__, tb_offset=0)


def _holds_group(error: BaseException | None) -> bool:
    # IPython cannot show these.
    while error is not None:
        if isinstance(error, BaseExceptionGroup):
            return True
        error = error.__context__
    return False
