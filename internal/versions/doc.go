// Package versions reads which versions of a worker deployment can take work from a
// task queue, and says which workflows no worker can run.
//
// Temporal gives a task of a pinned workflow to workers of its version alone. Any other
// task goes to the current version of the task queue, a percentage of them to the
// ramping one, and where neither is set to the workers without a version. A workflow is
// stranded while no worker of that kind polls the task queue: nothing of it happens,
// and Temporal reports no failure.
//
// [Reader.Read] costs three requests and a few milliseconds. It judges whether a worker is there
// by the heartbeats that workers send to Temporal: one that was stopped says so at once,
// one that was killed is missed after some seconds. The pollers of a task queue, which
// Temporal remembers for minutes after their end, count only where a worker sends no
// heartbeats.
package versions
