#!/usr/bin/env python3
"""Asks models behind LiteLLM's proxy, unmodified, through our executors for OpenAI's
and Anthropic's APIs: answers that the proxy mocks, and what it makes of the answers
and errors of a provider.

The proxy comes from its package index into a virtual environment in the user's cache,
once. main.go asks it, provider.go is the provider behind it.

    make conformance
    python3 conformance/litellm/run.py --help

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
import secrets
import subprocess
import urllib.request

from foreign import ROOT, Checks, Failure, Process, free_port, quietly, wait_for

HERE = pathlib.Path(__file__).resolve().parent
LITELLM = "1.108.7"

MOCKS = {
    "mock": "It is on its way.",
    "mock-limited": "litellm.RateLimitError",
    "mock-long": "litellm.ContextWindowExceededError",
    "mock-broken": "litellm.InternalServerError",
}
PROVIDED = ["talk", "think", "reasoning", "tool", "length", "long", "poor", "limited", "locked", "busy", "filtered"]


def configuration(provider: str, key: str) -> dict:
    """The proxy's settings. It reads YAML, of which JSON is a part."""

    def model(name: str, provider: str = "hosted_vllm", **settings: str) -> dict:
        return {"model_name": name, "litellm_params": {"model": f"{provider}/{name}", "api_key": "unused", **settings}}

    return {
        "model_list": [
            *(model(name, "openai", mock_response=answer) for name, answer in MOCKS.items()),
            *(model(name, api_base=provider) for name in PROVIDED),
            model("away", api_base=f"http://127.0.0.1:{free_port()}/v1"),
        ],
        "general_settings": {"master_key": key},
        # It must not retry: the executors' callers do.
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


def run(options: argparse.Namespace, work: pathlib.Path, stack: contextlib.ExitStack, checks: Checks) -> None:
    python = foreign.python_with(f"litellm=={LITELLM}", f"LiteLLM's proxy {LITELLM}", HERE / "requirements.txt", options.cache)
    binary = work / "driver"
    print("building the driver", flush=True)
    quietly(["go", "build", "-o", str(binary), "./conformance/litellm"], cwd=ROOT)

    outside = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    environment = {k: v for k, v in os.environ.items() if k.upper() not in outside} | {
        "PYTHONUNBUFFERED": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # nothing is fetched from elsewhere
    }
    key = "sk-" + secrets.token_hex(24)
    provider, port = f"127.0.0.1:{free_port()}", free_port()
    settings = work / "proxy.yaml"
    settings.write_text(json.dumps(configuration(f"http://{provider}/v1", key)), encoding="utf-8")
    proxy = Process(
        "proxy",
        [str(python.parent / "litellm"), "--config", str(settings), "--host", "127.0.0.1", "--port", str(port), "--telemetry", "False"],
        work / "proxy.log", environment,
    )
    stack.callback(proxy.stop)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def alive() -> bool:
        try:
            with opener.open(f"http://127.0.0.1:{port}/health/liveliness", timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    wait_for("the proxy to answer", options.timeout, [proxy], alive)
    result = subprocess.run(
        [str(binary), "-proxy", f"http://127.0.0.1:{port}", "-listen", provider],
        env=environment | {"PROXY_KEY": key}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=options.timeout, check=False,
    )
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    for check in lines:
        checks.add(check["name"], check["ok"], check["detail"])
    if result.returncode != 0 or not lines:
        raise Failure(f"the driver ended with {result.returncode}:\n{result.stderr}")
    proxy.check()


def main() -> int:
    parser = foreign.parser("Ask models behind LiteLLM's proxy through our executors.", "the proxy", "each step")
    return foreign.perform(run, parser.parse_args(), f"LiteLLM {LITELLM} through executors/openai and executors/anthropic", "driver")


if __name__ == "__main__":
    sys.exit(main())
