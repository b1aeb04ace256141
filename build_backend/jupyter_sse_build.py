"""The build backend (PEP 517 and 660): maturin's, with the JupyterLab extension built before it.

maturin packs whatever lies in ``jupyter_sse.data``; with nothing there it makes a wheel that lacks the
JupyterLab extension and says nothing. So every hook that makes a distribution first brings the bundle up to
date with its sources in ``labextension/`` and refuses to go on without it. An sdist carries the bundle:
who installs from one needs no Node.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import maturin
from maturin import (
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "labextension"
BUNDLE = ROOT / "jupyter_sse.data" / "data" / "share" / "jupyter" / "labextensions" / "jupyter_sse"

RECORD = BUNDLE / "sources.sha256"
"""The digest of the sources that the bundle was built from."""

SOURCE_PATTERNS = ("*.json", "*.js", ".npmrc", "src/**/*", "style/**/*", "schema/**/*")
"""What the bundle is made of, as globs below ``labextension/``."""

NOT_SOURCES = frozenset({"__tests__", "test", "tests"})
"""Folders below ``labextension/`` that a change of needs no new bundle."""


def build_wheel(
    wheel_directory: str,
    config_settings: Mapping[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the bundle where it is stale, then the wheel."""
    bring_bundle_up_to_date()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str,
    config_settings: Mapping[str, Any] | None = None,
    metadata_directory: str | None = None,
) -> str:
    """Build the bundle where it is stale, then the wheel of an editable install."""
    bring_bundle_up_to_date()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def build_sdist(sdist_directory: str, config_settings: Mapping[str, Any] | None = None) -> str:
    """Build the bundle where it is stale, then the sdist with the bundle in it."""
    bring_bundle_up_to_date()
    return maturin.build_sdist(sdist_directory, config_settings)


def bring_bundle_up_to_date() -> None:
    """Build the labextension if its sources are not those of the bundle.

    The digest of the sources stands beside the bundle. Times of files would not do: they change with every
    clone and unpacking.

    Raises:
        RuntimeError: There is no bundle and none could be built.
    """
    if not SOURCES.joinpath("package.json").is_file():
        check_bundle(BUNDLE)
        return
    digest = digest_of(source_files())
    if RECORD.is_file() and RECORD.read_text().strip() == digest and holds_entry(BUNDLE):
        return
    install_packages()
    run_npm("run", "build")
    check_bundle(BUNDLE)
    record(digest)


def record(digest: str) -> None:
    """Note which sources the bundle was built from."""
    RECORD.write_text(f"{digest}\n")


def check_bundle(bundle: Path) -> None:
    """Refuse a bundle that JupyterLab could not load.

    Raises:
        RuntimeError: ``bundle`` has no ``remoteEntry`` script or no ``package.json``.
    """
    if holds_entry(bundle):
        return
    raise RuntimeError(
        f"expected the built JupyterLab extension (package.json and static/remoteEntry*.js) in {bundle}, "
        "got none; build it with `npm ci && npm run build` in labextension/, which needs Node 20 or newer"
    )


def holds_entry(bundle: Path) -> bool:
    """Tell whether ``bundle`` has what JupyterLab loads first."""
    return bundle.joinpath("package.json").is_file() and any(bundle.glob("static/remoteEntry*.js"))


def install_packages() -> None:
    """Run ``npm ci``, unless ``node_modules`` already stands for this lock file."""
    lock = digest_of([SOURCES / "package-lock.json"])
    recorded = SOURCES / "node_modules" / ".jupyter_sse.sha256"
    if recorded.is_file() and recorded.read_text() == lock:
        return
    run_npm("ci", "--no-audit", "--no-fund")
    recorded.write_text(lock)


def run_npm(*arguments: str) -> None:
    """Run npm in ``labextension/``.

    Raises:
        RuntimeError: npm is missing, or ended with an error.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "expected npm, which builds the JupyterLab extension, got no such command; "
            "install Node 20 or newer, or install jupyter_sse from a wheel or an sdist"
        )
    command = [npm, *arguments]
    print(f"Running `{' '.join(command)}` in {SOURCES}", flush=True)
    done = subprocess.run(command, cwd=SOURCES, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`npm {' '.join(arguments)}` in {SOURCES} ended with status {done.returncode}")


def source_files() -> Iterator[Path]:
    """Yield the files that the bundle is made of, in an order that does not depend on the disk."""
    found = {path for pattern in SOURCE_PATTERNS for path in SOURCES.glob(pattern) if path.is_file()}
    for path in sorted(found):
        if NOT_SOURCES.isdisjoint(path.relative_to(SOURCES).parts):
            yield path


def digest_of(paths: Iterator[Path] | list[Path]) -> str:
    """Return the SHA-256 of the files' names and bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
