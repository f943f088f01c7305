// Package idle finds out when a worker that works in slices has nothing left to do, so
// that it may end.
//
// A worker is idle once all of this has been true for the time that it was given:
//
//   - No step ran on it. Polls of inboxes and watches of tasks are no steps.
//   - Every inbox that polls has listed its platform since, whichever worker polls. An inbox
//     that is paused, stopped or needs attention is not waited for, and none is if the
//     worker gets no new work because of its version.
//   - No conversation of the task queue that this worker can run is in progress with
//     something due within that time again: a workflow task, an attempt that runs (also
//     on another worker, which may be dead), or a retry.
//
// Conversations that wait for something else are left as they are: those that listen for a
// client's message, wait for capacity or for an operator, are pinned to another version, or
// cannot be continued by this build.
package idle
