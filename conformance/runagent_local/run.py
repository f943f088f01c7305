#!/usr/bin/env python3
"""Runs agents behind RunAgent's published local server, unmodified, through our
executor.

RunAgent comes from its package index into a virtual environment in the user's
cache, once. "runagent serve" then serves the agent in "agent" on this machine,
from a registry of its own, and main.go runs its entrypoints: plain, streaming,
failing, unknown, found in the registry and by address. RunAgent is kept offline:
it has no key, and every other address leads to a socket on which no client may
have called at the end.

    make conformance
    python3 conformance/runagent_local/run.py --help

Needs Go and Python 3.10 or newer with venv, nothing else.
"""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import foreign  # first: it says which Python this needs

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import urllib.request

from foreign import ROOT, Checks, Failure, Process, free_port, quietly, wait_for

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
AGENT = json.loads((HERE / "agent" / "runagent.config.json").read_text(encoding="utf-8"))["agent_id"]


# --- The run ---------------------------------------------------------------


class Trap:
    """A socket that no client should call."""

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
    python = foreign.python_with("runagent==0.1.49", "RunAgent", REQUIREMENTS, options.cache)
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
    checks.add("RunAgent made no other call", calls == 0, f"{calls} calls")


def main() -> int:
    parser = foreign.parser("Run agents behind RunAgent's local server through our executor.", "RunAgent", "each step")
    return foreign.perform(run, parser.parse_args(), "runagent 0.1.49 through executors/runagent", "driver")


if __name__ == "__main__":
    sys.exit(main())
