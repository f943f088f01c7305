package iiitest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/parley-run/parley/iii"
)

// message is written down a second time here, on purpose: a mistake in the
// client's would otherwise be the engine's too.
type message struct {
	Type             string          `json:"type"`
	ID               string          `json:"id,omitempty"`
	Description      *string         `json:"description,omitempty"`
	RequestFormat    json.RawMessage `json:"request_format,omitempty"`
	ResponseFormat   json.RawMessage `json:"response_format,omitempty"`
	Metadata         json.RawMessage `json:"metadata,omitempty"`
	Invocation       *httpFunction   `json:"invocation,omitempty"`
	TriggerType      string          `json:"trigger_type,omitempty"`
	FunctionID       string          `json:"function_id,omitempty"`
	Config           json.RawMessage `json:"config,omitempty"`
	Namespace        string          `json:"namespace,omitempty"`
	TriggerNamespace string          `json:"trigger_namespace,omitempty"`
	InvocationID     string          `json:"invocation_id,omitempty"`
	Data             json.RawMessage `json:"data,omitempty"`
	Traceparent      string          `json:"traceparent,omitempty"`
	Baggage          string          `json:"baggage,omitempty"`
	Action           *struct {
		Type  string `json:"type"`
		Queue string `json:"queue"`
	} `json:"action,omitempty"`
	Result           json.RawMessage `json:"result,omitempty"`
	Error            *body           `json:"error,omitempty"`
	WorkerID         string          `json:"worker_id,omitempty"`
	ReattachToken    string          `json:"reattach_token,omitempty"`
	PreviousWorkerID string          `json:"previous_worker_id,omitempty"`
	Features         json.RawMessage `json:"features,omitempty"`
	Code             string          `json:"code,omitempty"`
	WorkerName       string          `json:"worker_name,omitempty"`
	OwnerWorkerID    *string         `json:"owner_worker_id,omitempty"`
}

type body struct {
	Code       string `json:"code"`
	Message    string `json:"message"`
	Stacktrace string `json:"stacktrace,omitempty"`
}

func (b *body) asError() error {
	return &iii.Error{Code: b.Code, Message: b.Message, Stacktrace: b.Stacktrace}
}

func (m message) encode() json.RawMessage {
	b, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("iiitest: %v", err)) // all raw parts came out of a decoder
	}
	return b
}

// required fields of the messages workers send; a frame without one is dropped.
var required = map[string][]string{
	"registerfunction":          {"id"},
	"unregisterfunction":        {"id"},
	"registertriggertype":       {"id", "description"},
	"unregistertriggertype":     {"id"},
	"registertrigger":           {"id", "trigger_type", "function_id", "config"},
	"unregistertrigger":         {"id"},
	"triggerregistrationresult": {"id", "trigger_type", "function_id"},
	"invokefunction":            {"function_id", "data"},
	"invocationresult":          {"invocation_id", "function_id"},
	"reattach":                  {"previous_worker_id"}, // without a token it is ignored
	"registerservice":           {"id"},
	"ping":                      {},
	"pong":                      {},
}

// decode reads what a worker sent as strictly as an engine does.
func decode(raw []byte) (message, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return message{}, err
	}
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		return message{}, err
	}
	names, known := required[m.Type]
	if !known {
		return message{}, fmt.Errorf("unknown type %q", m.Type)
	}
	for _, name := range names {
		if _, ok := fields[name]; !ok {
			return message{}, fmt.Errorf("%s without %s", m.Type, name)
		}
	}
	if m.InvocationID != "" {
		if _, err := uuid.Parse(m.InvocationID); err != nil {
			return message{}, fmt.Errorf("%s: invocation_id %q is no UUID", m.Type, m.InvocationID)
		}
	}
	if m.Invocation != nil {
		if err := m.Invocation.check(); err != nil {
			return message{}, fmt.Errorf("%s: %w", m.Type, err)
		}
	}
	if m.Error != nil {
		var parts map[string]json.RawMessage
		_ = json.Unmarshal(fields["error"], &parts) // decoded above
		for _, name := range []string{"code", "message"} {
			if _, ok := parts[name]; !ok {
				return message{}, fmt.Errorf("%s: error without %s", m.Type, name)
			}
		}
	}
	return m, nil
}

// A Frame is a message as it was on the wire.
type Frame struct {
	WorkerID string
	// FromWorker is true for messages of a worker, false for those of the engine.
	FromWorker bool
	Type       string
	Raw        json.RawMessage
}

// Frames are all of this engine's so far, telemetry apart.
func (e *Engine) Frames() []Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.frames)
}

// FromWorkers are the frames of workers, of one worker if id is not empty.
func (e *Engine) FromWorkers(id string) []Frame {
	return slices.DeleteFunc(e.Frames(), func(f Frame) bool {
		return !f.FromWorker || id != "" && f.WorkerID != id
	})
}

// record needs mu.
func (e *Engine) record(s *session, fromWorker bool, raw json.RawMessage) {
	var kind struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(raw, &kind) // a frame without a type is recorded all the same
	e.frames = append(e.frames, Frame{s.id, fromWorker, kind.Type, slices.Clone(raw)})
	e.notify()
}
