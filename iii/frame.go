package iii

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Types of frames: the values of "type".
const (
	typeRegisterFunction      = "registerfunction"
	typeUnregisterFunction    = "unregisterfunction"
	typeRegisterTriggerType   = "registertriggertype"
	typeUnregisterTriggerType = "unregistertriggertype"
	typeRegisterTrigger       = "registertrigger"
	typeUnregisterTrigger     = "unregistertrigger"
	typeTriggerResult         = "triggerregistrationresult"
	typeInvoke                = "invokefunction"
	typeResult                = "invocationresult"
	typeWorkerRegistered      = "workerregistered"
	typeReattach              = "reattach"
	typeRejected              = "registrationrejected"
	typePing                  = "ping"
	typePong                  = "pong"
	typeError                 = "error" // outside of the engine's own list; refused credentials
)

// frame has the fields of every message: no two of them use a field differently. Empty
// fields are left out, as the engine requires.
type frame struct {
	Type string `json:"type"`

	ID             string          `json:"id,omitempty"`
	Description    string          `json:"description,omitempty"`
	RequestFormat  json.RawMessage `json:"request_format,omitempty"`
	ResponseFormat json.RawMessage `json:"response_format,omitempty"`
	Metadata       json.RawMessage `json:"metadata,omitempty"`
	Namespace      string          `json:"namespace,omitempty"`
	Invocation     *httpInvocation `json:"invocation,omitempty"`

	TriggerRequestFormat json.RawMessage `json:"trigger_request_format,omitempty"`
	CallRequestFormat    json.RawMessage `json:"call_request_format,omitempty"`
	TriggerType          string          `json:"trigger_type,omitempty"`
	TriggerNamespace     string          `json:"trigger_namespace,omitempty"`
	Config               json.RawMessage `json:"config,omitempty"`

	FunctionID   string          `json:"function_id,omitempty"`
	InvocationID string          `json:"invocation_id,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
	Result       json.RawMessage `json:"result,omitempty"`
	Error        *Error          `json:"error,omitempty"`
	Action       *action         `json:"action,omitempty"`
	Traceparent  string          `json:"traceparent,omitempty"`
	Baggage      string          `json:"baggage,omitempty"`

	WorkerID         string          `json:"worker_id,omitempty"`
	ReattachToken    string          `json:"reattach_token,omitempty"`
	PreviousWorkerID string          `json:"previous_worker_id,omitempty"`
	Features         json.RawMessage `json:"features,omitempty"`

	Code          string `json:"code,omitempty"`
	WorkerName    string `json:"worker_name,omitempty"`
	OwnerWorkerID string `json:"owner_worker_id,omitempty"`

	arrived time.Time // when a received frame arrived
}

type action struct {
	Type  string `json:"type"` // "void", "enqueue"
	Queue string `json:"queue,omitempty"`
}

// errNoMessage: the WebSocket message is empty or telemetry, which is no fault.
var errNoMessage = errors.New("no message")

// decodeFrame decodes one WebSocket message. It accepts unknown fields and types.
func decodeFrame(message []byte) (frame, error) {
	trimmed := bytes.TrimSpace(message)
	for _, telemetry := range []string{"OTLP", "MTRC", "LOGS"} {
		if bytes.HasPrefix(trimmed, []byte(telemetry)) {
			return frame{}, errNoMessage
		}
	}
	if len(trimmed) == 0 {
		return frame{}, errNoMessage
	}
	var f frame
	if err := json.Unmarshal(trimmed, &f); err != nil {
		return frame{}, fmt.Errorf("not a message of the protocol: %w", err)
	}
	if f.Type == "" {
		return frame{}, errors.New(`not a message of the protocol: it has no "type"`)
	}
	return f, nil
}

// encode cannot fail: raw JSON is validated before it is put into a frame.
func (f frame) encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		panic(fmt.Sprintf("iii: a %s frame does not encode: %v", f.Type, err))
	}
	return bytes.TrimSpace(b.Bytes())
}

// raw encodes v as JSON; nil becomes zero.
func raw(v any, zero string) (json.RawMessage, error) {
	if v == nil {
		if zero == "" {
			return nil, nil
		}
		return json.RawMessage(zero), nil
	}
	if given, ok := v.(json.RawMessage); ok {
		if len(given) == 0 {
			return raw(nil, zero)
		}
		if !json.Valid(given) {
			return nil, errors.New("the raw message is not valid JSON")
		}
		return given, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return json.RawMessage(strings.TrimSpace(b.String())), nil
}
