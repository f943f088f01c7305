// Package iiitest is a practice iii engine: it speaks the engine's worker protocol
// on a socket of this machine, or without one, and keeps everything in memory. It
// is for tests of workers and for trying one without an engine:
//
//	go run ./iii/iiitest/engine
//
// Its behaviour follows the era it is given: which functions and trigger types are
// built in, who gets a function that two workers announce, whether there are
// reattach tokens, namespaces and refusals. It is stricter than an engine where
// that finds mistakes: [Engine.Faults] lists the messages that an engine would have
// dropped in silence.
//
// Not in it: HTTP and cron triggers (call [Engine.Invoke], [Engine.Fire]),
// condition functions, channels, streams, HTTP functions, telemetry, and what is
// built in beyond state, topics, queues and the lists of functions, workers and
// triggers.
package iiitest
