"""An agent made with the A2A SDK, of either version: the server, its task store and
its validation are the SDK's own. What it does depends on the message.

    python agent.py PORT CARD [compatible | http]

CARD is the version that its card names. "compatible" switches on the 0.3 mode of a
server of version 1.0; "http" makes it serve HTTP+JSON instead of JSON-RPC.
"""

import asyncio
import collections
import sys

import uvicorn
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

try:
    from a2a.types import AgentInterface
    from a2a.helpers import new_data_part, new_task_from_user_message, new_text_message, new_text_part, new_url_part

    VERSION = "1.0"
except ImportError:
    import a2a.types as types
    from a2a.utils import new_agent_text_message as new_text_message
    from a2a.utils import new_task as new_task_from_user_message

    VERSION = "0.3"

    def new_text_part(text):
        return types.Part(root=types.TextPart(text=text))

    def new_data_part(data):
        return types.Part(root=types.DataPart(data=data))

    def new_url_part(url, filename):
        return types.Part(root=types.FilePart(file=types.FileWithUri(uri=url, name=filename)))


class Agent(AgentExecutor):
    def __init__(self) -> None:
        self.runs: collections.Counter = collections.Counter()  # by message id
        self.turns: collections.Counter = collections.Counter()  # by context
        self.cancelled: list[str] = []
        self.go = asyncio.Event()

    async def execute(self, context: RequestContext, queue: EventQueue) -> None:
        self.runs[context.message.message_id] += 1
        self.turns[context.context_id] += 1
        said = context.get_user_input()
        if said == "hello":
            text = f"hello, in turn {self.turns[context.context_id]}"
            await queue.enqueue_event(new_text_message(text, context_id=context.context_id))
            return
        if said == "crash":
            raise RuntimeError("the agent crashed")
        if context.current_task is None:
            await queue.enqueue_event(new_task_from_user_message(self.with_ids(context)))
        task = TaskUpdater(queue, context.task_id, context.context_id)
        await getattr(self, "do_" + said)(task)

    @staticmethod
    def with_ids(context: RequestContext):
        context.message.task_id, context.message.context_id = context.task_id, context.context_id
        return context.message

    async def do_task(self, task: TaskUpdater) -> None:
        await task.start_work(self.message(task, "Looking it up."))
        await task.add_artifact([new_text_part("Grüße, ")], artifact_id="a", append=False, last_chunk=False)
        await task.add_artifact([new_text_part("in pieces.")], artifact_id="a", append=True, last_chunk=True)
        await task.add_artifact([new_data_part({"parcels": ["p1", "p2"]})], artifact_id="b")
        await task.add_artifact([new_url_part("https://shop.example/label.pdf", filename="label.pdf")], artifact_id="c")
        await task.complete()

    async def do_ask(self, task: TaskUpdater) -> None:
        await task.requires_input(self.message(task, "Which of them?"))

    async def do_second(self, task: TaskUpdater) -> None:
        await task.add_artifact([new_text_part("The second is on its way.")])
        await task.complete(self.message(task, "Done."))

    async def do_status(self, task: TaskUpdater) -> None:
        await task.complete(self.message(task, "Only a status."))

    async def do_fail(self, task: TaskUpdater) -> None:
        await task.failed(self.message(task, "no luck"))

    async def do_reject(self, task: TaskUpdater) -> None:
        await task.reject(self.message(task, "not that"))

    async def do_login(self, task: TaskUpdater) -> None:
        await task.requires_auth(self.message(task, "log in first"))

    async def do_slow(self, task: TaskUpdater) -> None:
        await task.start_work()
        await self.go.wait()
        await task.add_artifact([new_text_part("At last.")])
        await task.complete()

    @staticmethod
    def message(task: TaskUpdater, text: str):
        return task.new_agent_message([new_text_part(text)])

    async def cancel(self, context: RequestContext, queue: EventQueue) -> None:
        self.cancelled.append(context.task_id)
        await TaskUpdater(queue, context.task_id, context.context_id).cancel()


# --- Serving -----------------------------------------------------------------


def card10(url: str, binding: str, version: str):
    from a2a.types import AgentCapabilities, AgentCard, AgentSkill

    skill = AgentSkill(id="help", name="Help", description="Helps.", tags=["help"])
    return AgentCard(
        name="Support", description="Helps.", version="1", skills=[skill],
        supported_interfaces=[AgentInterface(url=url, protocol_binding=binding, protocol_version=version)],
        capabilities=AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
    )


def routes10(agent: Agent, url: str, version: str, mode: str) -> list:
    from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes, create_rest_routes

    card = card10(url, "HTTP+JSON" if mode == "http" else "JSONRPC", version)
    handler = DefaultRequestHandler(agent_executor=agent, task_store=InMemoryTaskStore(), agent_card=card)
    if mode == "http":
        return [*create_agent_card_routes(card), *create_rest_routes(handler, path_prefix="/rpc")]
    return [
        *create_agent_card_routes(card),
        *create_jsonrpc_routes(handler, "/rpc", enable_v0_3_compat=mode == "compatible"),
    ]


def routes03(agent: Agent, url: str, version: str) -> list:
    from a2a.server.apps import A2AStarletteApplication

    card = types.AgentCard(
        name="Support", description="Helps.", version="1", url=url, protocol_version=version,
        capabilities=types.AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"], default_output_modes=["text/plain"],
        skills=[types.AgentSkill(id="help", name="Help", description="Helps.", tags=["help"])],
    )
    handler = DefaultRequestHandler(agent_executor=agent, task_store=InMemoryTaskStore())
    return A2AStarletteApplication(agent_card=card, http_handler=handler).routes(rpc_url="/rpc")


def main() -> None:
    port, version, mode = int(sys.argv[1]), sys.argv[2], (sys.argv[3:] or [""])[0]
    url = f"http://127.0.0.1:{port}/rpc"
    agent = Agent()

    async def state(_: Request) -> JSONResponse:
        return JSONResponse({"version": VERSION, "runs": dict(agent.runs), "cancelled": agent.cancelled})

    async def go(_: Request) -> JSONResponse:
        agent.go.set()
        return JSONResponse({})

    protocol = routes10(agent, url, version, mode) if VERSION == "1.0" else routes03(agent, url, version)
    app = Starlette(routes=[Route("/state", state), Route("/go", go, methods=["POST"]), *protocol])
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main()
