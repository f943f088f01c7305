package conversation

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Task is a conversation of one turn, due at a certain time. The agent's reply is its
// result.
type Task struct {
	// Type is the platform's word for the kind of work, such as "run_agent".
	Type string `json:"type,omitempty"`
	// Payload is the task's input, a JSON object. [Task.Run] reads it.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Metadata is the platform's. It holds no secrets.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// ScheduledFor is when the task is due, to the second. It does not begin earlier.
	ScheduledFor time.Time `json:"scheduled_for,omitzero"`
	// Callback receives the result. Nil: there is none.
	Callback *Callback `json:"callback,omitempty"`
	// Timeout bounds the whole run of the agent, retries included. Zero: the agent's
	// policy applies.
	Timeout time.Duration `json:"timeout,omitempty"`
	// TooLarge names the field that was left out because of its size. The task cannot
	// run. Empty: none was.
	TooLarge string `json:"-"`
}

// MaxTask is the largest size of a task as JSON, in bytes. One payload records the
// task's input twice; Temporal accepts payloads of 2 MiB and shows 2 MB.
const MaxTask = 900 << 10

// CheckSize refuses a task that is too large to be recorded.
func (t Task) CheckSize() error {
	data, err := json.Marshal(t)
	if t.TooLarge != "" {
		err = errors.New(t.TooLarge)
	}
	if err == nil && len(data) > MaxTask {
		err = fmt.Errorf("it has %d KiB as JSON; at most %d are possible", len(data)>>10, MaxTask>>10)
	}
	if err != nil {
		return &Error{Kind: Invalid, Op: "size of the task", Err: err, Remedy: "put large data where the agent can fetch it"}
	}
	return nil
}

// A Callback is an address that receives the result of a task.
type Callback struct {
	URL string `json:"url"`
	// Timeout bounds one attempt. Zero: 30 seconds.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Retries is the number of attempts after the first. Nil: three.
	Retries *int `json:"retries,omitempty"`
}

// Message is the task's input to the agent: its params as structured data, or the text
// of its payload's "message". Without either it is an empty object.
func (t Task) Message() Message {
	var said struct {
		Message string          `json:"message"`
		Params  json.RawMessage `json:"params"`
	}
	_ = json.Unmarshal(t.Payload, &said)
	m := Message{Role: RoleUser, Time: t.ScheduledFor}
	if said.Message != "" {
		m.Parts = append(m.Parts, Part{Type: PartText, Text: said.Message})
	}
	if len(said.Params) > 0 && string(said.Params) != "null" {
		m.Parts = append(m.Parts, Part{Type: PartData, Data: said.Params})
	}
	if len(m.Parts) == 0 {
		m.Parts = []Part{{Type: PartData, Data: json.RawMessage("{}")}}
	}
	return m
}

// A TaskStatus says how a task ended, in the word that platforms use.
type TaskStatus string

// The values of TaskStatus.
const (
	TaskSuccess   TaskStatus = "success"
	TaskFailed    TaskStatus = "failed"
	TaskCancelled TaskStatus = "cancelled"
)

// A TaskResult says how one occurrence of a task ended.
type TaskResult struct {
	TaskID string `json:"task_id"`
	// ExecutionID names this run of the task. Clients find results by it.
	ExecutionID string     `json:"execution_id"`
	Status      TaskStatus `json:"status"`
	// Result is the agent's answer: any JSON. Null after a failure.
	Result json.RawMessage `json:"result"`
	// Error is the failure, and Kind its kind.
	Error string `json:"error,omitempty"`
	Kind  Kind   `json:"error_kind,omitempty"`
	// ScheduledFor is when it was due; Started and Finished when it ran.
	ScheduledFor time.Time `json:"scheduled_for,omitzero"`
	Started      time.Time `json:"started,omitzero"`
	Finished     time.Time `json:"finished,omitzero"`
	// Delivery is the state of the callback. Nil: there is none.
	Delivery *Delivery `json:"delivery,omitempty"`
	// Acknowledged means that the platform has confirmed the result. Fault says why it
	// has not.
	Acknowledged bool   `json:"acknowledged,omitempty"`
	Fault        string `json:"fault,omitempty"`
}

// Duration is the time from Started to Finished.
func (r TaskResult) Duration() time.Duration { return max(0, r.Finished.Sub(r.Started)) }

// A Delivery is the state of a callback.
type Delivery struct {
	State DeliveryState `json:"state"`
	URL   string        `json:"url"`
	// Attempts counts the requests so far.
	Attempts int `json:"attempts,omitempty"`
	// Code is the HTTP status of the last answer. Zero: there was none.
	Code  int       `json:"status_code,omitempty"`
	Error string    `json:"error,omitempty"`
	Time  time.Time `json:"time,omitzero"`
}

// A DeliveryState says how far a callback has come.
type DeliveryState string

// The states of a callback.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"
)

// ResultOf is the JSON value of a reply: its structured data; else its text, parsed if
// the whole of it is a JSON object or list; else its text as a string.
func ResultOf(m Message) json.RawMessage {
	for _, p := range m.Parts {
		if p.Type == PartData && len(p.Data) > 0 {
			return p.Data
		}
	}
	text := m.Text()
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return json.RawMessage("null")
	}
	return quoted
}
