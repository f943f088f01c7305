// Package server runs a whole Temporal server and its web UI inside one
// process, on SQLite. It is for demonstrations and tests on one machine:
// nothing is authenticated, so it listens on loopback by default.
//
// [Start] returns once everything answers: the frontend serves, every namespace
// and search attribute is usable, the UI delivers its page.
//
//	srv, err := server.Start(ctx, server.Config{
//		FrontendAddress: "127.0.0.1:0", // any free port
//		Namespaces:      []string{"default"},
//	})
//	if err != nil { … }
//	defer srv.Stop(ctx)
//	client.Dial(client.Options{HostPort: srv.Address})
//
// # What it promises
//
//   - Only the frontend and the UI have ports anybody chose. The inner services
//     (history, matching, worker) get free loopback ports, so that servers may
//     run side by side, and no membership protocol is spoken.
//   - A database file is created complete or not at all, belongs to one process
//     at a time, and survives a kill.
//   - Temporal's own code ends the process when a listener it needs was taken
//     after it had been found free. Two devservers never do this to each other.
package server
