"""An agent as OneRun's documentation has its users write one.

The worker is the SDK's own (onerun.connect.run); only the handler is ours: a
multi-turn loop over fixed lines. It keeps a journal of what it said and heard,
which the caller compares with what the platform says.
"""

import json
import logging
import os

import onerun
from onerun.connect import RunConversationContext, WorkerOptions, run
from onerun.types import ResponseInputMessageParams, ResponseInputTextParams

LINES = [
    "Hello, how can I help?",
    "I see. Could you tell me the order number?",
    "Thank you. I have found it and I am looking into it.",
    "It left our warehouse yesterday and will be with you tomorrow.",
    "I have added a note for the courier.",
    "Is there anything else I can do?",
    "I am happy to check that too.",
    "Then I wish you a good day.",
]

client = onerun.Client()  # ONERUN_API_BASE_URL, ONERUN_API_KEY


def say(context: RunConversationContext, text: str | None) -> tuple[list[str], bool]:
    """Sends one message, or none, and returns what came back."""
    message = None
    if text is not None:
        content = [ResponseInputTextParams(type="text", text=text)]
        message = [ResponseInputMessageParams(type="message", content=content)]
    response = client.simulations.conversations.responses.create(
        project_id=context.project_id,
        simulation_id=context.simulation_id,
        conversation_id=context.conversation_id,
        input=message,
    )
    return [part.text for item in response.output for part in item.content], response.ended


async def converse(context: RunConversationContext) -> None:
    conversation = client.simulations.conversations.get(
        project_id=context.project_id,
        simulation_id=context.simulation_id,
        conversation_id=context.conversation_id,
    )
    # One third lets the persona begin, one third greets first, one third leaves
    # after the first answer.
    manner = ("persona first", "agent first", "agent leaves")[conversation["seq_id"] % 3]
    sent: list[str] = []
    heard: list[str] = []
    ended = False

    if manner == "persona first":
        heard, ended = say(context, None)
    while not ended and len(sent) < len(LINES):
        text = f"{LINES[len(sent)]} ({context.conversation_id[-6:]}, {len(sent) + 1})"
        output, ended = say(context, text)
        sent.append(text)
        heard += output
        if manner == "agent leaves":
            break

    journal(context.conversation_id, manner=manner, sent=sent, heard=heard, ended=ended)


def journal(conversation_id: str, **entry: object) -> None:
    line = json.dumps({"conversation_id": conversation_id, **entry}) + "\n"
    with open(os.environ["JOURNAL"], "a", encoding="utf-8") as file:
        file.write(line)


if __name__ == "__main__":
    # One line for each request would hide what matters.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run(
        WorkerOptions(
            project_id=os.environ["ONERUN_PROJECT_ID"],
            agent_id=os.environ["ONERUN_AGENT_ID"],
            client=client,
            entrypoint=converse,
            task_poll_interval=1,
            max_concurrent_tasks=10,
            server_host="127.0.0.1",
            server_port=int(os.environ["WORKER_PORT"]),
        )
    )
