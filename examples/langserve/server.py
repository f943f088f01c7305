"""A LangServe server to try the configuration with. Its model is a stand-in that needs no key and no network.

    pip install -r requirements.txt
    python3 server.py 8003
"""

import sys

import uvicorn
from fastapi import FastAPI
from langchain_core.language_models.fake_chat_models import ParrotFakeChatModel
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langserve import add_routes

app = FastAPI()
prompt = ChatPromptTemplate.from_messages([("system", "You are a parrot."), MessagesPlaceholder("messages")])
add_routes(app, prompt | ParrotFakeChatModel(), path="/agent")

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8003
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    socket = config.bind_socket()
    print(f"listening on http://127.0.0.1:{socket.getsockname()[1]}", file=sys.stderr, flush=True)
    server.run(sockets=[socket])
