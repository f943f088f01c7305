package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// Metrics of workflow code. They are recorded through workflow.GetMetricsHandler, which
// drops what a replay records again. A workflow task whose completion does not reach
// Temporal is run once more, and counts once more.
const (
	MetricClosed          = "parley.conversations.closed"
	MetricParkings        = "parley.parkings"
	MetricTurnOverhead    = "parley.turn.overhead"
	MetricApprovalWait    = "parley.approval.wait"
	MetricCallbacksFailed = "parley.callbacks.failed"
)

// An Instrument describes a metric of workflow code for what makes it: the worker's
// telemetry.
type Instrument struct {
	Name, Description string
	// Timer: its values are times. Otherwise it is a counter.
	Timer bool
	// Buckets are the boundaries of a timer's histogram, in seconds.
	Buckets []float64
}

// Instruments lists the metrics of workflow code.
func Instruments() []Instrument {
	return []Instrument{
		{Name: MetricClosed, Description: "Conversations that have ended, by outcome."},
		{Name: MetricParkings, Description: "How often conversations were parked, by kind of error."},
		{Name: MetricTurnOverhead, Timer: true, Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, Description: "Time of a turn besides the executor, the tools and the other side, of turns without retries and waits."},
		{Name: MetricApprovalWait, Timer: true, Buckets: []float64{1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}, Description: "Time from a request for approval to its decision or timeout, by decision."},
		{Name: MetricCallbacksFailed, Description: "Callbacks of tasks that were given up."},
	}
}

// count adds one to a counter. more are pairs of keys and values.
func (r *run) count(ctx workflow.Context, name string, more ...string) {
	workflow.GetMetricsHandler(ctx).WithTags(r.metricTags(more)).Counter(name).Inc(1)
}

// time records a time.
func (r *run) time(ctx workflow.Context, name string, d time.Duration, more ...string) {
	workflow.GetMetricsHandler(ctx).WithTags(r.metricTags(more)).Timer(name).Record(d)
}

func (r *run) metricTags(more []string) map[string]string {
	by := map[string]string{"platform": r.in.Ref.Platform, "agent": r.in.Ref.Agent}
	for i := 0; i+1 < len(more); i += 2 {
		by[more[i]] = more[i+1]
	}
	return by
}

// turnTime measures what a turn takes besides the executor, the tools and the other side.
type turnTime struct {
	measuring bool
	begun     time.Time
	spent     time.Duration // by them
}

// begin begins a turn.
func (t *turnTime) begin(now time.Time) { *t = turnTime{measuring: true, begun: now} }

// call takes in how long the turn waited for others. Zero: that is not known.
func (t *turnTime) call(tookMS int64) {
	t.measuring = t.measuring && tookMS > 0
	t.spent += time.Duration(tookMS) * time.Millisecond
}

// disturb leaves the turn out: it has waited for something else, or has failed attempts.
func (t *turnTime) disturb() { t.measuring = false }

// end records the turn.
func (r *run) endTurnTime(ctx workflow.Context) {
	t := &r.turnTime
	if t.measuring {
		overhead := workflow.Now(ctx).Sub(t.begun) - t.spent
		r.time(ctx, MetricTurnOverhead, max(overhead, 0))
	}
	t.measuring = false
}

// toolsTook takes in the calls of a round, which were made at the same time. Zero: not all
// are known.
func (t *turnTime) toolsTook(round []int64) {
	longest := int64(0)
	for _, ms := range round {
		if ms == 0 {
			t.disturb()
		}
		longest = max(longest, ms)
	}
	if len(round) > 0 {
		t.call(longest)
	}
}
