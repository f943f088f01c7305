// Package iii is a client of the iii engine: a program that uses it is a worker,
// which serves functions, binds triggers to them and calls the functions of other
// workers, all over one WebSocket.
//
//	w, err := iii.Connect(ctx, iii.Options{URL: "ws://127.0.0.1:49134"})
//	if err != nil { … }
//	_, err = w.RegisterFunction(iii.Function{ID: "greet::hello", Handler: hello})
//	…
//	answer, err := w.Invoke(ctx, "agent::chat", request, iii.Timeout(5*time.Minute))
//	…
//	err = w.Shutdown(ctx) // finishes what runs
//
// One client speaks to engines from 0.6 to 0.25, see [Era]. It depends on nothing
// else of this repository.
//
// # Connection
//
// [Connect] returns at once. The worker connects in the background, pings every
// 20 s, gives a connection up after 60 s of silence and connects again after 1 s,
// doubling up to 30 s, give or take 30 %, for ever. What is registered is announced
// again on each connect. An engine that refuses the credentials is tried again too,
// as its rules may change; [Worker.State], [Worker.Err] and the log tell. Only an
// engine that rejects the worker's name ends it.
//
// # What an error says about a call
//
//   - [ErrNotSent]: it never left this program. Calling again is safe.
//   - [*Error]: the function, or the engine, has answered. With
//     [CodeInvocationStopped] the worker died that ran it.
//   - [ErrConnectionLost], [ErrTimeout], the context's end: nobody knows. The
//     function may have run, and may be running still.
//
// A call made without a connection waits for one, as long as its own timeout
// allows and [Options.QueueLimit] others at most do so; beyond, it fails at once.
//
// # Beside calls and triggers
//
// A channel ([Worker.CreateChannel]) streams bytes and messages from one worker to
// another. Its ends travel as plain JSON in the data of calls: [ChannelRef] as the
// type of a field, or [ChannelRefs] for data of any shape.
//
// [Worker.HTTPHandler] answers HTTP requests for an [HTTPTrigger], in one piece or as
// a stream. [Function.HTTP] is the other way round: the engine runs a function by a
// request to somebody's server.
//
// [NewLogHandler] hands log/slog's records to the engine's log, [Worker.Telemetry]
// OpenTelemetry's data to its collector; package iiiotlp is for spans.
//
// Engines from 0.25 offer to observe functions to clients that name features. This
// one names none and is served as by 0.24.
//
// # Delivery
//
// A message of a durable topic ([QueueTrigger]) or named queue ([Worker.Enqueue])
// comes until the handler succeeds, or until the engine has tried a few times: at least
// once. Engines from 0.11 drop what is published to a topic while it has no trigger:
// hold the trigger in two workers at least, or see [Worker.KeepTrigger]. The triggers of
// one function share its messages. All else comes once or not at all. When the connection breaks, the answers of running handlers have nowhere to
// go: their contexts end, and the engine reports the calls as stopped.
package iii
