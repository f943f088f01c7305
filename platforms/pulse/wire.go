package pulse

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// The states of a task.
const (
	StatusActive     = "active"
	StatusProcessing = "processing"
	StatusCompleted  = "completed"
	StatusExpired    = "expired"
	StatusPaused     = "paused"
	StatusCancelled  = "cancelled"
	StatusFailed     = "failed"
)

// A Task is a task as Pulse keeps it.
type Task struct {
	ID             string          `json:"id"`
	Type           string          `json:"schedule_type"`
	Created        Unix            `json:"created_at"`
	Payload        json.RawMessage `json:"payload"`
	ScheduleConfig ScheduleConfig  `json:"schedule_config"`
	Status         string          `json:"status"`
	Metadata       json.RawMessage `json:"metadata"`
	NextExecution  Unix            `json:"next_execution"`
	// Cut names the fields that were left out because they are too long for a task to
	// run ("payload.params").
	Cut []string `json:"-"`
}

// Recurring reports whether the task comes again after it is acknowledged.
func (t Task) Recurring() bool {
	return len(t.ScheduleConfig.Repeat) > 0 && string(t.ScheduleConfig.Repeat) != "null" ||
		t.ScheduleConfig.When.Type == "recurring" || t.ScheduleConfig.When.Type == "cron"
}

// A ScheduleConfig is how the task is scheduled.
type ScheduleConfig struct {
	When   When            `json:"when"`
	Repeat json.RawMessage `json:"repeat"`
}

// UnmarshalJSON implements [json.Unmarshaler]. Every client may write anything into
// a task's schedule: what is no schedule is a task that is due once.
func (c *ScheduleConfig) UnmarshalJSON(data []byte) error {
	type plain ScheduleConfig
	var p plain
	_ = json.Unmarshal(data, &p)
	*c = ScheduleConfig(p)
	return nil
}

// When has the kind of schedule: "once", "recurring" or "cron".
type When struct {
	Type string `json:"type"`
}

// lock is what a claim writes into a task's metadata.
type lock struct {
	By        string   `json:"locked_by"`
	At        Unix     `json:"locked_at"`
	Current   string   `json:"current_execution_id"`
	Parallels []string `json:"execution_ids"`
}

func (t Task) lock() lock {
	var l lock
	// What was written into the metadata by hand is no lock.
	if json.Unmarshal(t.Metadata, &l) != nil {
		return lock{}
	}
	return l
}

// A DueTask is a task as a poll shows it.
type DueTask struct {
	ID           string          `json:"task_id"`
	Type         string          `json:"schedule_type"`
	Payload      json.RawMessage `json:"payload"`
	ScheduledFor Timestamp       `json:"scheduled_for"`
	Metadata     json.RawMessage `json:"metadata"`
}

// A PollAnswer is what a poll gives.
type PollAnswer struct {
	Tasks []DueTask
	// Odd are the tasks that cannot be understood.
	Odd []*platforms.RowError
	// NextPollAt is when the next task known to Pulse is due, which was not yet. Zero:
	// none is, if NextKnown is set.
	NextPollAt time.Time
	NextKnown  bool
	// Interval is how often Pulse wants to be polled. Zero: it does not say.
	Interval time.Duration
	// Received is when the answer came, by our own clock.
	Received time.Time
}

// An Ack is how a run has ended.
type Ack struct {
	Status      string `json:"status"`
	WorkerID    string `json:"worker_id"`
	ExecutionID string `json:"execution_id,omitempty"`
	// ExecutionTimeMS is how long the run was.
	ExecutionTimeMS int64  `json:"execution_time_ms"`
	Error           string `json:"error,omitempty"`
}

// The words of an Ack's Status.
const (
	AckSuccess = "success"
	AckFailed  = "failed"
)

// An Execution is a line of a task's history.
type Execution struct {
	ExecutionID string `json:"execution_id"`
	ExecutedAt  Unix   `json:"executed_at"`
	Status      string `json:"status"`
	Error       string `json:"error"`
}

// Unix is a point in time as Pulse writes it: whole seconds. Null is the zero time.
type Unix struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (u *Unix) UnmarshalJSON(data []byte) error {
	var s *float64
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("time %s is no number of seconds", rest.Clip(string(data)))
	}
	*u = Unix{}
	if s != nil && *s > 0 {
		u.Time = time.Unix(int64(*s), 0).UTC()
	}
	return nil
}

// A Timestamp is a point in time as Pulse writes it in words: ISO 8601, UTC where
// it has no zone. Null and the empty string are the zero time.
type Timestamp struct{ time.Time }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("timestamp %s is not a string", rest.Clip(string(data)))
	}
	*t = Timestamp{}
	if s == nil || *s == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if parsed, err := time.Parse(layout, *s); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("timestamp %q is not in ISO 8601", rest.Clip(*s))
}
