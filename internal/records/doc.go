// Package records is the one place that reads conversations: from Temporal's visibility,
// from the worker that runs one, and from workflow histories. What it returns is typed and
// complete: a [Conversation] is one line of a list, a [Record] all that is known of one
// conversation, with its messages and turns. Commands, pages, reports and exports are
// views of it.
//
// It talks to Temporal only, never to a platform or a model. A worker is asked while a
// conversation runs; without one, the history answers.
//
// A failure is a [Fault] of one line that says what to do.
package records
