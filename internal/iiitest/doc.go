// Package iiitest is a practice iii engine: it implements the engine's worker protocol
// on a socket of this machine, or without one, and keeps everything in memory. It is for
// tests of workers, and for trials without an engine:
//
//	go run ./internal/iiitest/engine
//
// Its behaviour follows the era it is given: which functions and trigger types are
// built in, who gets a function that two workers announce, whether there are
// reattach tokens, namespaces and refusals. It is stricter than an engine where that
// finds mistakes: [Engine.Faults] lists the messages that an engine would have dropped.
//
// By default it is as unkind as the engines 0.8.3, 0.11.6, 0.22.1 and 0.23.0-rc.4 are:
// a topic without a subscriber loses its messages (from era C on), a message that finds
// no worker uses up attempts and becomes a dead letter, ten messages of a trigger are
// delivered at a time, an answer that comes too early is dropped, and before 0.11 a
// worker that leaves takes functions away that another has taken over. [Kindness] has a
// switch for each. [Options].Access puts workers under access rules.
//
// Functions that are run by HTTP are run, plain HTTP and private addresses included;
// [Engine.HTTPHandler] serves http triggers, [Engine.Telemetry] and [Engine.Logs]
// show what has come.
//
// Known to differ from an engine still:
//
//   - State, topics and dead letters outlive [Engine.Stop]. An engine keeps them only if
//     its store is set to a file.
//   - A message that is being delivered while the engine stops is delivered again. An
//     engine may leave it among the active ones, undelivered.
//   - Any number of messages wait for a worker that does not read. An engine holds 64,
//     then its callers wait.
//   - The list of functions has the shape of 0.12 in era C, and that of 0.22 from era D
//     on. The builtin queue is meant; RabbitMQ and Redis have limits of their own.
//   - Access rules know no metadata, hooks, middleware or forbidden functions.
//   - Registrations take effect in the order in which they come. Parts of an engine do it
//     a moment later.
//
// Not in it: cron triggers (call [Engine.Fire]), condition functions, middleware,
// streams, and what is built in beyond state, topics, queues, channels, logs and the
// lists of functions, workers and triggers.
package iiitest
