// Package operate is what an operator does to conversations and inboxes from
// outside: find, list, read, follow, end, pause, resume, answer in their stead. It
// talks to Temporal only, never to a platform or a model, and needs no worker for
// anything but updates: a transcript that no worker can be asked for is read from
// the workflow's history.
//
// What goes wrong is a [Fault] of one line that says what to do.
package operate
