"""Puts an agent behind Parley: as a program, or over HTTP. Standard library only; copy it as it is.

    from parley_agent import AgentError, run

    def reply(request):                  # the request as Parley sends it, see docs/executors/http.md
        return {"message": "Hello!"}     # or a text, or a generator of {"delta": …}

    run(reply)

`python3 agent.py` answers JSON lines on standard input and output, for the executor "command".
`python3 agent.py --http 8000` serves POST /reply and GET /healthz, for the executor "http".
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AgentError(Exception):
    """An error with a meaning: RateLimited, QuotaExhausted, Unauthorized, Unavailable, ContextTooLong, Refused or Invalid."""

    def __init__(self, kind, message, retry_after=None):
        super().__init__(message)
        self.frame = {"error": {"kind": kind, "message": message}}
        if retry_after is not None:
            self.frame["error"]["retry_after"] = retry_after


def frames(reply, request):
    """Yields the frames of the answer, the last one being final."""
    try:
        answer = reply(request)
        if isinstance(answer, str):
            answer = {"message": answer}
        if isinstance(answer, dict):
            yield answer
            return
        last = {}
        for last in answer:
            yield last
        if not {"message", "finish_reason", "end", "error"} & last.keys():
            yield {"finish_reason": "stop"}
    except AgentError as err:
        yield err.frame
    except Exception as err:  # whatever else goes wrong is worth another try
        print(f"{type(err).__name__}: {err}", file=sys.stderr, flush=True)
        yield {"error": {"kind": "Unavailable", "message": f"{type(err).__name__}: {err}"}}


def run_lines(reply):
    out, sys.stdout = sys.stdout, sys.stderr  # a print() somewhere must not get between the answers
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        for frame in frames(reply, request):
            print(json.dumps({"id": request["id"], **frame}), file=out, flush=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    reply = None

    def do_GET(self):
        self.answer(200 if self.path == "/healthz" else 404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/reply":
            return self.answer(404, {"error": {"kind": "Invalid", "message": "post to /reply"}})
        if not self.trusted(body):
            return self.answer(401, {"error": {"kind": "Unauthorized", "message": "token or signature missing or wrong"}})
        answer = frames(self.reply, json.loads(body))
        if self.headers.get("Accept", "").startswith("text/event-stream"):
            return self.stream(answer)
        whole, text = {}, ""
        for frame in answer:
            text += frame.pop("delta", "")
            whole.update(frame)
        if "error" not in whole and text:
            whole.setdefault("message", text)
        self.answer(200, whole)

    def answer(self, status, frame):
        data = json.dumps(frame).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, answer):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for frame in answer:
            self.wfile.write(f"data: {json.dumps(frame)}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def trusted(self, body):
        """Checks what AGENT_TOKEN and AGENT_HMAC_SECRET ask for, if they are set."""
        token, secret = os.environ.get("AGENT_TOKEN"), os.environ.get("AGENT_HMAC_SECRET")
        if token and not hmac.compare_digest(self.headers.get("Authorization", ""), f"Bearer {token}"):
            return False
        if not secret:
            return True
        fields = dict(f.partition("=")[::2] for f in self.headers.get("X-Parley-Signature", "").split(","))
        stamp = fields.get("t", "")
        if not stamp.isdecimal() or abs(time.time() - int(stamp)) > 300:
            return False
        want = hmac.new(secret.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(fields.get("v1", ""), want)

    def log_message(self, *args):
        pass


def run_http(reply, port):
    Handler.reply = staticmethod(reply)
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


def run(reply):
    if len(sys.argv) == 3 and sys.argv[1] == "--http":
        run_http(reply, int(sys.argv[2]))
    else:
        run_lines(reply)
