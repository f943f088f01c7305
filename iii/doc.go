// Package iii is a client for iii engines. A program that uses it is a worker of the
// engine: it serves functions, binds triggers to them and calls the functions of other
// workers, all over one WebSocket.
//
//	w, err := iii.Connect(ctx, iii.Options{URL: "ws://127.0.0.1:49134"})
//	if err != nil { … }
//	_, err = w.RegisterFunction(iii.Function{ID: "greet::hello", Handler: hello})
//	…
//	answer, err := w.Invoke(ctx, "agent::chat", request, iii.Timeout(5*time.Minute))
//	…
//	err = w.Shutdown(ctx) // waits for the handlers that run
//
// The client supports engines from 0.6 to 0.25, see [Era]. It imports no other package
// of this module.
//
// # Connection
//
// [Connect] returns at once. The worker connects in the background, pings every 20 s
// and closes a connection on which it receives nothing for 60 s. It reconnects without
// limit, after 1 s at first and doubling up to 30 s, ±30 %. Each new connection announces
// every registered function and trigger. Refused credentials are retried too, because the
// engine's rules may change. [Worker.State], [Worker.Err] and the log report the
// connection. Only an engine that rejects the worker's name ends the worker.
//
// # What an error means for a call
//
//   - [ErrNotSent]: the call never left this program. A retry is safe.
//   - [*Error]: the function or the engine answered. With [CodeInvocationStopped] the
//     worker that ran the function disconnected.
//   - [ErrConnectionLost], [ErrTimeout], the context's end: ambiguous. The function may
//     have run, or may still be running.
//
// A call without a connection waits for one, for as long as its timeout. At most
// [Options.QueueLimit] calls wait; further ones fail at once.
//
// # Several workers for one function
//
// An engine gives each function to one worker. [Worker.RegisterReplica] lets several
// workers offer the same functions: one serves, the others stand by and replace it when
// it leaves.
//
// # Channels, HTTP, logs and telemetry
//
// A channel ([Worker.CreateChannel]) streams bytes and messages from one worker to
// another. Its ends travel as plain JSON in the data of calls: [ChannelRef] as the
// type of a field, or [ChannelRefs] for data of any shape.
//
// [Worker.HTTPHandler] answers the HTTP requests of an [HTTPTrigger], in one piece or as
// a stream. [Function.HTTP] is the reverse: the engine runs a function by a request to
// an HTTP server.
//
// [NewLogHandler] writes log/slog records to the engine's log. [Worker.Telemetry] sends
// OpenTelemetry data to the engine's collector; package iiiotlp exports spans with it.
//
// Engines from 0.25 offer the observation of functions to clients that negotiate
// features. This client negotiates none, and the engine treats it as 0.24 did.
//
// # Delivery
//
// A message of a durable topic ([QueueTrigger]) or a named queue ([Worker.Enqueue]) is
// delivered at least once: until the handler succeeds, or until the engine's attempts
// are used up. Engines from 0.11 drop what is published to a topic that has no trigger:
// bind the trigger in at least two workers, or use [Worker.KeepTrigger]. The triggers of
// one function share its messages. Everything else is delivered at most once.
//
// When the connection breaks, running handlers can no longer be answered: their contexts
// end, and the engine reports their calls as stopped.
package iii
