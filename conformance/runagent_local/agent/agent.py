"""An agent as RunAgent's documentation has its users write one: functions."""

import time


def answer(*args, **kwargs):
    return {"args": list(args), "kwargs": kwargs}


def greet(message=""):
    return f"Grüße, you said: {message}"


def nothing():
    return None


def large():
    return 9007199254740993


def fail(**kwargs):
    raise ValueError("the harbour is closed")


def slow():
    time.sleep(3)
    return "at last"


def words_stream(**kwargs):
    yield from ("Good ", "day! ", "Müller here.")


async def mixed_stream(**kwargs):
    yield "tide "
    yield {"metres": 3.5}
    yield "rising"


def fail_stream(**kwargs):
    yield "One "
    raise ValueError("the harbour is closed")


async def slow_stream(**kwargs):
    import asyncio

    yield "first"
    await asyncio.sleep(30)
    yield "second"
