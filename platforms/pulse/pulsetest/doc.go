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
// It was written after Pulse's protocol, not after its source, and is a stand-in
// for tests and for trying Parley out: it keeps nothing on disk.
package pulsetest
