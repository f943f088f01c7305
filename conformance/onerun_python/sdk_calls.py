"""Calls every method of the SDK that does not belong to a running conversation,
so that its own types parse what the simulator sends. Prints one JSON object per
check."""

import json
import os
import sys
from collections.abc import Callable

import onerun
from onerun._client import APIError
from onerun.types import SimulationStatus

PROJECT = os.environ["ONERUN_PROJECT_ID"]
AGENT = os.environ["ONERUN_AGENT_ID"]
SIMULATION, SHORT = os.environ["SIMULATIONS"].split()

simulations = onerun.Client().simulations
conversations = simulations.conversations


def check(name: str, body: Callable[[], None]) -> None:
    try:
        body()
        result = {"name": f"SDK: {name}", "ok": True, "detail": ""}
    except Exception as error:  # whatever it is, it is this check's result
        result = {"name": f"SDK: {name}", "ok": False, "detail": f"{type(error).__name__}: {error}"}
    print(json.dumps(result), flush=True)


def expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def fails(call: Callable[[], object]) -> None:
    """OneRun answers 500 without a detail where it trips over what it does not know."""
    try:
        call()
    except APIError:
        return
    raise AssertionError("the call succeeded")


def refused(call: Callable[[], object]) -> None:
    try:
        call()
    except APIError as error:
        # The SDK keeps no status; what it could not read it calls by other codes.
        expect(error.code == "UNKNOWN", f"code is {error.code!r}: {error.message}")
        expect(bool(error.message) and error.message != "Something went wrong", "the error has no detail")
        return
    raise AssertionError("the call succeeded")


def before() -> None:
    def lists_simulations() -> None:
        page = simulations.list(PROJECT)
        expect([s.id for s in page.data] == [SHORT, SIMULATION], f"unfiltered, newest first: {page.data}")
        one = page.data[1]
        expect(one.status is SimulationStatus.IN_PROGRESS, f"status is {one.status}")
        expect(one.agent is not None and one.agent.id == AGENT, f"agent is {one.agent}")
        expect(one.objectives == [], "a list carries no objectives")

    def filters_simulations() -> None:
        page = simulations.list(
            PROJECT, agent_id=AGENT, limit=1, name="PYTHON", sort_by="name", sort_dir="desc",
            status=SimulationStatus.IN_PROGRESS,
        )
        expect(len(page.data) == 1 and not page.has_more, f"all filters: {page}")
        expect(simulations.list(PROJECT, offset=2).data == [], "offset 2 must be empty")
        expect(simulations.list(PROJECT, name="no such name").data == [], "another name must be empty")
        expect(simulations.list(PROJECT, status=SimulationStatus.EXPIRED).data == [], "expired must be empty")

    def gets_simulation_with_objectives() -> None:
        one = simulations.get(PROJECT, SIMULATION)
        expect(sorted(o.name for o in one.objectives) == ["polite", "solved"], f"objectives: {one.objectives}")
        expect(all(o.criteria for o in one.objectives), "objectives have no criteria")
        expect(one.created_at.tzinfo is None, f"time stamps have no zone, this one has: {one.created_at}")

    def lists_conversations() -> None:
        page = conversations.list(PROJECT, SIMULATION, status="queued")
        expect(len(page["data"]) == 10, f"a page has 10, this one {len(page['data'])}")
        expect(page["has_more"] is True, "there are more")
        numbers = [c["seq_id"] for c in page["data"]]
        expect(numbers == sorted(numbers, reverse=True), f"newest first, not {numbers}")

    def gets_conversation() -> None:
        listed = conversations.list(PROJECT, SIMULATION)["data"][0]
        one = conversations.get(PROJECT, SIMULATION, listed["id"])
        expect(one == listed, f"get and list differ: {one} {listed}")
        expect(one["status"] == "queued" and one["end_reason"] is None, f"not fresh: {one}")
        expect(bool(one["persona"]["summary"]), f"no persona: {one}")

    def end_before_start() -> None:
        listed = conversations.list(PROJECT, SIMULATION)["data"][0]
        refused(lambda: conversations.end(PROJECT, SIMULATION, listed["id"]))

    check("lists simulations", lists_simulations)
    check("filters and pages simulations", filters_simulations)
    check("gets a simulation with objectives", gets_simulation_with_objectives)
    check("lists conversations", lists_conversations)
    check("gets a conversation", gets_conversation)
    check("an end before the start is refused", end_before_start)
    check("an unknown simulation is an error", lambda: fails(lambda: simulations.get(PROJECT, "nosuchsimulation")))
    check(
        "an unknown conversation is refused",
        lambda: refused(lambda: conversations.start(PROJECT, SIMULATION, "nosuchconversation")),
    )
    check(
        "a wrong key is refused",
        lambda: refused(lambda: onerun.Client(api_key="wrong").simulations.list(PROJECT)),
    )


def after() -> None:
    def completed() -> None:
        one = simulations.get(PROJECT, SIMULATION)
        expect(one.status is SimulationStatus.COMPLETED, f"status is {one.status}")
        expect(simulations.list(PROJECT, status=SimulationStatus.IN_PROGRESS).data == [], "still listed as in progress")

    def judged() -> None:
        for one in conversations.list(PROJECT, SIMULATION)["data"]:
            expect(one["evaluation_status"] == "completed", f"not judged: {one}")
            expect(len(one["evaluations"]) == 2, f"two objectives, other evaluations: {one}")
            expect(all(0 <= e["score"] <= 1 for e in one["evaluations"]), f"scores: {one}")

    def second_claim() -> None:
        listed = conversations.list(PROJECT, SIMULATION)["data"][0]
        refused(lambda: conversations.start(PROJECT, SIMULATION, listed["id"]))

    def speech_after_the_end() -> None:
        listed = conversations.list(PROJECT, SIMULATION)["data"][0]
        refused(lambda: conversations.responses.create(PROJECT, SIMULATION, listed["id"]))

    check("the simulation is completed", completed)
    check("the conversations are judged", judged)
    check("a second claim is refused", second_claim)
    check("a message after the end is refused", speech_after_the_end)


if __name__ == "__main__":
    {"before": before, "after": after}[sys.argv[1]]()
