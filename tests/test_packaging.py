"""What a build holds, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = Path("jupyter_sse.data/data/share/jupyter/labextensions/jupyter_sse")
TIMEOUT = 900
pytestmark = pytest.mark.timeout(TIMEOUT)


def call_hook(root: Path, hook: str, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Call a hook of the build backend of the tree at ``root``, as pip does: in a process of its own."""
    code = f"import sys; sys.path.insert(0, 'build_backend'); import jupyter_sse_build as b; b.{hook}(*sys.argv[1:])"
    environment = {**os.environ, "PATH": os.environ["PATH"] if path is None else path}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist of this tree."""
    folder = tmp_path_factory.mktemp("built")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for hook in ("build_wheel", "build_sdist"):
        done = call_hook(ROOT, hook, str(folder), path=path)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Path]:
    """A small tree with the backend, a labextension of three files, and its bundle, up to date."""
    shutil.copytree(ROOT / "build_backend", tmp_path / "build_backend", ignore=shutil.ignore_patterns("__pycache__"))
    labextension = tmp_path / "labextension"
    for name in ("package.json", "package-lock.json", "src/index.ts"):
        path = labextension / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    static = tmp_path / BUNDLE / "static"
    static.mkdir(parents=True)
    static.joinpath("remoteEntry.0123.js").write_text("")
    static.parent.joinpath("package.json").write_text("{}")
    code = "import jupyter_sse_build as b; b.record(b.digest_of(b.source_files()))"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "build_backend", check=True)
    return tmp_path


def test_wheel_carries_labextension_and_both_configurations(built: Path):
    (wheel,) = built.glob("*.whl")
    assert "abi3" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        data = next(name for name in names if ".data/data/" in name).partition(".data/")[0] + ".data/data/"
        server = json.loads(archive.read(f"{data}etc/jupyter/jupyter_server_config.d/jupyter_sse.json"))
        package = json.loads(archive.read(f"{data}share/jupyter/labextensions/jupyter_sse/package.json"))
    assert server == {"ServerApp": {"jpserver_extensions": {"jupyter_sse": True}}}
    load = package["jupyterlab"]["_build"]["load"]
    assert f"{data}share/jupyter/labextensions/jupyter_sse/{load}" in names
    assert f"{data}share/jupyter/labextensions/jupyter_sse/install.json" in names
    assert any(name.startswith("jupyter_sse/_rust") and name.endswith((".so", ".pyd")) for name in names)
    assert "jupyter_sse/_rust.pyi" in names
    assert "jupyter_sse/server/app.py" in names
    unwanted = [name for name in names if name.startswith(("tests/", "build_backend/", "rust/", "labextension/"))]
    assert unwanted == []


def test_sdist_builds_without_node(built: Path, tmp_path: Path):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    for needed in ("pyproject.toml", "README.md", "LICENSE", "rust/Cargo.lock", "rust/codec/src/lib.rs"):
        assert root.joinpath(needed).is_file(), needed
    assert root.joinpath("labextension/src/index.ts").is_file()
    # An empty PATH: no npm to be found. The bundle is taken as it came.
    done = call_hook(root, "bring_bundle_up_to_date", path=str(tmp_path / "nothing"))
    assert done.returncode == 0, done.stderr


def test_bundle_of_the_same_sources_is_kept(sources: Path):
    done = call_hook(sources, "bring_bundle_up_to_date", path="")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("changed", ["src/index.ts", "package.json", "package-lock.json", "src/new.ts"])
def test_bundle_of_other_sources_is_built_again(sources: Path, changed: str):
    sources.joinpath("labextension", changed).write_text('{"changed": 1}')
    done = call_hook(sources, "bring_bundle_up_to_date", path="")
    assert done.returncode != 0
    assert "expected npm" in done.stderr


@pytest.mark.parametrize("hook", ["build_wheel", "build_editable", "build_sdist"])
@pytest.mark.parametrize("missing", ["package.json", "static"])
def test_nothing_is_built_without_a_bundle(sources: Path, hook: str, missing: str):
    path = sources / BUNDLE / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    done = call_hook(sources, hook, str(sources), path="")
    assert done.returncode != 0
    assert "JupyterLab extension" in done.stderr
    assert not [*sources.glob("*.whl"), *sources.glob("*.tar.gz")]


def test_nothing_is_built_without_bundle_and_sources(sources: Path):
    shutil.rmtree(sources / "labextension")
    shutil.rmtree(sources / BUNDLE)
    done = call_hook(sources, "build_wheel", str(sources), path="")
    assert done.returncode != 0
    assert "remoteEntry" in done.stderr


def test_versions_of_python_rust_and_javascript_agree():
    package = json.loads(ROOT.joinpath("labextension/package.json").read_text())
    assert f'version = "{package["version"]}"' in ROOT.joinpath("rust/Cargo.toml").read_text()


def test_lock_files_name_no_registry():
    assert "resolved" not in ROOT.joinpath("labextension/package-lock.json").read_text()
