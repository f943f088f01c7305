// Package replaycheck finds out whether a build can continue the workflows that are open
// on a task queue, before they come to it: it reads their histories and replays them with
// the build's own code, converters and interceptors.
//
// A worker checks itself with [Checker.Check] before it polls. For a version that has
// workers, [Run] starts the workflow ReplayCheck, pinned to that version: one of its
// workers does the same as an activity, and the report is the workflow's result.
//
// What is replayed ends wherever the open workflow stands: events of a workflow task that
// has not been completed are left out, since nothing was decided in it yet. A workflow that
// is pinned to another version stays there, and is counted instead of replayed.
//
// A report has ids, types and reasons, and no text of a conversation: what the SDK quotes
// of events is reduced to their kinds and the names of activities.
package replaycheck
