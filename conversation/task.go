package conversation

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Task is a conversation of one turn: somebody wants one thing done, at a
// certain time, and the agent's reply is the result.
type Task struct {
	// Type is the platform's word for what is to be done, such as "run_agent".
	Type string `json:"type,omitempty"`
	// Payload is what the task says, a JSON object. [Task.Agent] reads it.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Metadata is the platform's. It holds no secrets.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// ScheduledFor is the second the task is due. It is not begun before.
	ScheduledFor time.Time `json:"scheduled_for,omitzero"`
	// Callback is told the result. Nil: nobody is.
	Callback *Callback `json:"callback,omitempty"`
	// Timeout bounds the whole run of the agent, retries included. Zero: what the
	// agent's policy says.
	Timeout time.Duration `json:"timeout,omitempty"`
	// TooLarge says what had to be left out because it is too long to be read. The task
	// cannot run. Empty: nothing.
	TooLarge string `json:"-"`
}

// MaxTask is how many bytes a task may have as JSON. What it says is recorded
// twice in one payload, of which Temporal takes 2 MiB and shows 2 MB.
const MaxTask = 900 << 10

// CheckSize refuses a task that is too large to be recorded.
func (t Task) CheckSize() error {
	data, err := json.Marshal(t)
	if t.TooLarge != "" {
		err = errors.New(t.TooLarge)
	}
	if err == nil && len(data) > MaxTask {
		err = fmt.Errorf("it has %d KiB, once it is written as JSON; at most %d are possible", len(data)>>10, MaxTask>>10)
	}
	if err != nil {
		return &Error{Kind: Invalid, Op: "size of the task", Err: err, Remedy: "put what is large where the agent can fetch it"}
	}
	return nil
}

// A Callback is an address that is told how a task has ended.
type Callback struct {
	URL string `json:"url"`
	// Timeout bounds one attempt. Zero: 30 seconds.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Retries is how often it is tried again after the first attempt. Nil: three
	// times.
	Retries *int `json:"retries,omitempty"`
}

// Message is what the task says to the agent: its params as structured data, or
// the text of its payload's "message". It is empty data where it has neither.
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

// A TaskStatus is the word that platforms use for how a task has ended.
type TaskStatus string

// How tasks end.
const (
	TaskSuccess   TaskStatus = "success"
	TaskFailed    TaskStatus = "failed"
	TaskCancelled TaskStatus = "cancelled"
)

// A TaskResult is how one occurrence of a task has ended.
type TaskResult struct {
	TaskID string `json:"task_id"`
	// ExecutionID names this run of the task. Results are found by it.
	ExecutionID string     `json:"execution_id"`
	Status      TaskStatus `json:"status"`
	// Result is the agent's answer: any JSON. Null after a failure.
	Result json.RawMessage `json:"result"`
	// Error says what went wrong, and Kind of which kind it is.
	Error string `json:"error,omitempty"`
	Kind  Kind   `json:"error_kind,omitempty"`
	// ScheduledFor is when it was due; Started and Finished when it ran.
	ScheduledFor time.Time `json:"scheduled_for,omitzero"`
	Started      time.Time `json:"started,omitzero"`
	Finished     time.Time `json:"finished,omitzero"`
	// Delivery says what became of the callback. Nil: there is none.
	Delivery *Delivery `json:"delivery,omitempty"`
	// Acknowledged means that the platform knows. Fault says why it does not.
	Acknowledged bool   `json:"acknowledged,omitempty"`
	Fault        string `json:"fault,omitempty"`
}

// Duration is how long the run was.
func (r TaskResult) Duration() time.Duration { return max(0, r.Finished.Sub(r.Started)) }

// A Delivery is what became of a callback.
type Delivery struct {
	State DeliveryState `json:"state"`
	URL   string        `json:"url"`
	// Attempts counts the requests that were made.
	Attempts int `json:"attempts,omitempty"`
	// Code is the last answer's HTTP status. Zero: there was none.
	Code  int       `json:"status_code,omitempty"`
	Error string    `json:"error,omitempty"`
	Time  time.Time `json:"time,omitzero"`
}

// A DeliveryState says where a callback stands.
type DeliveryState string

// The states of a callback.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"
)

// ResultOf is the JSON value that a reply stands for: its structured data, else its
// text, parsed if the whole of it is a JSON object or list, else as a string.
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
