// @ts-check
// An agent in Node behind the executor "http", without any package. Its types are comments, so that
// `npx -p typescript -p @types/node tsc` checks it and `node agent.mjs` runs it as it is. It streams
// if asked to, and shows how a long run is picked up again: say "research".
//
//   node agent.mjs 8002

import { createServer } from "node:http";

/** @typedef {{role: "system" | "user" | "assistant" | "tool", text: string, parts: object[], time?: string}} Message */
/** @typedef {{platform: string, project?: string, simulation?: string, agent?: string, id: string}} Conversation */
/**
 * @typedef {object} Request
 * @property {Conversation} conversation
 * @property {number} turn
 * @property {number} attempt
 * @property {string} idempotency_key
 * @property {Message[]} messages
 * @property {number} new
 * @property {any} [state]
 */
/** @typedef {"RateLimited" | "QuotaExhausted" | "Unauthorized" | "Unavailable" | "ContextTooLong" | "Refused" | "Invalid"} Kind */
/** @typedef {{delta?: string, message?: string, state?: any, model?: string, finish_reason?: string, end?: boolean, error?: {kind: Kind, message: string, retry_after?: number}}} Frame */

/**
 * The agent itself.
 * @param {Request} request
 * @returns {AsyncGenerator<Frame>}
 */
async function* reply(request) {
  const said = request.messages.at(-1)?.text;
  if (said === undefined) {
    yield { message: "Hello! What would you like to know?" };
    return;
  }
  if (/\bbye\b/i.test(said)) {
    yield { message: "Goodbye!", end: true };
    return;
  }
  const turns = (request.state?.turns ?? 0) + 1;
  for (const piece of [`You said "${said}". `, "Tell me more."]) yield { delta: piece };
  yield { finish_reason: "stop", model: "node-1", state: { turns } };
}

/** Long runs by their idempotency key: an attempt that comes again finds the run of the one before.
 * @type {Map<string, {polls: number, answer: Frame}>} */
const runs = new Map();

/** @param {import("node:http").IncomingMessage} req */
async function body(req) {
  let text = "";
  for await (const chunk of req.setEncoding("utf8")) text += chunk;
  return text;
}

/** @param {import("node:http").ServerResponse} res @param {number} status @param {Frame} frame @param {Record<string, string>} [headers] */
function answer(res, status, frame, headers = {}) {
  res.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(frame));
}

const server = createServer(async (req, res) => {
  const url = new URL(req.url ?? "/", "http://localhost");
  if (req.method === "GET" && url.pathname === "/healthz") return answer(res, 200, {});
  if (req.method === "GET" && url.pathname === "/runs") {
    const run = runs.get(url.searchParams.get("key") ?? "");
    if (!run) return answer(res, 404, { error: { kind: "Invalid", message: "no such run" } });
    return ++run.polls < 2 ? res.writeHead(202, { "Retry-After": "0.01" }).end() : answer(res, 200, run.answer);
  }
  if (req.method !== "POST" || url.pathname !== "/reply") {
    return answer(res, 404, { error: { kind: "Invalid", message: "post to /reply" } });
  }
  /** @type {Request} */
  const request = JSON.parse(await body(req));
  if (/research/i.test(request.messages.at(-1)?.text ?? "")) {
    const key = request.idempotency_key;
    if (!runs.has(key)) runs.set(key, { polls: 0, answer: { message: "I looked into it: all is well." } });
    return res.writeHead(202, { Location: `/runs?key=${encodeURIComponent(key)}`, "Retry-After": "0.01" }).end();
  }
  if (req.headers.accept?.startsWith("text/event-stream")) {
    res.writeHead(200, { "Content-Type": "text/event-stream" });
    for await (const frame of reply(request)) res.write(`data: ${JSON.stringify(frame)}\n\n`);
    return res.end();
  }
  let text = "";
  /** @type {Frame} */
  let whole = {};
  for await (const { delta, ...frame } of reply(request)) {
    text += delta ?? "";
    whole = { ...whole, ...frame };
  }
  answer(res, 200, { message: text, ...whole });
});

server.listen(Number(process.argv[2] ?? 8002), "127.0.0.1", () => {
  const address = server.address();
  console.error(`listening on http://127.0.0.1:${typeof address === "object" && address ? address.port : ""}`);
});
