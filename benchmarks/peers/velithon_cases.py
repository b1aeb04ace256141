"""The generators of :mod:`benchmarks.cases`, each at its name, as velithon's manual shows it."""

from velithon import Velithon

from benchmarks.cases import CASES, Case
from benchmarks.peers.velithon_app import RepairedSSEResponse

app = Velithon()


def serve(case: Case) -> None:
    """Give a case its address."""
    generate = case.function()

    @app.get(f"/{case.name}")
    async def stream() -> RepairedSSEResponse:
        return RepairedSSEResponse(generate())


for _case in CASES:
    serve(_case)
