"""A shop's order desk in a few lines of Python, without a model or any package.

    python3 plain.py               # for the executor "command"
    python3 plain.py --http 8000   # for the executor "http"
"""

import re

from parley_agent import AgentError, run


def reply(request):
    state = request.get("state") or {"asked": 0}
    if not request["messages"]:
        yield {"delta": "Hello, this is the order desk. What is your order's number?"}
        return
    text = request["messages"][-1]["text"]
    if "weapon" in text.lower():
        raise AgentError("Refused", "the order desk does not talk about weapons")
    if "bye" in text.lower():
        yield {"message": "Goodbye, and thank you for your patience!", "end": True}
        return
    number = re.search(r"\d{3,}", text)
    if number:
        words = f"Order {number[0]} is on its way and arrives tomorrow.".split(" ")
        for i, word in enumerate(words):  # as a model would: piece by piece
            yield {"delta": word if i == 0 else " " + word}
        yield {"state": {"asked": 0, "order": number[0]}, "finish_reason": "stop"}
        return
    state["asked"] += 1
    again = "Sorry to ask again: what" if state["asked"] > 1 else "What"
    yield {"message": f"{again} is your order's number?", "state": state}


if __name__ == "__main__":
    run(reply)
