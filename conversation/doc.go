// Package conversation holds the words of this project. It imports neither Temporal
// nor a platform: platforms translate their own vocabulary into it, so that a OneRun
// "persona" writes as [RoleUser] and the agent under test as [RoleAssistant].
//
// A conversation is named by a [Ref] and consists of [Message] values. It advances by
// turns and finishes with an [Outcome]. A failure is an [Error] with a [Kind]: code
// acts on the kind, never on the text.
//
// # Glossary
//
// One line for each word that code, logs, help and documentation use, in one meaning.
//
// What there is:
//
//   - agent: the program that answers, under the platform's id or the name in parley.yaml.
//   - approval: an operator's decision to allow or refuse a tool call that requires one.
//   - backend: one implementation of an executor, such as "openai"; a package each.
//   - budget: the tokens or money that an executor may spend in a day, or a conversation in all.
//   - callback: an address that receives the result of a task.
//   - client: a program that starts direct conversations and sends their messages.
//   - context: the platform's description of a conversation: persona, scenario, limits ([Context]).
//   - conversation: the messages between an agent and a user, run as one Workflow Execution.
//   - event: a change of a conversation that listeners are notified of ([Event]).
//   - executor: produces the agent's side of a turn; configured by name, built on a backend.
//   - inbox: the workflow that lists an agent's assignments and starts their conversations.
//   - message: one contribution of one side, made of parts ([Message]).
//   - operator: runs Parley, with the CLI or through updates.
//   - outcome: how a conversation ended, with its counts ([Outcome]); also called its ending.
//   - persona: the user that a platform plays ([Persona]).
//   - platform: where conversations come from, and where their other side is.
//   - policy: the settings of one conversation, fixed when it starts ([Policy]).
//   - project: the platform's word for a set of agents and simulations.
//   - receipt: a platform's confirmation of a claim, shown when the result of a task is reported.
//   - ref: the name of one conversation: platform, project, simulation, agent, id ([Ref]).
//   - role: the side a message comes from: system, user, assistant, tool ([Role]).
//   - schedule: a rule that starts a task at certain times.
//   - side: what a conversation exchanges messages with: a platform, a client (direct) or a task.
//   - simulation: the platform's set of conversations for one test of an agent.
//   - slice: one run of a worker that ends by itself, when it is idle or after a time.
//   - step: one activity of a conversation, such as claim, reply or send.
//   - task: a conversation of one turn, due at a certain time, whose reply is its result ([Task]).
//   - tool, tool set: a function the agent may call, and a named group of them ([Tool]).
//   - transcript: the messages of a conversation in order; the platform keeps its own.
//   - transport: a platform that answers each send once per key and keeps no transcript.
//   - turn: one reply of the agent, and the message that answers it.
//   - usage, usage ledger, entry: tokens, calls and cost ([Usage]); the workflow that adds
//     them up for budgets; one addition to it.
//   - worker: the process that runs workflows and activities.
//
// What is done:
//
//   - adopt: take over an orphan, a conversation or task in progress that no workflow runs.
//   - attempt: one execution of a step.
//   - cancel: end a conversation by request, before it is complete.
//   - check: ask a backend or platform whether it is reachable and accepts its key.
//   - claim: tell the platform that this worker runs the conversation; one claimant wins.
//   - end: close a conversation on the platform.
//   - fail over: use the next executor of a chain after the current one failed.
//   - hand over: a draining worker stops an attempt, and another worker begins the step anew.
//   - list, poll: read the platform's assignments; do so repeatedly.
//   - notify: send an event to a listener.
//   - park: stop before a step, with status "needs attention", until an operator acts or the
//     cause is gone.
//   - pause, resume: stop before the next step on request; continue after a pause or after parking.
//   - probe: one trial during an outage, to detect that it is over.
//   - reconcile: compare our transcript with the platform's after an ambiguous request.
//   - report: send a task's result to its platform.
//   - reserve, release: take one unit of capacity for a conversation, and return it.
//   - retry: another attempt after one that failed.
//   - send, receive: pass a message to the other side, and get one from it.
//   - skip: leave out one assignment that cannot be read or started, and name it.
//   - takeover: an operator answers a turn in place of the executor.
//
// How things are:
//
//   - ambiguous: a request without an answer, which may have taken effect ([Ambiguous]).
//   - capacity: how many conversations may be open at once; of a platform instance.
//   - diverged: the platform's transcript differs from what was sent and received ([Diverged]).
//   - ended, cancelled, expired: complete; stopped by request; out of the platform's time.
//   - fault: a mistake in configuration or in a request, reported with its remedy.
//   - kind: the meaning of an error, on which code acts ([Kind]).
//   - needs attention: the status of a parked conversation.
//   - open conversation: one that holds capacity: running, not parked and not ended.
//   - orphan: a conversation or task in progress on the platform that no workflow runs.
//   - outage: a failure that affects several conversations of an inbox, such as a revoked key.
//   - recovery: what ends a parked state: a retry, a resolved cause, or none.
//   - recovered: the state after an outage.
//   - remedy: what an operator can do about an error.
//   - stranded: a conversation on a task queue or worker version that no worker serves.
package conversation
