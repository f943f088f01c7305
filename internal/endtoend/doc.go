// Package endtoend tests the whole system on a real Temporal server, with faults: killed
// and frozen workers, lost answers, restarts of everything.
package endtoend
