// Package demo is the demonstration that "worker --dev" runs: a Temporal server,
// practice personas and a worker on one machine, with progress from the first
// second and a table in the end.
//
// [Run] starts what is needed, in this order, and stops it in the opposite one,
// whatever happens: the simulator with its personas, the Temporal server (package
// localstack), the worker. It takes no part in the conversations: these run as
// they would against a platform elsewhere, and are observed through the
// simulator's report and through Temporal.
//
// People read stderr while it goes on. Stdout has the results only.
package demo
