"""The worker of OneRun's Python SDK, unmodified, with an agent that takes a fixed time:
what bench measures ours against. The SDK is the one that conformance/onerun_python is
locked to, in the same virtual environment, which is made if it is missing.
"""

import os
import pathlib
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "conformance"))

if os.environ.get("BENCH_PYTHON") is None:
    import foreign

    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    python = foreign.python_with(
        "onerun==0.1.0",
        "the OneRun SDK",
        ROOT / "conformance" / "onerun_python" / "requirements.txt",
        pathlib.Path(cache) / "parley" / "conformance",
    )
    os.execve(str(python), [str(python), __file__], os.environ | {"BENCH_PYTHON": "1"})

import asyncio
import logging
import socket

import onerun
from onerun.connect import RunConversationContext, WorkerOptions, run
from onerun.types import ResponseInputMessageParams, ResponseInputTextParams

REPLY = os.environ["REPLY"]
MODEL_SECONDS = float(os.environ["MODEL_SECONDS"])

client = onerun.Client()  # ONERUN_API_BASE_URL, ONERUN_API_KEY


async def converse(context: RunConversationContext) -> None:
    def say(text: str | None) -> bool:
        message = None
        if text is not None:
            content = [ResponseInputTextParams(type="text", text=text)]
            message = [ResponseInputMessageParams(type="message", content=content)]
        return client.simulations.conversations.responses.create(
            project_id=context.project_id,
            simulation_id=context.simulation_id,
            conversation_id=context.conversation_id,
            input=message,
        ).ended

    ended = say(None)
    while not ended:
        await asyncio.sleep(MODEL_SECONDS)
        ended = say(REPLY)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


if __name__ == "__main__":
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run(
        WorkerOptions(
            project_id=os.environ["PROJECT_ID"],
            agent_id=os.environ["AGENT_ID"],
            client=client,
            entrypoint=converse,
            max_concurrent_tasks=int(os.environ["MAX_OPEN"]),
            server_host="127.0.0.1",
            server_port=free_port(),
        )
    )
