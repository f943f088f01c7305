// Talks to an agent over an iii engine, and lets it talk to a persona.
//
//   node talk.mjs ws://127.0.0.1:49134

import { registerWorker } from "iii-sdk";
import { randomUUID } from "node:crypto";

const iii = registerWorker(process.argv[2] ?? "ws://127.0.0.1:49134", {
  workerName: `talk ${process.pid}`,
  enableMetricsReporting: false,
  otel: { enabled: false },
});

/** Calls a function. A failed call is retried for a minute: with ids of its own, a call that is made twice
 * has the effect of one. */
async function call(id, data) {
  const passing = /function_not_found|not found|invocation_stopped|unavailable|timeout/i;
  for (const until = Date.now() + 60_000; ; ) {
    try {
      return await iii.trigger({ function_id: id, payload: data, timeoutMs: 20_000 });
    } catch (error) {
      const text = `${error?.code ?? ""} ${error?.message ?? error}`;
      if (/conversation_not_found/.test(text) || !passing.test(text) || Date.now() > until) throw new Error(`${id}: ${text.trim()}`);
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}

// 1. A conversation of our own. The ids are ours, so that every call can be made again.
const conversationId = `talk-${randomUUID()}`;
await call("conversation::start", { agentId: "support", conversationId });
for (const message of ["Hello, my order has not come.", "It is number 1234."]) {
  const said = await call("conversation::send", { agentId: "support", conversationId, message, messageId: randomUUID() });
  console.log(`> ${message}\n< ${said.reply}`);
}
const messageId = randomUUID();
const once = await call("conversation::send", { agentId: "support", conversationId, message: "Thanks.", messageId });
const again = await call("conversation::send", { agentId: "support", conversationId, message: "Thanks.", messageId });
console.log(`asked twice, answered once: ${once.turn === again.turn && once.reply === again.reply}`);

const read = await call("conversation::get", { agentId: "support", conversationId });
console.log(`${read.turns} turns, ${read.messages.length} messages, ${read.status}`);
await call("conversation::end", { agentId: "support", conversationId, reason: "that was all" });

// 2. A conversation between the agent and a persona, which is a function of ours. It keeps its answers: a message that comes
// again must get the same one.
const lines = ["Where is my parcel?", "I live in Kiel.", "I see."];
const answers = new Map();
iii.registerFunction("persona::customer", async ({ messageId }) => {
  if (!answers.has(messageId)) {
    const message = lines[answers.size];
    answers.set(messageId, { message, ended: answers.size === lines.length - 1 });
  }
  return answers.get(messageId);
});
const meeting = `meeting-${randomUUID()}`;
const over = new Promise((done) => {
  iii.registerFunction("persona::watch", async (event) => {
    if (event.conversationId !== meeting) return;
    console.log(`event ${event.number}: ${event.type}`);
    if (event.type === "ended") done(event.outcome);
  });
});
iii.registerTrigger({ type: "subscribe", function_id: "persona::watch", config: { topic: "conversation.lifecycle" } });
await call("conversation::start", { agentId: "support", conversationId: meeting, personaFunction: "persona::customer" });
const outcome = await over;
console.log(`ended by ${outcome.endedBy} after ${outcome.messages} messages`);

await iii.shutdown();
process.exit(0);
