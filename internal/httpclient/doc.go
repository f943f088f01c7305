// Package httpclient makes every HTTP client of this project. A client that [New]
// returns
//
//   - sends a request with an effect once: net/http never repeats it, whatever
//     headers it carries. Requests by GET, HEAD, OPTIONS and TRACE have no effect;
//     net/http may repeat them when a kept connection breaks;
//   - asks for the attempt's right to act ([lease.Check]) before such a request, and
//     again when there is a connection to send it on. An attempt that has lost the
//     right meanwhile sends nothing: see [NotSentError];
//   - follows no redirect, so that neither keys nor messages reach another server;
//   - bounds what it accepts and how long it waits for a connection;
//   - sends the context of the span in the request's context along, as W3C's headers
//     traceparent and tracestate say. Without a span there are none.
//
// A client that a caller brings keeps its transport and gets the same promises.
package httpclient
