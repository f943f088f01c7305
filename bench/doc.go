// Command bench measures what Parley costs, beside a bare Temporal workflow with the same
// activities and beside the worker of OneRun's Python SDK, all in one run on one machine.
// "make bench" runs it; docs/performance.md has figures.
package main
