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
// Functions that are run by HTTP are run, plain HTTP and private addresses included;
// [Engine.HTTPHandler] serves http triggers, [Engine.Telemetry] and [Engine.Logs]
// show what has come.
//
// Not in it: cron triggers (call [Engine.Fire]), condition functions, middleware,
// streams, and what is built in beyond state, topics, queues, channels, logs and the
// lists of functions, workers and triggers.
package iiitest
