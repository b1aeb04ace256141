"""Install a wheel as a user does and see that everything is on. Run as ``python tests/check_wheel.py <folder>``.

No test of pytest's, because it takes a minute: `make check-wheel` runs it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

SESSION = """
import json, os, subprocess, sys, time, urllib.error, urllib.request

port, folder = sys.argv[1:]
environment = {**os.environ, "JUPYTER_TOKEN": "secret", "JUPYTER_RUNTIME_DIR": folder}
command = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", f"--port={port}"]
server = subprocess.Popen([*command, f"--ServerApp.root_dir={folder}"], env=environment)

def ask(path, data=None):
    headers = {"Authorization": "token secret", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data, headers)
    return urllib.request.urlopen(request, timeout=10)

try:
    deadline = time.monotonic() + 60
    while True:
        try:
            ask("api/status")
            break
        except urllib.error.URLError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
    assert ask("sse/hello", b'{"a": 1}').status == 201
    lines = b""
    with ask("sse/hello") as stream:
        while b'data: {"a":1}' not in lines:
            lines += stream.readline()
finally:
    server.terminate()
    server.wait(30)
print("a stream was published and read")
"""


def main(wheels: Path) -> None:
    """Check the one wheel in ``wheels``."""
    (wheel,) = wheels.glob("jupyter_sse-*.whl")
    with tempfile.TemporaryDirectory(prefix="sse-wheel-") as folder:
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        programs = environment / ("Scripts" if sys.platform == "win32" else "bin")
        python = programs / "python"
        run(python, "-m", "pip", "install", "--quiet", f"{wheel}", "jupyterlab>=4.4")
        expect(run(python, "-m", "jupyter", "server", "extension", "list"), r"jupyter_sse.*enabled", r"jupyter_sse.*OK")
        expect(run(python, "-m", "jupyter", "labextension", "list"), r"jupyter_sse.*enabled.*OK")
        print(run(python, "-c", SESSION, str(18_000 + os.getpid() % 10_000), folder).splitlines()[-1])
    print(f"{wheel.name}: installed alone it enables both extensions, and serves a stream")


def run(*command: object) -> str:
    """Run a command outside the clone, and return what it printed.

    Raises:
        SystemExit: It failed.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=tempfile.gettempdir(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{command} ended with status {done.returncode}:\n{done.stdout}")
    return done.stdout


def expect(text: str, *patterns: str) -> None:
    """End with an error where ``text``, colours aside, lacks one of the patterns."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for pattern in patterns:
        if not re.search(pattern, plain):
            sys.exit(f"expected {pattern!r}, got:\n{plain}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
