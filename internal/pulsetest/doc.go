// Package pulsetest is a stand-in for RunAgent Pulse: its scheduling, list, claim
// and acknowledgement routes in memory, with the quirks of each stage of Pulse as
// switches, faults to order, and a record of who claimed and acknowledged what.
//
//	stand := pulsetest.New(pulsetest.Config{Key: "k", Clock: pulsetest.NewClock(time.Now())})
//	server := httptest.NewServer(stand)
//	id := stand.Add(pulsetest.Schedule{At: stand.Now().Add(time.Minute)})
//
// With a [Clock] nothing happens by itself: the test advances the clock and calls
// [Server.Tick]. Without one, real time counts, and [Server.Run] does what Pulse
// does in the background.
//
// Where Pulse is unkind, so is the stand-in unless a [Quirks] says otherwise: its Date
// header is two seconds late, polls miss what became due before the current minute,
// claims do not exclude and are refused with 500, recurring tasks cannot be
// acknowledged before stage C, histories and results answer 500, tasks expire, and
// ids are matched after decoding. A server of it should close idle connections after
// [IdleTimeout], as Uvicorn does.
//
// # What differs still
//
//   - Pulse's own worker is off unless Config.BuiltIn is set, and takes no time; in
//     stages B and C it cannot be switched off. Its webhook worker does not exist: tasks
//     of other types with a webhook_url stay where they are.
//   - Claims and patches are atomic. In Pulse two that write a task's metadata at once
//     may lose keys, and a busy database may answer 500.
//   - Times in words other than "now" and "in 5 minutes" are refused.
//   - There are no /tools, /meta, /mcp, /metrics and /dashboard.
//
// It was written after Pulse's protocol, not after its source, and is a stand-in
// for tests and for trying Parley out. [New] keeps nothing on disk, [Open] keeps a file.
package pulsetest
