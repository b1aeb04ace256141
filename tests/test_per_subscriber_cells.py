"""``@sse.per_subscriber`` as it is written in a notebook: what the cell shows, methods, magics, and mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running_kernel import MIME_TYPE, ServedKernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from running_server import JupyterServer


@pytest.fixture(scope="module")
def cells(server: JupyterServer) -> Iterator[ServedKernel]:
    """A kernel for the tests of this file; each uses routes of its own."""
    with ServedKernel(server, "visits.ipynb") as kernel:
        kernel.good("%load_ext jupyter_sse\nimport jupyter_sse as sse, asyncio, time")
        yield kernel


class TestDisplay:
    def test_the_cell_shows_the_address_a_curl_command_and_how_many_read(self, cells: ServedKernel):
        cell = cells.good(
            "@sse.per_subscriber('shown/{n}')\nasync def shown(n):\n    yield n\n    await asyncio.sleep(3600)"
        )
        (bundle,) = cell.displays
        url = cells.value("shown.url")
        assert url.endswith(f":{cells.server.port}{cells.server.base_url}sse/shown/{{n}}")
        assert bundle["text/plain"].splitlines() == [
            bundle["text/plain"].splitlines()[0],
            f"curl -N -H \"Authorization: token $JUPYTER_TOKEN\" '{url}'",
        ]
        assert bundle["text/plain"].startswith("Route shown/{n} (cell ")
        assert "nobody reads it" in bundle["text/plain"]
        assert url in bundle["text/html"]
        with cells.server.read("sse/shown/1") as one, cells.server.read("sse/shown/2") as two:
            for reader in (one, two):
                reader.take(1)
            cell.wait(lambda cell: cell.updates and "2 read it" in cell.updates[-1]["text/plain"], "the count")
        cell.wait(lambda cell: "nobody reads it" in cell.updates[-1]["text/html"], "the count goes back")
        cells.good("shown.stop()")
        cell.wait(lambda cell: cell.updates[-1]["text/plain"].endswith("stopped"), "the end")

    def test_its_repr_says_what_it_is_and_how_many_read(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('named/{n}')\nasync def named(n):\n    yield n\n    await asyncio.sleep(3600)")
        assert cells.value("repr(named)") == "<PerSubscriber 'named/{n}' of named, 0 reading>"
        with cells.server.read("sse/named/1") as reader:
            reader.take(1)
            assert cells.value("repr(named)") == "<PerSubscriber 'named/{n}' of named, 1 reading>"
        cells.good("named.stop()")
        assert cells.value("repr(named)") == "<PerSubscriber 'named/{n}' of named, not open>"

    def test_what_it_prints_goes_to_its_cell(self, cells: ServedKernel):
        for keyword in ("", "async "):
            name = f"prints/{keyword.strip() or 'plain'}"
            cell = cells.good(
                f"@sse.per_subscriber({name!r}, background=lambda: print('afterwards'))\n{keyword}def prints():\n"
                "    print('a reader')\n    yield 1"
            )
            with cells.server.read(f"sse/{name}") as reader:
                reader.until("sse.end")
            cell.wait(lambda cell: cell.stdout == "a reader\nafterwards\n", "what it prints")


class TestMagics:
    def test_list_shows_routes_and_how_many_read(self, cells: ServedKernel):
        cells.good(
            "@sse.per_subscriber('listed/{n}')\nasync def listed(n):\n    yield n\n    await asyncio.sleep(3600)"
        )
        with cells.server.read("sse/listed/1") as reader:
            reader.take(1)
            shown = cells.good("%sse list").displays[0]
            line = next(line for line in shown["text/plain"].splitlines() if line.startswith("listed/{n}"))
            assert line.split() == ["listed/{n}", "1", "visits.ipynb"]
            assert "<td>listed/{n}</td><td>1</td>" in shown["text/html"]
            # A reader's own stream is nobody else's.
            assert "listed/1" not in shown["text/plain"]
            assert cells.server.client.get("api/sse/streams/listed/1").status_code == 404
            (route,) = [
                one for one in cells.server.client.get("api/sse/routes").json() if one["pattern"] == "listed/{n}"
            ]
            assert (route["visits"], route["producer"]["label"]) == (1, "visits.ipynb")

    def test_stop_ends_a_route(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('halted/{n}')\ndef halted(n):\n    yield n")
        cells.good("%sse stop halted/{n}")
        assert cells.server.client.get("sse/halted/1").status_code == 404

    def test_stop_all_ends_routes_too(self, server: JupyterServer):
        with ServedKernel(server, "all.ipynb") as kernel:
            kernel.good("%load_ext jupyter_sse\nimport jupyter_sse as sse")
            kernel.good("@sse.per_subscriber('all-of/{n}')\ndef all_of(n):\n    yield n")
            kernel.good("%sse stop --all")
            assert server.client.get("sse/all-of/1").status_code == 404
            assert not kernel.value("all_of.is_open")

    def test_view_shows_the_stream_of_an_address(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('viewed/{n}')\ndef viewed(n):\n    yield n")
        bundle = cells.good("%sse view viewed/1 --view log").displays[0]
        assert bundle[MIME_TYPE]["stream"] == "viewed/1"
        assert bundle[MIME_TYPE]["view"]["kind"] == "log"
        assert (
            "UnknownStreamError" in cells.run("%sse view unviewed/1").error or cells.run("%sse view unviewed/1").stderr
        )


class TestMethods:
    def test_the_route_of_a_method_is_there_when_it_is_called_on_an_object(self, cells: ServedKernel):
        cells.good(
            "class Desk:\n"
            "    def __init__(self, price):\n        self.price = price\n        self.cleaned = []\n"
            "    def cleanup(self, share):\n        self.cleaned.append(share)\n"
            "    @sse.per_subscriber('prices/{share}', background=cleanup)\n"
            "    async def watch(self, share: str):\n        yield [share, self.price]\n"
            "desk, other = Desk(17), Desk(18)"
        )
        assert cells.server.client.get("sse/prices/ACME").status_code == 404
        assert cells.value("(repr(Desk.watch), desk.watch.is_open)") == (
            "<PerSubscriber 'prices/{share}' of Desk.watch, not open>",
            False,
        )
        for name, price in (("desk", 17), ("other", 18)):
            cells.good(f"{name}.watch()")
            with cells.server.read("sse/prices/ACME") as reader:
                assert reader.values(1) == [["ACME", price]]
                reader.until("sse.end")
            cells.wait(f"{name}.cleaned == ['ACME']")
        cells.good("other.watch.stop()")
        assert cells.server.client.get("sse/prices/ACME").status_code == 404

    def test_other_parameters_are_given_by_a_call(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('tables/{name}')\ndef tables(database, name):\n    yield database[name]")
        assert cells.value("(tables.missing, tables.is_open)") == (("database",), False)
        cells.good("tables({'a': 1})")
        with cells.server.read("sse/tables/a") as reader:
            assert reader.values(1) == [1]
        cell = cells.run("tables()")
        assert "expected arguments for database" in cell.error

    def test_the_function_itself_can_be_tested(self, cells: ServedKernel):
        cells.good("@sse.per_subscriber('itself/{n}')\ndef itself(n: int):\n    yield from range(n)")
        assert cells.value("list(itself.__wrapped__(3))") == [0, 1, 2]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("@sse.per_subscriber\ndef f():\n    yield", 'as in @sse.per_subscriber("users/{user_id}")'),
        ("@sse.per_subscriber('m/{}')\ndef f():\n    yield", "the name of a parameter"),
        ("@sse.per_subscriber('m/{a}')\ndef f(b):\n    yield", "expected a parameter 'a' of f"),
        ("@sse.per_subscriber('m/{a}')\ndef f(a: dict):\n    yield", "a: expected one of str, int"),
        ("@sse.per_subscriber('m')\ndef f():\n    return 1", "expected a function with a yield"),
        ("@sse.per_subscriber('m', ping_interval=0)\ndef f():\n    yield", "ping_interval: expected seconds above 0"),
        ("@sse.per_subscriber('m', loop='other')\nasync def f():\n    yield", "loop: expected one of own, main"),
        ("@sse.per_subscriber('m', loop='main')\ndef f():\n    yield", "loop: expected an async function"),
        ("@sse.per_subscriber('m', background=3)\ndef f():\n    yield", "background: expected a function, got 3"),
        ("@sse.per_subscriber('m', background=lambda x: 1)\ndef f():\n    yield", "got one that needs 'x'"),
        (
            "class C:\n    @sse.per_subscriber('m')\n    @staticmethod\n    def f():\n        yield",
            "write @staticmethod above @per_subscriber",
        ),
    ],
)
def test_a_mistake_is_said_where_it_is_decorated(cells: ServedKernel, code: str, words: str):
    assert words in cells.run(code).error
    assert cells.server.client.get("sse/m").status_code == 404
