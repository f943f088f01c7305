package pulsetest

import (
	"net/http"
	"time"

	"github.com/parley-run/parley/platforms/pulse"
)

// Config selects the Pulse to stand in for.
type Config struct {
	// Stage sets the quirks. Default: [pulse.StageC].
	Stage pulse.Stage
	// Key is the API key. Empty: it is not checked.
	Key string
	// Clock is the server's. Nil: real time.
	Clock *Clock
	// BuiltIn has [Server.Tick] run Pulse's own worker, every ten seconds: it takes
	// run_agent and execute_agent tasks up to 60 seconds early.
	BuiltIn bool
	// Change changes the stage's quirks. Nil: none.
	Change func(*Quirks)
}

// Quirks are Pulse's deviations from what a client expects, by stage.
type Quirks struct {
	// ConflictStatus answers a claim that is refused. All stages: 500.
	ConflictStatus int
	// ExecutionIDs come with claims. All but stage A.
	ExecutionIDs bool
	// ParallelClaims lets a task be claimed that is claimed. All but stage A.
	ParallelClaims bool
	// Lease is after how long a claimed task can be claimed by another worker,
	// where claims exclude. Zero: never. Stage A: 300 seconds.
	Lease time.Duration
	// FencedAcks answers 409 to an acknowledgement by a worker that does not hold the
	// task. Stage A.
	FencedAcks bool
	// MinutePoll shows polls only what became due in the current minute of the clock, and
	// at most 60 seconds ago. All stages.
	MinutePoll bool
	// PollMetadata shows the metadata in polls. All but stage A.
	PollMetadata bool
	// Expiry is after how long an unclaimed task expires. Zero: never. All but stage
	// A: 60 seconds.
	Expiry time.Duration
	// CronStuck leaves an expired cron task at its time, to expire again each time. All
	// but stage A.
	CronStuck bool
	// RecurringAckFails answers 500 to the acknowledgement of a recurring task, which
	// stays claimed. All but stage C.
	RecurringAckFails bool
	// RepeatedAcks counts every acknowledgement of a recurring task as another run.
	// All stages.
	RepeatedAcks bool
	// HistoryFails answers 500 once there is a history. Stages A2 and B.
	HistoryFails bool
	// ResultRoute and ResultsRoute exist from stage B, and in stage C.
	ResultRoute, ResultsRoute bool
	// ResultFails answers 500 once a result is stored. Stages B and C.
	ResultFails bool
	// DateLag is how far the Date header of answers may be behind the server's clock,
	// and here it always is. All stages: two seconds, as Uvicorn renews it about once
	// a second and cuts off the fraction.
	DateLag time.Duration
	// Webhooks are accepted when a task is scheduled. All but stage A.
	Webhooks bool
}

// QuirksOf are the quirks of a stage.
func QuirksOf(stage pulse.Stage) Quirks {
	q := Quirks{
		ConflictStatus: http.StatusInternalServerError,
		DateLag:        2 * time.Second,
		MinutePoll:     true, RepeatedAcks: true, RecurringAckFails: stage != pulse.StageC,
	}
	if stage == pulse.StageA {
		q.Lease, q.FencedAcks = 300*time.Second, true
		return q
	}
	q.ExecutionIDs, q.ParallelClaims, q.PollMetadata, q.CronStuck, q.Webhooks = true, true, true, true, true
	q.Expiry = 60 * time.Second
	q.HistoryFails = stage != pulse.StageC
	q.ResultRoute = stage != pulse.StageA2
	q.ResultFails = q.ResultRoute
	q.ResultsRoute = stage == pulse.StageC
	return q
}
