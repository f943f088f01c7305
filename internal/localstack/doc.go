// Package localstack starts a Temporal server on this machine for a demo or a
// test, with nothing to install beforehand:
//
//	stack, err := localstack.Start(ctx, localstack.Options{UI: true})
//	if err != nil { ... }
//	defer stack.Close()
//	c, err := client.Dial(client.Options{HostPort: stack.Address, Namespace: stack.Namespace})
//
// It takes the first of these:
//
//  1. the server whose address is given;
//  2. the Temporal CLI, if a temporal command is on PATH;
//  3. the devserver, this project's own build of Temporal and its UI. It is
//     compiled once, which takes minutes, and kept in the user's cache.
//
// # Promises
//
// A server that was started here ends with this process, however that ends: the
// devserver stops when its standard input closes, and on Linux the kernel kills
// the Temporal CLI with its parent. It runs in a process group of its own, so
// that Ctrl-C reaches this process first and the worker can hand its work over
// before the server goes.
//
// Two processes that need the same devserver build it once: the second waits.
// A changed source or another Go version makes another binary; the newest few
// are kept.
//
// Package build compiles the devserver, package localstacktest wraps all this for
// tests.
package localstack
