// Package operate is what an operator does to conversations and inboxes from outside: end,
// pause, resume, take over, approve, move, erase; and the records of these acts. It reads
// conversations with package records, and talks to Temporal only, never to a platform or a
// model. A worker must run for what changes a conversation.
//
// A failure is a [records.Fault] of one line that says what to do.
package operate
