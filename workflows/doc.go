// Package workflows holds the two workflows: Conversation, one per conversation
// of a platform, and Inbox, one per agent.
//
// Conversation claims, reads the context, and then lets the agent reply and
// exchanges the reply for what the other side says, until the conversation has
// ended. Every wait in it can be seen and ended from outside:
//
//	claim ─ lost ─▶ outcome "claim lost"
//	context
//	┌▶ reply ──▶ exchange ── ended? ─▶ outcome
//	└───────────────┘
//
// A step whose retries have ended parks the conversation: it needs attention,
// says why and what would help, and waits for resume, takeover or end.
//
// History is linear in the number of turns: a message is recorded once as the
// result of the activity that brought it and once as the input of the activity
// that needs it; the transcript stays in the workflow's memory and in the worker's
// cache. The workflow continues as new when Temporal suggests it, between turns,
// with the newest part of the transcript.
//
// The code here is deterministic: it has no clock, no randomness, no goroutines
// and no input or output but the SDK's. A change to it that running executions
// would notice needs workflow.GetVersion and a new golden history.
package workflows
