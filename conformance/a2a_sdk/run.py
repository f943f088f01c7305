#!/usr/bin/env python3
"""Talks to agents made with the published A2A SDK, unmodified, through our executor:
one of version 0.3 of the protocol, one of 1.0, over JSON-RPC and HTTP+JSON, one that
serves both, and two whose cards name the version that they do not speak.

Each SDK comes from its package index into a virtual environment in the user's cache,
once. agent.py is the agent, main.go the other side: messages, tasks with and without
a stream, questions, errors, a cancelled task, and a task whose first process is
killed.

    make conformance
    python3 conformance/a2a_sdk/run.py --help

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
import signal
import subprocess
import urllib.request

from foreign import ROOT, Checks, Failure, Process, free_port, quietly, wait_for

HERE = pathlib.Path(__file__).resolve().parent
SDKS = {"0.3": "0.3.26", "1.0": "1.3.0"}

# Name, the SDK's version, what agent.py is told, and the setting protocol.
AGENTS = [
    ("0.3", "0.3", ["0.3.0"], "auto"),
    ("1.0", "1.0", ["1.0"], "auto"),
    ("0.3, its card says 1.0", "0.3", ["1.0"], "auto"),
    ("1.0, its card says 0.3", "1.0", ["0.3"], "auto"),
    ("1.0, asked in 0.3", "1.0", ["1.0", "compatible"], "0.3"),
    ("1.0 over HTTP+JSON", "1.0", ["1.0", "http"], "auto"),
]


class Agent:
    """A running agent."""

    def __init__(self, name: str, python: pathlib.Path, arguments: list[str], work: pathlib.Path, environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        log = work / f"agent-{''.join(c for c in name if c.isalnum())}.log"
        self.process = Process(f"agent {name}", [str(python), str(HERE / "agent.py"), str(port), *arguments], log, environment)

    def call(self, method: str, path: str) -> dict:
        with self.opener.open(urllib.request.Request(self.url + path, method=method), timeout=10) as response:
            return json.load(response)

    def speaks(self, version: str) -> bool:
        try:
            return self.call("GET", "/state").get("version") == version
        except (OSError, ValueError):
            return False


def drive(driver: list[str], name: str, seconds: float, checks: Checks) -> None:
    result = subprocess.run(
        driver, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for check in lines:
        checks.add(f"{name}: {check['name']}", check["ok"], check["detail"])
    if result.returncode != 0 or not lines:
        raise Failure(f"the driver ended with {result.returncode} ({name}):\n{result.stderr}")


def killed(driver: list[str], seconds: float) -> str:
    """Begins a task, kills the process that did, and returns the token by which
    another finds the task."""
    child = subprocess.Popen([*driver, "begin"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    timer = signal.signal(signal.SIGALRM, lambda *_: child.kill())
    signal.alarm(int(seconds))
    try:
        assert child.stdout is not None
        token = child.stdout.readline().strip()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, timer)
        child.kill()
        child.wait()
    if not token:
        raise Failure("no task was begun")
    return token


def run(options: argparse.Namespace, work: pathlib.Path, stack: contextlib.ExitStack, checks: Checks) -> None:
    pythons = {
        version: foreign.python_with(
            f"a2a-sdk=={sdk}", f"the A2A SDK {sdk}", HERE / f"requirements{version.replace('.', '')}.txt", options.cache
        )
        for version, sdk in SDKS.items()
    }
    binary = work / "driver"
    print("building the driver", flush=True)
    quietly(["go", "build", "-o", str(binary), "./conformance/a2a_sdk"], cwd=ROOT)

    outside = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    environment = {k: v for k, v in os.environ.items() if k.upper() not in outside} | {"PYTHONUNBUFFERED": "1"}
    for name, version, arguments, protocol in AGENTS:
        agent = Agent(name, pythons[version], arguments, work, environment)
        stack.callback(agent.process.stop)
        wait_for(f"the agent {name} to answer", options.timeout, [agent.process], lambda: agent.speaks(version))
        driver = [str(binary), "-url", agent.url, "-protocol", protocol]
        for streaming in ("auto", "off"):
            drive([*driver, "-streaming", streaming, "talk"], f"{name}, streaming {streaming}", options.timeout, checks)
        token = killed(driver, options.timeout)
        agent.call("POST", "/go")
        drive([*driver, "-token", token, "resume"], name, options.timeout, checks)
        agent.process.check()
        agent.process.stop()


def main() -> int:
    parser = foreign.parser("Talk to agents made with the A2A SDK through our executor.", "the A2A SDK", "each step")
    return foreign.perform(run, parser.parse_args(), "a2a-sdk 0.3.26 and 1.3.0 through executors/a2a", "driver")


if __name__ == "__main__":
    sys.exit(main())
