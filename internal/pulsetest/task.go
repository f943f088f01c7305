package pulsetest

import (
	"cmp"
	"encoding/json"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/robfig/cron/v3"

	"github.com/parley-run/parley/platforms/pulse"
)

// A Schedule is a task to add.
type Schedule struct {
	// ID is for tasks that were scheduled by other means than Pulse's. Default: a UUID.
	ID string
	// Type defaults to run_agent.
	Type string
	// Payload is anything that JSON can hold. Default: agent "a-1", entrypoint
	// "main", no params.
	Payload any
	// Metadata is the scheduler's own.
	Metadata map[string]any
	// At is when it is due. Zero: after Delay.
	At    time.Time
	Delay time.Duration
	// Every makes it recurring, Times times. Times zero: for ever.
	Every time.Duration
	Times int
	// Cron makes it a cron task: five fields, UTC. At, Delay and Every are ignored.
	Cron string
	// WebhookURL is the field webhook_url of the route.
	WebhookURL                     string
	WebhookTimeout, WebhookRetries int // zero: 30 and 3
}

// task is a task with its history.
type task struct {
	id, kind, status string
	created          int64
	payload          json.RawMessage
	metadata         map[string]any // nil: null
	next             int64          // zero: null
	bucket           int64          // the minute in which polls see it; -1: none
	when             map[string]any
	absolute         bool // once, at a given time
	every            int64
	times, count     int
	cron             cron.Schedule
	history          []Execution // oldest first
	results          map[string]any
}

// An Execution is a line of a task's history.
type Execution struct {
	ExecutionID string `json:"execution_id,omitempty"`
	ExecutedAt  int64  `json:"executed_at"`
	Status      string `json:"status"`
	TookMS      *int64 `json:"took_ms,omitempty"`
	Error       string `json:"error,omitempty"`
	ExpiredAt   int64  `json:"expired_at,omitempty"`
}

// A Task is the state of a task.
type Task struct {
	ID, Type, Status string
	Metadata         map[string]any
	// Next is when it is due. Zero: never again.
	Next time.Time
	// Runs counts the acknowledged or expired runs of a recurring task.
	Runs int
}

// Add schedules a task and returns its id. It panics if the cron expression or the
// payload is invalid.
func (s *Server) Add(in Schedule) string {
	t := &task{id: cmp.Or(in.ID, uuid.NewString()), kind: in.Type, status: pulse.StatusActive, results: map[string]any{}}
	if t.kind == "" {
		t.kind = pulse.TypeRunAgent
	}
	if in.Payload == nil {
		in.Payload = map[string]any{"agent_id": "a-1", "entrypoint_tag": "main", "params": map[string]any{}}
	}
	payload, err := json.Marshal(in.Payload)
	if err != nil {
		panic("pulsetest: payload: " + err.Error())
	}
	t.payload = payload
	// Converted by JSON, numbers are as a server would read them.
	if in.Metadata != nil {
		t.metadata = maps.Clone(in.Metadata)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.second()
	t.created = now
	switch {
	case in.Cron != "":
		if t.cron, err = cron.ParseStandard(in.Cron); err != nil {
			panic("pulsetest: cron: " + err.Error())
		}
		t.when = map[string]any{"type": "cron", "cron": in.Cron}
		t.next = t.cron.Next(time.Unix(now, 0).UTC()).Unix()
	case !in.At.IsZero():
		t.absolute = in.Every == 0
		t.when = map[string]any{"type": "once", "time": iso(in.At.Unix())}
		t.next = in.At.Unix()
	default:
		t.when = map[string]any{"type": "once", "delay": in.Delay.String()}
		t.next = now + int64(in.Delay/time.Second)
	}
	if in.Every > 0 && in.Cron == "" {
		t.when["type"] = "recurring"
		t.every, t.times = int64(in.Every/time.Second), in.Times
	}
	if in.WebhookURL != "" && s.quirks.Webhooks {
		t.webhook(in)
	}
	t.bucket = t.next / 60
	s.tasks[t.id] = t
	s.order = append(s.order, t)
	return t.id
}

func (t *task) webhook(in Schedule) {
	if t.metadata == nil {
		t.metadata = map[string]any{}
	}
	timeout, retries := in.WebhookTimeout, in.WebhookRetries
	if timeout == 0 {
		timeout = 30
	}
	if retries == 0 {
		retries = 3
	}
	maps.Copy(t.metadata, map[string]any{
		"webhook_url": in.WebhookURL, "is_webhook": true,
		"webhook_timeout": timeout, "webhook_retries": retries, "webhook_attempts": 0,
	})
}

func (t *task) recurring() bool { return t.every > 0 || t.cron != nil }

// due schedules the task for a time, in the minute in which polls see it.
func (t *task) due(next int64) {
	t.status, t.next, t.bucket = pulse.StatusActive, next, next/60
}

// over takes the task out of the schedule.
func (t *task) over(status string) {
	t.status, t.next, t.bucket = status, 0, -1
}

// proceed advances a recurring task after its occurrence ran or expired.
func (t *task) proceed(now int64) {
	t.count++
	if t.times > 0 && t.count >= t.times {
		t.over(pulse.StatusCompleted)
		return
	}
	if t.cron != nil {
		// Before its second is over, the next time is the same occurrence.
		t.due(t.cron.Next(time.Unix(now, 0).UTC()).Unix())
		return
	}
	next := t.next + t.every
	for next <= now {
		next += t.every
	}
	t.due(next)
}

// wire is the task as Pulse shows it.
func (t *task) wire() map[string]any {
	config := map[string]any{"when": t.when}
	switch {
	case t.cron != nil:
		config["repeat"] = map[string]any{"cron": t.when["cron"]}
	case t.every > 0:
		repeat := map[string]any{"interval_seconds": t.every, "times": nil, "execution_count": t.count}
		if t.times > 0 {
			repeat["times"] = t.times
		}
		config["repeat"] = repeat
	}
	out := map[string]any{
		"id": t.id, "schedule_type": t.kind, "created_at": t.created, "payload": t.payload, "schedule_config": config,
		"status": t.status, "metadata": nil, "next_execution": nil, "next_execution_iso": nil,
	}
	if t.metadata != nil {
		out["metadata"] = maps.Clone(t.metadata)
	}
	if t.next > 0 {
		out["next_execution"], out["next_execution_iso"] = t.next, iso(t.next)
	}
	return out
}

func iso(second int64) string { return time.Unix(second, 0).UTC().Format(time.RFC3339) }

// isoOrNull is null for a zero time.
func isoOrNull(second int64) any {
	if second == 0 {
		return nil
	}
	return iso(second)
}
