#!/usr/bin/env python3
"""Runs agents behind RunAgent's published local server, unmodified, through our
executor.

RunAgent comes from its package index into a virtual environment in the user's
cache, once. "runagent serve" then serves the agent in "agent" on this machine,
from a registry of its own, and main.go runs its entrypoints: plain, streaming,
failing, unknown, found in the registry and by address. RunAgent is kept offline:
it has no key, and wherever else it might go leads to a socket on which nobody may
have called at the end.

    make conformance
    python3 conformance/runagent_local/run.py --help

Needs Go and Python 3.10 or newer with venv, nothing else.
"""

import sys

if sys.version_info < (3, 10):
    sys.exit(
        "RunAgent needs Python 3.10 or newer, this is "
        + sys.version.split()[0]
        + "; on Debian 12 and later: apt-get install python3 python3-venv"
    )

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
AGENT = json.loads((HERE / "agent" / "runagent.config.json").read_text(encoding="utf-8"))["agent_id"]


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


# --- RunAgent ---------------------------------------------------------------


def runagent_python(cache: pathlib.Path) -> pathlib.Path:
    """Returns the Python of a virtual environment that holds RunAgent. A finished
    one is used as it is, without the network."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise Failure(f"Python has no {error.name}; on Debian: apt-get install python3-venv") from error

    digest = hashlib.sha256(REQUIREMENTS.read_bytes())
    digest.update(f"{sys.executable} {sys.version}".encode())
    home = cache / f"runagent-{digest.hexdigest()[:16]}"
    python = home / "bin" / "python"
    done = home / "installed"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{home.name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs install once
        if done.exists():
            return python
        print("installing RunAgent (once, into the user's cache)", flush=True)
        shutil.rmtree(home, ignore_errors=True)
        try:
            quietly([sys.executable, "-m", "venv", str(home)])
        except Failure as error:
            raise Failure(f"{error}\nno virtual environment; on Debian: apt-get install python3-venv") from error
        try:
            quietly(
                [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
                 "--require-hashes", "-r", str(REQUIREMENTS)]
            )
        except Failure as error:
            raise Failure(
                f"{error}\nrunagent==0.1.49 could not be installed. The first run needs a Python package index: check the"
                " network, or name your mirror in PIP_INDEX_URL, or your folder of wheels in PIP_FIND_LINKS."
            ) from error
        done.touch()
    return python


def quietly(command: list[str], **options: object) -> None:
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", check=False, **options,  # type: ignore[call-overload]
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise Failure(f"{' '.join(command[:4])} … ended with {result.returncode}:\n{tail}")


# --- Processes -------------------------------------------------------------


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


# --- The run ---------------------------------------------------------------


class Trap:
    """A socket that nobody should call."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.socket.setblocking(False)
        self.address = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def calls(self) -> int:
        count = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self.socket.accept()
                connection.close()
                count += 1
        return count


def healthy(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/api/v1/health", timeout=5) as response:
            return json.load(response).get("agent_id") == AGENT
    except (OSError, ValueError):
        return False


def run(options: argparse.Namespace, work: pathlib.Path, stack: contextlib.ExitStack, checks: Checks) -> None:
    python = runagent_python(pathlib.Path(options.cache))
    driver = work / "driver"
    print("building the driver", flush=True)
    quietly(["go", "build", "-o", str(driver), "./conformance/runagent_local"], cwd=ROOT)

    # A copy: what is imported leaves traces. It has no requirements.txt, which
    # "runagent serve" would install.
    agent, cache, home = work / "agent", work / "cache", work / "home"
    shutil.copytree(HERE / "agent", agent, ignore=shutil.ignore_patterns("__pycache__"))
    cache.mkdir()
    home.mkdir()
    trap = Trap()
    stack.callback(trap.socket.close)
    outside = ("RUNAGENT_", "GITHUB_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    environment = {k: v for k, v in os.environ.items() if not k.upper().startswith(outside)}
    offline = environment | {
        "RUNAGENT_CACHE_DIR": str(cache), "RUNAGENT_BASE_URL": trap.address, "HOME": str(home),
        "HTTP_PROXY": trap.address, "HTTPS_PROXY": trap.address, "http_proxy": trap.address, "https_proxy": trap.address,
        "NO_PROXY": "", "no_proxy": "", "PYTHONUNBUFFERED": "1", "PIP_NO_INDEX": "1", "COLUMNS": "200",
    }
    runagent = str(python.parent / "runagent")
    quietly([runagent, "config", "--register-agent", str(agent)], env=offline, cwd=work)

    port = free_port()
    server = Process(
        "local server", [runagent, "serve", "--no-animation", "--host", "127.0.0.1", "--port", str(port), str(agent)],
        work / "server.log", offline,
    )
    stack.callback(server.stop)
    wait_for("runagent serve to answer", options.timeout, [server], lambda: healthy(port))

    def drive(when: str) -> None:
        result = subprocess.run(
            [str(driver), "-cache-dir", str(cache), "-agent", AGENT, "-port", str(port), when],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=options.timeout, check=False,
        )
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        for check in lines:
            checks.add(check["name"], check["ok"], check["detail"])
        if result.returncode != 0 or not lines:
            raise Failure(f"the driver ended with {result.returncode} ({when}):\n{result.stderr}")

    drive("served")
    server.check()
    server.stop()
    drive("stopped")
    calls = trap.calls()
    checks.add("RunAgent called nobody", calls == 0, f"{calls} calls")


def main() -> int:
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parser = argparse.ArgumentParser(description="Run agents behind RunAgent's local server through our executor.")
    parser.add_argument("--timeout", type=float, default=180, help="seconds each step may take (default 180)")
    parser.add_argument("--cache", default=os.path.join(cache_home, "parley", "conformance"),
                        help="where RunAgent is kept (default %(default)s)")
    options = parser.parse_args()
    if shutil.which("go") is None:
        print("go is not on PATH; it builds the driver", file=sys.stderr)
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
    finally:
        if checks.failed:
            for log in sorted(work.glob("*.log")):
                print(f"--- the end of {log.name}")
                print("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]))
            print("---", *checks.faults, sep="\n")  # once more, after so many lines
        shutil.rmtree(work, ignore_errors=True)
    print(f"runagent 0.1.49 through executors/runagent, {time.monotonic() - started:.0f} s")
    print(f"{checks.passed} passed, {checks.failed} failed", flush=True)
    return 1 if checks.failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
