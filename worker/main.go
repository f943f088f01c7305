// Command worker runs Parley's worker: it finds conversations, runs each as a
// Temporal workflow, and lets an executor answer for your agent. `worker --help`
// says how. The code is in package worker/command.
package main

import "github.com/parley-run/parley/worker/command"

func main() { command.Main() }
