"""``%%sse NAME`` for cells, and ``%sse list | stop | view | url``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class

from jupyter_sse._rust import check_name
from jupyter_sse.client import client
from jupyter_sse.error import SSEError, UnknownStreamError
from jupyter_sse.extension import Cells, Request
from jupyter_sse.listing import StreamList
from jupyter_sse.options import VIEW_KINDS, stream_options
from jupyter_sse.origin import Origin
from jupyter_sse.pattern import family, matches
from jupyter_sse.start import LOOPS
from jupyter_sse.stream import Stream
from jupyter_sse.transport import split_address

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class SSEMagics(Magics):
    """The magics."""

    def __init__(self, shell: InteractiveShell, cells: Cells) -> None:
        super().__init__(shell)
        self._cells = cells
        shell.set_hook("complete_command", _complete, str_key="%sse")

    @line_cell_magic
    def sse(self, line: str, cell: str | None = None) -> Any:
        """Event streams.

        %%sse NAME [options]      run this cell as the stream NAME (it must yield)
        %sse list                 all streams and routes of the server
        %sse stop NAME | --all    stop a stream or a route, or all of this kernel
        %sse view NAME [options]  show a stream here
        %sse url NAME             print a curl command that reads a stream

        Options: --view KIND, --x KEY, --y KEY,KEY, --window W; for %%sse also --history N, --ping-interval S,
        --loop main. `%%sse --help`, `%sse help` and `%sse help COMMAND` explain them.
        """
        return self._command(line) if cell is None else self._cell(line, cell)

    def _cell(self, line: str, body: str) -> None:
        arguments = _parse(_cell_parser(), line)
        if arguments is None:
            return
        try:
            check_name(arguments.name)
            options = stream_options(
                history=arguments.history,
                ping_interval=arguments.ping_interval,
                origin=Origin.here(),
                **_view_arguments(arguments),
            )
        except ValueError as error:
            raise UsageError(f"%%sse: {error}") from None
        self._cells.run_magic_cell(Request(arguments.name, options, arguments.loop), body)

    def _command(self, line: str) -> Any:
        words = line.split()
        if words[:1] == ["help"]:
            line = " ".join([*words[1:], "--help"])
        arguments = _parse(_command_parser(), line)
        if arguments is None:
            return None
        try:
            return getattr(self, f"_{arguments.command}")(arguments)
        except (SSEError, ValueError) as error:
            raise UsageError(f"%sse {arguments.command}: {error}") from None

    def _list(self, _arguments: argparse.Namespace) -> StreamList:
        return StreamList(client().request("list").body, _routes())

    def _stop(self, arguments: argparse.Namespace) -> None:
        if arguments.all == (arguments.name is not None):
            raise UsageError("%sse stop: expected a NAME or --all")
        here = client()
        if arguments.name is not None:
            route = here.routes.get(family(arguments.name))
            if route is not None:
                route.stop()
                return
            check_name(arguments.name)
            Stream(arguments.name).stop()
            return
        here.stop_runs()
        for name in list(here.streams):
            Stream(name).stop()

    def _view(self, arguments: argparse.Namespace) -> None:
        check_name(arguments.name)
        if not any(matches(route["pattern"], arguments.name) for route in _routes()):
            Stream(arguments.name).stats()
        Stream(arguments.name).view(**_view_arguments(arguments)).show_now()

    def _url(self, arguments: argparse.Namespace) -> None:
        answer = client().request("token", name=arguments.name)
        if answer.status != 200:
            raise UnknownStreamError(answer.body["message"])
        if client().stream_url(arguments.name) is None:
            # Said, not raised: a notebook that runs without a server goes on.
            sys.stderr.write(
                "%sse url: expected a Jupyter server with jupyter_sse, got none: there is nothing to connect to\n"
            )
            return
        header = _write_header(arguments.name, answer.body["token"])
        url, unix_socket = split_address(answer.body["url"])
        through = "" if unix_socket is None else f"--unix-socket {shlex.quote(unix_socket)} "
        sys.stdout.write(f"curl -N {through}-H @{shlex.quote(str(header))} {shlex.quote(url)}\n")


class _Parser(argparse.ArgumentParser):
    """Raises what IPython shows in one line.

    Attributes:
        commands: The parsers of its commands, by their names.
    """

    commands: dict[str, _Parser]

    @property
    def takes_name(self) -> bool:
        """Whether a stream's name is among its arguments."""
        return any(action.dest == "name" for action in self._actions)

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split())
        raise UsageError(f"{self.prog}: {message}\n{usage}")


class _HelpShownError(Exception):
    pass


class _Help(argparse.Action):
    """Shows the help without ending the kernel."""

    def __call__(self, parser: argparse.ArgumentParser, *_arguments: object, **_named: object) -> NoReturn:
        sys.stdout.write(parser.format_help())
        raise _HelpShownError


def _parse(parser: argparse.ArgumentParser, line: str) -> argparse.Namespace | None:
    """Read a magic's line; None where it has asked for help, and got it."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"{parser.prog}: {error} in {line!r}") from None
    if not words:
        words = ["--help"]
    try:
        return parser.parse_args(_with_lists_joined(words))
    except _HelpShownError:
        return None


def _with_lists_joined(words: list[str]) -> list[str]:
    """Return words in which ``--y a, b`` is ``--y a,b``."""
    joined: list[str] = []
    for word in words:
        if joined and not word.startswith("--") and (joined[-1].endswith(",") or word.startswith(",")):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _cell_parser() -> _Parser:
    parser = _Parser("%%sse", description="Run this cell as a stream: what it yields are its events.", add_help=False)
    _add_help(parser)
    parser.add_argument("name", metavar="NAME", help="letters, digits and ._~-, in segments joined by /")
    _add_view_options(parser)
    parser.add_argument("--history", type=int, metavar="N", help="how many events newcomers get (default 10000)")
    parser.add_argument(
        "--ping-interval", type=float, metavar="S", help="seconds of silence before a keep-alive (default 15)"
    )
    parser.add_argument(
        "--loop", choices=LOOPS, default="own", help="main: run a cell that awaits in the kernel's own event loop"
    )
    return parser


def _command_parser() -> _Parser:
    """Return the parser of `%sse`: a command is a parser here and a method of its name, and is completed by itself."""
    parser = _Parser("%sse", description="Event streams.", add_help=False)
    _add_help(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    commands.add_parser("list", help="all streams and routes of the server", add_help=False)
    stop = commands.add_parser("stop", help="stop a stream or a route", add_help=False)
    stop.add_argument("name", metavar="NAME", nargs="?")
    stop.add_argument("--all", action="store_true", help="all streams and routes of this kernel")
    view = commands.add_parser("view", help="show a stream here", add_help=False)
    view.add_argument("name", metavar="NAME")
    _add_view_options(view)
    url = commands.add_parser("url", help="print a curl command that reads a stream", add_help=False)
    url.add_argument("name", metavar="NAME")
    for command in commands.choices.values():
        _add_help(command)
    parser.commands = commands.choices
    return parser


def _add_help(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--help", "-h", action=_Help, nargs=0, help="show this")


def _add_view_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--view", choices=VIEW_KINDS, help="how it is shown; by its events where not given")
    parser.add_argument("--x", metavar="KEY", help="the key of the x axis")
    parser.add_argument("--y", metavar="KEY,…", help="the keys that are drawn")
    parser.add_argument("--window", metavar="W", help="how much of the x axis is shown, such as 60s or 1000")


def _view_arguments(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("view", "x", "y", "window")}


def _routes() -> list[dict[str, Any]]:
    """Return the routes of the server; none where it is of a version that knows of none."""
    answer = client().request("routes")
    return answer.body if answer.status == 200 else []


def _write_header(name: str, token: str) -> Path:
    """Write the header that curl reads where only this user sees it: the token is in no notebook and no history."""
    folder = _runtime_folder()
    # No name holds a plus sign, so that a/b and a-b have files of their own.
    path = folder / f"sse-{os.getpid()}-{name.replace('/', '+')}.header"
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"Authorization: Bearer {token}\n")
    draft.replace(path)
    client().remove_at_end(path)
    return path


def _runtime_folder() -> Path:
    paths = sys.modules.get("jupyter_core.paths")
    if paths is None:
        return Path(client().private_folder())
    folder = Path(paths.jupyter_runtime_dir())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _complete(_shell: object, event: Any) -> list[str]:
    """Complete the commands, and the names of streams."""
    words = event.line.split()
    commands = _command_parser().commands
    if len(words) + event.line.endswith(" ") <= 2:
        return [*commands, "help"]
    if words[1] == "help":
        return list(commands)
    if words[1] not in commands or not commands[words[1]].takes_name:
        return []
    try:
        names = [one["name"] for one in client().request("list", timeout=0.5).body]
    except SSEError:
        return []
    return [*names, *(route.pattern for route in client().routes.values())] if words[1] == "stop" else names
