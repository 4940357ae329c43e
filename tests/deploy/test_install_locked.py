"""What is installed is the lock, whatever has been released since it was written."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import re
import subprocess
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pip
import pytest

ROOT = Path(__file__).parent.parent.parent
INSTALL_LOCKED = ROOT / "deploy/install-locked"


@dataclass(frozen=True)
class Index:
    """A folder of wheels: all that there is to install from."""

    folder: Path

    def release(self, name: str, version: str, *requires: str, extras: Sequence[str] = ()) -> str:
        """Add a wheel. The line of a lock that names it."""
        wheel = self.folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        metadata = [
            "Metadata-Version: 2.1",
            f"Name: {name}",
            f"Version: {version}",
            *(f"Provides-Extra: {extra}" for extra in extras),
            *(f"Requires-Dist: {requirement}" for requirement in requires),
        ]
        files = {
            f"{info}/METADATA": "\n".join(metadata) + "\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [f"{path},{_record_hash(text)},{len(text)}" for path, text in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def _record_hash(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path) -> Index:
    folder = tmp_path / "index"
    folder.mkdir()
    return Index(folder)


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """That of an environment with pip in it, and nothing else: ours, for unpacking a copy takes venv many seconds."""
    venv.create(tmp_path / "environment", symlinks=True)
    (packages,) = tmp_path.glob("environment/lib/python*/site-packages")
    (packages / "pip").symlink_to(Path(pip.__file__).parent)
    return tmp_path / "environment/bin/python"


@pytest.fixture
def lock(index: Index, tmp_path: Path) -> Path:
    """A lock, and releases that are newer. `client` asks for an extra of `auth`, as google-genai does."""
    (tmp_path / "lock.txt").write_text(
        index.release("client", "1.0", "auth[requests]>=2")
        + index.release("auth", "2.0", "requester; extra == 'requests'", extras=["requests"])
        + index.release("requester", "1.0")
    )
    index.release("auth", "2.1", "nowhere-to-be-found", extras=["requests"])
    index.release("requester", "1.1")
    return tmp_path / "lock.txt"


def run(script: Path, python: Path, lock: Path, index: Index) -> subprocess.CompletedProcess[str]:
    """The script, with no other index than the folder, and no setting of the person who runs the tests."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return subprocess.run(
        [script, python, lock],
        env={**own, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index.folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def installed(python: Path) -> set[str]:
    (packages,) = (python.parent.parent / "lib").glob("python*/site-packages")
    return {f"{each.name}=={each.version}" for each in importlib.metadata.distributions(path=[str(packages)])}


def test_a_newer_release_of_what_is_locked_changes_nothing(python: Path, lock: Path, index: Index) -> None:
    done = run(INSTALL_LOCKED, python, lock, index)
    assert done.returncode == 0, done.stdout + done.stderr
    assert installed(python) == {"client==1.0", "auth==2.0", "requester==1.0"}


def test_the_newer_release_would_stop_a_pip_that_resolves(
    python: Path, lock: Path, index: Index, tmp_path: Path
) -> None:
    resolving = tmp_path / "install-resolved"
    resolving.write_text(INSTALL_LOCKED.read_text().replace("--no-deps", ""))
    resolving.chmod(0o755)
    done = run(resolving, python, lock, index)
    assert done.returncode != 0
    assert "auth[requests]" in done.stderr


def test_a_lock_that_lacks_a_requirement_fails_and_names_it(python: Path, lock: Path, index: Index) -> None:
    lock.write_text("".join(line for line in lock.read_text().splitlines(True) if not line.startswith("auth")))
    done = run(INSTALL_LOCKED, python, lock, index)
    assert done.returncode != 0
    assert "client 1.0 requires auth, which is not installed" in done.stdout


def test_a_wheel_with_another_hash_than_the_lock_has_is_refused(python: Path, lock: Path, index: Index) -> None:
    index.release("requester", "1.0", "something-else")
    done = run(INSTALL_LOCKED, python, lock, index)
    assert done.returncode != 0
    assert installed(python) == set()


def test_nothing_else_calls_pip() -> None:
    scripts = [ROOT / "Makefile", *(ROOT / ".ci").rglob("*"), *(ROOT / "deploy").rglob("*")]
    texts = {path: path.read_text() for path in scripts if path.is_file() and path.suffix != ".pyc"}
    calls = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith("#") and re.search(r"\bpip3?\b[\"']?,?\s+[\"']?install|-m[\"',\s]+pip\b", line)
    ]
    assert [call.split(":")[0] for call in calls] == ["deploy/install-locked"], calls


@pytest.mark.parametrize(
    ("stamp", "locks"),
    [
        (".venv/.run.ok", ["run"]),
        (".venv/.dev.ok", ["run", "dev"]),
        (".venv-peers/.ok", ["peers"]),
    ],
)
def test_make_installs_each_environment_from_its_lock(stamp: str, locks: list[str], tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for needed in [
        "pyproject.toml",
        "deploy/install-locked",
        *(f"requirements/{lock}.txt" for lock in ("run", "dev", "peers")),
    ]:
        (tmp_path / needed).parent.mkdir(exist_ok=True)
        (tmp_path / needed).touch()
    assert re.findall(r"deploy/install-locked \S+ requirements/(\w+).txt", would_run(tmp_path, stamp)) == locks


@pytest.mark.parametrize("changed", ["requirements/run.txt", "requirements/dev.txt", "pyproject.toml"])
def test_a_changed_lock_is_installed_anew_with_all_that_goes_beside_it(changed: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    stamps = [".venv/.python.ok", ".venv/.run.ok", ".venv/.dev.ok"]
    needed = ["pyproject.toml", "deploy/install-locked", "requirements/run.txt", "requirements/dev.txt", *stamps]
    for age, name in enumerate(needed):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    assert "install-locked" not in would_run(tmp_path, ".venv/.dev.ok")
    (tmp_path / changed).touch()
    installs = re.findall(r"deploy/install-locked \S+ requirements/(\w+).txt", would_run(tmp_path, ".venv/.dev.ok"))
    assert set(installs) == {"dev"}, "beside packages of another lock, pip check would find faults that are not there"


def would_run(folder: Path, target: str) -> str:
    done = subprocess.run(["make", "-n", target], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def test_the_lock_of_the_tests_has_all_that_the_service_is_locked_to() -> None:
    run, dev = (
        set(re.findall(r"^[a-z0-9][^\s]*==[^\s]+", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))
        for name in ("run", "dev")
    )
    assert run
    assert run <= dev
