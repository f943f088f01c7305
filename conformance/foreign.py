"""What it takes to run other people's Python programs against ours: a virtual
environment with the program, installed once, children that leave no process behind,
and checks that are counted.

Python's standard library is all that is needed.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "the programs to be installed need Python 3.10 or newer, this is "
        + sys.version.split()[0]
        + "; on Debian 12 and later: apt-get install python3 python3-venv"
    )

import argparse
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Failure(Exception):
    """Ends the run with a message for a person."""


class Checks:
    """Counts, and prints each check as it is made."""

    def __init__(self) -> None:
        self.passed = 0
        self.faults: list[str] = []

    @property
    def failed(self) -> int:
        return len(self.faults)

    def add(self, name: str, ok: bool, detail: str = "") -> None:
        if ok:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.faults.append(f"FAIL  {name}: {detail}")
            print(self.faults[-1], flush=True)


# --- Installing ------------------------------------------------------------


def python_with(package: str, what: str, requirements: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """Returns the Python of a virtual environment that holds a package, given as
    name==version, with the requirements that it is locked to. A finished one is
    used as it is, without the network."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise Failure(f"Python has no {error.name}; on Debian: apt-get install python3-venv") from error

    digest = hashlib.sha256(requirements.read_bytes())
    digest.update(f"{sys.executable} {sys.version}".encode())
    home = cache / f"{package.partition('==')[0]}-{digest.hexdigest()[:16]}"
    python = home / "bin" / "python"
    done = home / "installed"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{home.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs install once
        if done.exists():
            return python
        print(f"installing {what} (once, into the user's cache)", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        try:
            quietly([sys.executable, "-m", "venv", str(home)])
        except Failure as error:
            raise Failure(f"{error}\nno virtual environment; on Debian: apt-get install python3-venv") from error
        try:
            quietly(
                [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
                 "--require-hashes", "-r", str(requirements)]
            )
        except Failure as error:
            raise Failure(
                f"{error}\n{package} could not be installed. The first run needs a Python package index: check the"
                " network, or name your mirror in PIP_INDEX_URL, or your folder of wheels in PIP_FIND_LINKS."
            ) from error
        done.touch()
    return python


# --- Processes -------------------------------------------------------------


def quietly(command: list[str], **options: object) -> None:
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", check=False, **options,  # type: ignore[call-overload]
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise Failure(f"{' '.join(command[:4])} … ended with {result.returncode}:\n{tail}")


class Process:
    """A child with its output in a file, in a group of its own."""

    def __init__(self, name: str, command: list[str], log: pathlib.Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log = log
        with open(log, "wb") as output:
            self.child = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )

    def check(self) -> None:
        code = self.child.poll()
        if code is not None:
            raise Failure(f"the {self.name} ended with {code}")

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Asks it to end, makes it after 15 seconds. Returns its exit code."""
        if self.child.poll() is not None:
            return self.child.returncode
        for wait, sent in ((15.0, signal.SIGTERM), (5.0, signal.SIGKILL)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.child.wait(wait)
        raise Failure(f"the {self.name} does not end")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, seconds: float, processes: list[Process], ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.2)


# --- The command line ------------------------------------------------------


def parser(description: str, installed: str, timed: str) -> argparse.ArgumentParser:
    """Has the options that every run takes."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--timeout", type=float, default=180, help=f"seconds {timed} may take (default 180)")
    made.add_argument("--cache", type=pathlib.Path, default=os.path.join(cache_home, "parley", "conformance"),
                      help=f"where {installed} is kept (default %(default)s)")
    return made


Run = Callable[[argparse.Namespace, pathlib.Path, contextlib.ExitStack, Checks], None]


def perform(run: Run, options: argparse.Namespace, title: str, go_builds: str) -> int:
    """Runs in a folder of its own, and returns the exit code. What has gone wrong
    comes last, with the ends of the logs."""
    if shutil.which("go") is None:
        print(f"go is not on PATH; it builds the {go_builds}", file=sys.stderr)
        return 1

    # A termination unwinds like an error, so that nothing stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    started = time.monotonic()
    checks = Checks()
    work = pathlib.Path(tempfile.mkdtemp(prefix="parley-conformance-"))
    try:
        with contextlib.ExitStack() as stack:
            run(options, work, stack, checks)
    except Failure as error:
        checks.add("the run", False, str(error))
    except KeyboardInterrupt:
        return 130
    finally:
        if checks.failed:
            for log in sorted(work.glob("*.log")):
                print(f"--- the end of {log.name}")
                print("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]))
            print("---", *checks.faults, sep="\n")  # once more, after so many lines
        shutil.rmtree(work, ignore_errors=True)
    print(f"{title}, {time.monotonic() - started:.0f} s")
    print(f"{checks.passed} passed, {checks.failed} failed", flush=True)
    return 1 if checks.failed else 0
