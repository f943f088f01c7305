"""A LangChain chain behind Parley. Its model is a stand-in that needs no key and no network.

    pip install -r requirements.txt
    python3 langchain_agent.py               # for the executor "command"
    python3 langchain_agent.py --http 8001   # for the executor "http"
"""

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder

from parley_agent import run

PROMPT = ChatPromptTemplate.from_messages([
    ("system", "You are the support desk of a shop for house plants."),
    MessagesPlaceholder("history"),
])
MESSAGES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage, "tool": HumanMessage}


def model(heard):
    # A real one: from langchain.chat_models import init_chat_model; init_chat_model("openai:gpt-4.1-mini")
    return GenericFakeChatModel(messages=iter([AIMessage(content=f"You said: {heard}. Water it once a week.")]))


def reply(request):
    history = [MESSAGES[m["role"]](content=m["text"]) for m in request["messages"]]
    heard = history[-1].content if history else "nothing yet"
    chain = PROMPT | model(heard) | StrOutputParser()
    for piece in chain.stream({"history": history}):
        yield {"delta": piece}
    yield {"finish_reason": "stop", "model": "stand-in"}


if __name__ == "__main__":
    run(reply)
