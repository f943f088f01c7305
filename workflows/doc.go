// Package workflows holds the workflows: Conversation, one per conversation, Inbox, one
// per agent, Capacity, one per platform instance, and Ledger, one per budget and day.
//
// # The conversation
//
// Conversation goes through the same steps whatever its other side is:
//
//	begin ── lost, ended ──▶ end ─▶ outcome
//	  │
//	┌▶ reconcile, if the state may be old
//	│ roll over, if the history is long
//	│ gate: paused? capacity? expired?
//	│ next message, unless it is the agent's turn
//	│ reply: executor, tools, or an operator
//	│ deliver the reply ── ended? ──▶ end ─▶ outcome
//	└──────┘
//
// What differs is behind the interface side, chosen once by ConversationInput.Side: a
// conversation on a platform (claim, context, exchange), over a transport (exchange), with
// clients (updates), or the run of a task (claim, context, reports).
//
// A step whose retries have ended parks the conversation: it needs attention, shows the
// reason and the remedy, and waits for resume, takeover or end.
//
// The state is in small structs, each with its methods in a file of its name: transcript,
// wishes (of operators), claim, resets, steps, usage, approvals, events.
//
// # Histories
//
// History is linear in the number of turns: a message is recorded once as the result of
// the activity that brought it and once as the input of the activity that needs it; the
// transcript stays in the workflow's memory and in the worker's cache. The workflow
// continues as new when Temporal suggests it, between turns, with the newest part of the
// transcript.
//
// The code here is deterministic: it has no clock, no randomness, no goroutines and no
// input or output but the SDK's. A change that running executions would notice needs
// workflow.GetVersion and a new golden history.
package workflows
