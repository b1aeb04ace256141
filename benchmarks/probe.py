"""`python -m benchmarks.probe PORT PATH TOKEN`: how long an answer takes, 50 requests a second on one connection.

Standard input: seconds to probe, a number a line. Standard output: the durations in ms, a JSON list a line.
"""

from __future__ import annotations

import http.client
import json
import sys
import time

INTERVAL = 0.02


def probe(connection: http.client.HTTPConnection, path: str, headers: dict[str, str], seconds: float) -> list[float]:
    """Return the durations, each from the time the request was due: a late one delays none silently."""
    durations = []
    start = time.monotonic()
    for number in range(int(seconds / INTERVAL)):
        due = start + number * INTERVAL
        time.sleep(max(0.0, due - time.monotonic()))
        connection.request("GET", path, headers=headers)
        connection.getresponse().read()
        durations.append((time.monotonic() - due) * 1e3)
    return durations


def main() -> None:
    """Probe as told."""
    port, path, token = sys.argv[1:]
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    headers = {"Authorization": f"token {token}"}
    connection.connect()
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps({"ms": probe(connection, path, headers, float(line))}), flush=True)


if __name__ == "__main__":
    main()
