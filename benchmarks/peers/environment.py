"""What the peers need, installed by the benchmarks themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / ".venv-bench"
PYTHON = FOLDER / "bin" / "python"
PACKAGES = ("fastapi", "httpx", "httpx-sse", "orjson", "sse-starlette", "uvicorn[standard]")
NCHAN = ("nginx-core", "libnginx-mod-nchan")


def python(*further: str) -> Path:
    """Return the interpreter of the peers' environment, made and filled where it is not yet."""
    wanted = sorted((*PACKAGES, *further))
    installed = FOLDER / ".installed"
    have = installed.read_text().split() if installed.exists() else []
    if not set(wanted) <= set(have):
        print(f"installing {', '.join(wanted)} into {FOLDER.name}", flush=True)
        if not PYTHON.exists():
            venv.create(FOLDER, with_pip=True)
        subprocess.run([str(PYTHON), "-m", "pip", "install", "--quiet", *wanted], check=True)
        installed.write_text("\n".join(sorted({*wanted, *have})))
    return PYTHON


def versions() -> dict[str, str]:
    """Return the versions of the peers that are installed."""
    found = {}
    if PYTHON.exists():
        listing = subprocess.run(
            [str(PYTHON), "-m", "pip", "freeze"], capture_output=True, text=True, check=True
        ).stdout
        pairs = (line.split("==") for line in listing.splitlines() if "==" in line)
        names = {package.partition("[")[0] for package in PACKAGES} | {"velithon", "uvloop"}
        found = {name: version for name, version in pairs if name.lower() in names}
    for package in NCHAN:
        command = ["dpkg-query", "-W", "-f", "${Version}", package]
        if shutil.which("dpkg-query"):
            answer = subprocess.run(command, capture_output=True, text=True, check=False)
            if answer.returncode == 0:
                found[package] = answer.stdout
    return found


def nginx() -> str:
    """Return the path of an nginx for which nchan is installed, from Debian's packages.

    Raises:
        RuntimeError: There is none, and we may not install it.
    """
    module = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
    if not module.exists() and shutil.which("apt-get") and os.geteuid() == 0:
        print(f"installing {', '.join(NCHAN)} (Debian)", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        # No service is to be started by the packages.
        policy = Path("/usr/sbin/policy-rc.d")
        has_policy = policy.exists()
        if not has_policy:
            policy.write_text("#!/bin/sh\nexit 101\n")
            policy.chmod(0o755)
        try:
            subprocess.run(["apt-get", "update", "-q"], env=quiet, check=True, stdout=sys.stderr)
            command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *NCHAN]
            subprocess.run(command, env=quiet, check=True, stdout=sys.stderr)
        finally:
            if not has_policy:
                policy.unlink()
    if not module.exists():
        raise RuntimeError(
            f"expected nginx with nchan, got none at {module}; as root: apt-get install {' '.join(NCHAN)}"
        )
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "/usr/sbin/nginx"
