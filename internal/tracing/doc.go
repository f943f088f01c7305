// Package tracing makes the spans of conversations.
//
// A conversation is one trace, from its start to its end, over all workers, attempts and
// runs of its workflow:
//
//	conversation
//	├ claim, context
//	├ exchange                what the other side says
//	├ invoke_agent <agent>    a turn of the agent
//	│ ├ chat <model>          an attempt at a reply
//	│ └ execute_tool <tool>   an attempt at a tool call
//	├ exchange …
//	└ end
//
// Names and attributes are in names.go; docs/observability.md describes them.
//
// # Ids
//
// The id of the trace is derived from the id of the workflow's first run ([TraceID]), and
// the ids of the spans that workflow code makes from the run, their name and their time:
// a worker that replays a history gets the same ids, so that spans made before and after a
// crash, on several workers and in all runs of a conversation fit together without any
// state. [IDs] is the generator that makes a provider use them. Spans of activities have
// random ids: each attempt is a span of its own.
//
// What started a conversation (a poll, a caller) has a trace of its own; the two link to
// each other.
//
// # Once
//
// Workflow code runs again after each failed workflow task, and when its worker has died.
// It makes a span only while it does not replay, and the span is exported only when
// Temporal has recorded the workflow task that made it: the interceptor of
// [Tracing.Connect] sees the server's answer. If the answer is lost, so is the span;
// none is exported twice. Spans of activities are exported when their attempt ends.
// What a process has not exported when it is killed is lost.
//
// # Headers
//
// The context of the span in which an activity is scheduled goes along in a Temporal
// header, under the key and in the form that Temporal's own OpenTelemetry interceptors
// use. Headers are not compared when a history is replayed: tracing can be switched on and
// off while conversations are open.
package tracing
