#!/usr/bin/env python3
"""Runs OneRun's published Python SDK, unmodified, against our simulator.

The SDK comes from its package index into a virtual environment in the user's
cache, once. Its own worker then serves a simulation of our simulator with a
multi-turn agent (agent_worker.py) until the simulation is completed; beside it
sdk_calls.py has the SDK's types parse everything else. What the agent said and
heard is compared with what the simulator holds.

    make conformance
    python3 conformance/onerun_python/run.py --help

Needs Go and Python 3.10 or newer with venv, nothing else.
"""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import foreign  # first: it says which Python this needs

import argparse
import collections
import contextlib
import http.client
import json
import os
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from foreign import ROOT, Checks, Failure, Process, free_port, quietly, wait_for

HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
API_KEY = "conformance"
SHORT_CONVERSATIONS = 3


# --- The platform ----------------------------------------------------------


class Platform:
    """OneRun's API, as far as the SDK does not reach."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: object = None, **query: str) -> dict:
        url = f"{self.base}{path}?{urllib.parse.urlencode(query)}"
        headers = {"x-api-key": API_KEY, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with self.opener.open(request, timeout=30) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise Failure(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:500]}") from error
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{method} {path}: {error}") from error

    def healthy(self) -> bool:
        try:
            return self.call("GET", "/health").get("status") == "ok"
        except Failure:
            return False


def seed(platform: Platform, conversations: int) -> tuple[str, str, str, str]:
    """Creates two simulations through the API, as OneRun's web app would: one of
    long conversations that is judged, one that the turn limit cuts short. Returns
    the ids of project, agent and both."""
    project = platform.call("POST", "/v1/projects", {"name": "conformance"})["id"]
    agent = platform.call(
        "POST", "/v1/agents", {"name": "help desk", "description": "Answers about orders."}, project_id=project
    )["id"]
    objectives = [
        platform.call("POST", "/v1/objectives", {"name": name, "criteria": criteria}, project_id=project)["id"]
        for name, criteria in (("polite", "The agent stays polite."), ("solved", "The problem is solved."))
    ]

    def simulation(name: str, count: int, max_turns: int, objective_ids: list[str]) -> str:
        return platform.call(
            "POST", "/v1/simulations",
            {
                "agent_id": agent, "name": name, "scenario": "Late parcels.", "objective_ids": objective_ids,
                "target_conversations": count, "target_personas": 5, "max_turns": max_turns, "auto_approve": True,
            },
            project_id=project,
        )["id"]

    judged = simulation("Python SDK", conversations, 14, objectives)
    return project, agent, judged, simulation("short", SHORT_CONVERSATIONS, 3, [])


def all_conversations(platform: Platform, project: str, simulation: str) -> Iterator[dict]:
    offset = 0
    while True:
        page = platform.call(
            "GET", f"/v1/simulations/{simulation}/conversations",
            project_id=project, limit="100", offset=str(offset),
        )
        yield from page["data"]
        if not page["has_more"]:
            return
        offset += len(page["data"])


# --- The run ---------------------------------------------------------------


def run(options: argparse.Namespace, work: pathlib.Path, stack: contextlib.ExitStack, checks: Checks) -> None:
    python = foreign.python_with("onerun==0.1.0", "the OneRun SDK", REQUIREMENTS, options.cache)

    simulator_binary = work / "simulator"
    print("building the simulator", flush=True)
    quietly(["go", "build", "-o", str(simulator_binary), "./simulator"], cwd=ROOT)

    environment = {k: v for k, v in os.environ.items() if not k.startswith("ONERUN_")}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    port = free_port()
    simulator = Process(
        "simulator",
        [str(simulator_binary), "--addr", f"127.0.0.1:{port}", "--api-key", API_KEY, "--conversations", "0"],
        work / "simulator.log",
        environment,
    )
    stack.callback(simulator.stop)
    platform = Platform(f"http://127.0.0.1:{port}")
    wait_for("the simulator to answer", 30, [simulator], platform.healthy)

    project, agent, judged, short = seed(platform, options.conversations)
    expected = options.conversations + SHORT_CONVERSATIONS

    def conversations() -> list[dict]:
        return [c for simulation in (judged, short) for c in all_conversations(platform, project, simulation)]

    wait_for(f"{expected} conversations to be queued", 60, [simulator], lambda: len(conversations()) == expected)

    journal = work / "journal.jsonl"
    environment |= {
        "ONERUN_API_BASE_URL": platform.base,
        "ONERUN_API_KEY": API_KEY,
        "ONERUN_PROJECT_ID": project,
        "ONERUN_AGENT_ID": agent,
        "SIMULATIONS": f"{judged} {short}",
        "JOURNAL": str(journal),
        "WORKER_PORT": str(free_port()),
    }
    sdk_calls(python, "before", environment, checks)

    print(f"the SDK's worker serves {expected} conversations", flush=True)
    worker = Process("SDK's worker", [str(python), str(HERE / "agent_worker.py")], work / "worker.log", environment)
    stack.callback(worker.stop)

    def completed() -> bool:
        return all(
            platform.call("GET", f"/v1/simulations/{simulation}", project_id=project)["status"] == "completed"
            for simulation in (judged, short)
        )

    wait_for("the simulations to be completed", options.timeout, [simulator, worker], completed)
    worker.stop()
    report = platform.call("GET", "/simulator/report")

    compare(platform, project, conversations(), journal, expected, checks)
    read_hints(report, checks)
    read_worker_log(worker.output(), checks)
    sdk_calls(python, "after", environment, checks)
    checks.add("the simulator stops when asked to", simulator.stop() == 0, f"exit code {simulator.child.returncode}")


def sdk_calls(python: pathlib.Path, when: str, environment: dict[str, str], checks: Checks) -> None:
    result = subprocess.run(
        [str(python), str(HERE / "sdk_calls.py"), when],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )
    for line in result.stdout.splitlines():
        check = json.loads(line)
        checks.add(check["name"], check["ok"], check["detail"])
    if result.returncode != 0:
        raise Failure(f"sdk_calls.py {when} ended with {result.returncode}:\n{result.stderr}")


def compare(
    platform: Platform, project: str, listed: list[dict], journal: pathlib.Path, expected: int, checks: Checks
) -> None:
    """Compares what the agent knows with what the platform holds."""
    lines = journal.read_text(encoding="utf-8").splitlines() if journal.exists() else []
    entries = [json.loads(line) for line in lines]
    served = collections.Counter(entry["conversation_id"] for entry in entries)
    conversations = {c["id"]: c for c in listed}
    checks.add(
        f"all {expected} conversations were served, each once",
        len(conversations) == expected and set(served) == set(conversations) and max(served.values()) == 1,
        f"{len(conversations)} on the platform, served {dict(served)}",
    )

    wrong: dict[str, list[str]] = collections.defaultdict(list)
    turns = 0
    for entry in entries:
        conversation = conversations.get(entry["conversation_id"])
        if conversation is None:
            continue
        where = f"conversation {conversation['seq_id']} ({entry['manner']})"
        if conversation["status"] != "ended":
            wrong["ended"].append(f"{where} is {conversation['status']}")
        # An agent that left has "end" called for it; otherwise the platform ended it.
        ended_by_agent = conversation["end_reason"] == "agent_decided"
        if ended_by_agent == entry["ended"]:
            wrong["reason"].append(f"{where}: {conversation['end_reason']}, the agent saw ended={entry['ended']}")
        items = platform.call(
            "POST",
            f"/v1/simulations/{conversation['simulation_id']}/conversations/{conversation['id']}/items",
            project_id=project,
        )["data"]
        said = {role: [part["text"] for i in items if i["role"] == role for part in i["content"]]
                for role in ("assistant", "user")}
        if said["assistant"] != entry["sent"]:
            wrong["sent"].append(f"{where}: sent {entry['sent']}, stored {said['assistant']}")
        if len(set(said["assistant"])) != len(said["assistant"]):
            wrong["twice"].append(f"{where}: {said['assistant']}")
        if said["user"] != entry["heard"]:
            wrong["heard"].append(f"{where}: heard {entry['heard']}, stored {said['user']}")
        turns = max(turns, len(entry["sent"]))

    def add(key: str, name: str) -> None:
        checks.add(name, not wrong[key], "; ".join(wrong[key][:3]))

    add("ended", "every conversation ended")
    add("reason", "end reasons agree with who ended it")
    add("sent", "every agent message is stored, in order")
    add("twice", "no agent message is stored twice")
    add("heard", "every word of the personas arrived, the last ones too")
    checks.add("conversations have several turns", turns >= 2, f"the longest has {turns}")
    reasons = collections.Counter(c["end_reason"] for c in conversations.values())
    checks.add("conversations end in all three ways", len(reasons) == 3 and None not in reasons, str(dict(reasons)))
    print(f"      end reasons: {dict(reasons)}", flush=True)


def read_hints(report: dict, checks: Checks) -> None:
    """Reads what the simulator thinks of the worker. That it calls "end" on what
    the platform has ended is what this SDK does; anything else would be ours."""
    hints = collections.Counter(h["hint"] for h in report["hints"])
    hints.pop("end_before_start", None)  # sdk_calls.py has tried that
    ended_by_platform = sum(
        count for s in report["simulations"] for reason, count in s["end_reasons"].items() if reason != "agent_decided"
    )
    checks.add(
        "the simulator saw the SDK's known habit, end after the end, and nothing else",
        dict(hints) == {"end_after_ended": ended_by_platform},
        f"{ended_by_platform} ended by the platform, hints {dict(hints)}",
    )


# What the SDK's worker logs about every conversation that the platform ended: it
# calls "end" once more and is refused. Stock behaviour, and no failure of ours.
END_AFTER_THE_END = re.compile(r"Failed run task for \S+: \[UNKNOWN\] .*\bended\b", re.IGNORECASE)


def read_worker_log(log: str, checks: Checks) -> None:
    failures = [line for line in log.splitlines() if line.startswith(("Failed run task", "Error "))]
    unexpected = [line for line in failures if not END_AFTER_THE_END.search(line)]
    checks.add("the SDK's worker met no error of its own", not unexpected, "; ".join(unexpected[:3]))


def main() -> int:
    parser = foreign.parser("Run OneRun's Python SDK against the simulator.", "the SDK", "the worker")
    parser.add_argument("--conversations", type=int, default=12, help="how many, at least 11 (default 12)")
    options = parser.parse_args()
    if options.conversations < 11:
        parser.error("--conversations: more than one page of 10 must exist")
    return foreign.perform(run, options, "OneRun Python SDK 0.1.0 against the simulator", "simulator")


if __name__ == "__main__":
    sys.exit(main())
