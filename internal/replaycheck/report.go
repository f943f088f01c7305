package replaycheck

import (
	"fmt"
	"strings"
)

// A Request says what to replay. It is recorded in the history of a ReplayCheck.
type Request struct {
	// Newest bounds how many open workflows are replayed, the newest first. One of every
	// type and of every status is replayed in any case.
	Newest int `json:"newest,omitempty"`
	// IDs, if not empty, are the workflows to replay, in place of the newest, and also if
	// they are pinned to another version.
	IDs []string `json:"ids,omitempty"`
	// Except are workflows that need not be replayable.
	Except []string `json:"except,omitempty"`
}

// A Failure is an open workflow that the build cannot continue.
type Failure struct {
	ID     string `json:"id"`
	RunID  string `json:"run_id"`
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

// String is the failure on one line.
func (f Failure) String() string {
	return fmt.Sprintf("%s (%s, run %s): %s", f.ID, f.Type, f.RunID, f.Reason)
}

// maxFailures bounds a report: more of them have the same causes.
const maxFailures = 50

// A Report is the result of a check. It is recorded in the history of a ReplayCheck.
type Report struct {
	// Open is how many workflows are open on the task queue.
	Open int `json:"open"`
	// Replayed were replayed without a fault. Failed could not be, of which Failures has at
	// most 50.
	Replayed int       `json:"replayed"`
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"`
	// Keyless are those of Failed whose payloads are encrypted with a key that the worker
	// lacks. No build continues them without it.
	Keyless int `json:"keyless,omitempty"`
	// Pinned stay on another version, and Closed have ended meanwhile: neither was replayed.
	Pinned int `json:"pinned,omitempty"`
	Closed int `json:"closed,omitempty"`
	// Excepted were not replayed, as the request says.
	Excepted int `json:"excepted,omitempty"`
	// Unread are those whose history Temporal did not give, for Reason.
	Unread int    `json:"unread,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Unchecked were chosen, but time was up.
	Unchecked int `json:"unchecked,omitempty"`
}

// OK reports that the build can continue whatever was replayed.
func (r Report) OK() bool { return r.Failed == 0 }

// OnlyKeys reports that nothing speaks against the build itself: what it cannot continue
// lacks a key.
func (r Report) OnlyKeys() bool { return r.Failed == r.Keyless }

// String counts, for people: "12 of 40 open workflows replayed, 1 cannot be continued".
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d open workflows replayed", r.Replayed+r.Failed, r.Open)
	for _, n := range []struct {
		count int
		what  string
	}{
		{r.Failed, "cannot be continued"}, {r.Keyless, "of them for lack of a key"}, {r.Pinned, "pinned to another version"}, {r.Closed, "ended meanwhile"}, {r.Excepted, "excepted"},
		{r.Unread, "could not be read"}, {r.Unchecked, "left out because time was up"},
	} {
		if n.count > 0 {
			fmt.Fprintf(&b, ", %d %s", n.count, n.what)
		}
	}
	return b.String()
}

// Add joins the reports on two parts of the same workflows.
func (r Report) Add(other Report) Report {
	r.Open = max(r.Open, other.Open)
	r.Replayed += other.Replayed
	r.Failed += other.Failed
	r.Keyless += other.Keyless
	r.Failures = append(r.Failures, other.Failures...)
	r.Failures = r.Failures[:min(len(r.Failures), maxFailures)]
	r.Pinned += other.Pinned
	r.Closed += other.Closed
	r.Excepted += other.Excepted
	r.Unread += other.Unread
	if r.Reason == "" {
		r.Reason = other.Reason
	}
	r.Unchecked += other.Unchecked
	return r
}
