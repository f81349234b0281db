"""A Python environment that an ordinary user can run, with this project in it: for tests that must not be root.

A developer's Python often lies in a home directory that nobody else may enter. So the packages are copied to a
directory that everyone may read, around an interpreter that everyone may run.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

USER_ID = 65534
PACKAGES = ("statek_protocol", "statek_policies", "statek_executor", "msgpack", "RestrictedPython")
"""What an interpreter process imports; pass others for more."""


class NotAvailable(Exception):
    """This machine has no interpreter that an ordinary user could run; the text says what was looked for."""


@dataclass(frozen=True, slots=True)
class OrdinaryUser:
    """How to run Python as somebody who is not root."""

    python: Path

    def command(self, *arguments: str | os.PathLike[str]) -> list[str]:
        """The argument vector that runs this Python as the ordinary user, from any directory."""
        command = [str(self.python), *map(os.fspath, arguments)]
        if os.geteuid() != 0:
            return command
        identity = [f"--reuid={USER_ID}", f"--regid={USER_ID}", "--clear-groups"]
        # setpriv still has root's rights when it starts a program, which may then lie where the user cannot reach;
        # that program is env, and what env starts is started with the user's rights alone.
        return ["setpriv", *identity, "--bounding-set=-all", "--inh-caps=-all", "env", *command]


def ordinary_user(directory: Path, packages: tuple[str, ...] = PACKAGES) -> OrdinaryUser:
    """Make such an environment in a directory; raises NotAvailable."""
    if os.geteuid() != 0:
        return OrdinaryUser(Path(sys.executable))
    python = _environment(directory, _readable_interpreter(), packages)
    _open_to_all(directory)
    return OrdinaryUser(python)


def _readable_interpreter() -> Path:
    """An interpreter of this version that the ordinary user can start."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [Path(sys.base_prefix, "bin", name), Path("/usr/bin", name), Path("/usr/local/bin", name)]
    if shutil.which("setpriv") is None:
        raise NotAvailable("setpriv (util-linux) is not installed")
    for candidate in candidates:
        if candidate.exists() and _starts(candidate):
            return candidate
    raise NotAvailable(f"none of {', '.join(map(str, candidates))} can be run by user {USER_ID}")


def _starts(interpreter: Path) -> bool:
    command = OrdinaryUser(interpreter).command("-I", "-c", "import ctypes, json, resource, zoneinfo")
    return subprocess.run(command, cwd="/", capture_output=True, check=False).returncode == 0


def _environment(directory: Path, interpreter: Path, packages: tuple[str, ...]) -> Path:
    """A virtual environment is an interpreter's name beside a pyvenv.cfg; no tool is needed to make one."""
    site = directory / "lib" / interpreter.name / "site-packages"
    (directory / "bin").mkdir()
    site.mkdir(parents=True)
    (directory / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\ninclude-system-site-packages = false\n")
    (directory / "bin" / "python").symlink_to(interpreter)
    for package in packages:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise NotAvailable(f"{package} is not installed here")
        if spec.submodule_search_locations is None:
            shutil.copy(spec.origin, site)
            continue
        source = Path(spec.origin).parent
        shutil.copytree(source, site / package, ignore=shutil.ignore_patterns("__pycache__"))
        for libraries in source.parent.glob(f"*{package}.libs"):  # where a wheel keeps the shared libraries it brings
            shutil.copytree(libraries, site / libraries.name)
    return directory / "bin" / "python"


def _open_to_all(directory: Path) -> None:
    for entry in [directory, *directory.rglob("*")]:
        if not entry.is_symlink():
            entry.chmod(0o755 if entry.is_dir() or os.access(entry, os.X_OK) else 0o644)
