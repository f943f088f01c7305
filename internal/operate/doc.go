// Package operate is what an operator does to conversations and inboxes from outside:
// find, list, read, follow, end, pause, resume, take over. It talks to Temporal only,
// never to a platform or a model. Only updates need a worker: without one, a transcript
// is read from the workflow's history.
//
// A failure is a [Fault] of one line that says what to do.
package operate
