// Package pulse connects Parley to RunAgent Pulse, which schedules runs of
// agents.
//
// [Client] is the part of Pulse's API that a worker needs, as it is on the wire:
// one method a route, Pulse's own words, no retries. [Platform] translates it into
// the words of packages conversation and platforms: an occurrence of a task, which
// is the task at one due second, is a conversation of one turn, and the platform is
// a [platforms.Tasks].
//
// # What Pulse promises, and what not
//
// Pulse has four stages ([Stage]). All are served; what they do
// differently is seen in their answers, not configured.
//
//   - A poll shows only what became due in the current minute of the clock. A task
//     due in its last second is missed easily, and expires after 60 seconds.
//     [Platform.Assigned] therefore also asks for the list of what is due.
//   - From stage A2 on, a claim does not exclude: a task that a worker has claimed
//     can be claimed again. [Platform.Claim] reads it before and after. Who claimed
//     first runs the task.
//   - A claim that is refused answers 500. Whether the task is not ours or the
//     server is ill is seen by reading the task.
//   - Nothing frees a task whose worker died. [Platform.Open] lists it, and
//     [Platform.Claim] with Adopt claims it again.
//   - Acknowledging a recurring task twice skips an occurrence. [Platform.Report]
//     reads first whether the task has moved on.
//   - Recurring tasks cannot be acknowledged in stages A to B: the answer is 500
//     and the task stays claimed. Report says so.
//   - Pulse has no leases, no heartbeat and no route that stores a result.
//
// # Whose clock
//
// A task is due by Pulse's clock, which the Date header of its answers shows. A
// worker whose clock is wrong begins nothing early.
//
// # Callback addresses
//
// A callback's address may carry a token. [conversation.Callback] has it in full,
// because it is needed for the delivery; the metadata that goes to people, routing
// and executors has it without user, password, query and fragment.
package pulse
