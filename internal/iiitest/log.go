package iiitest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/parley-run/parley/iii"
)

// LogRecord is what a call of engine::log::* has left. The log triggers get it in
// this form.
type LogRecord struct {
	Timestamp      int64           `json:"timestamp_unix_nano"`
	Observed       int64           `json:"observed_timestamp_unix_nano"`
	SeverityNumber int             `json:"severity_number"`
	SeverityText   string          `json:"severity_text"`
	Body           string          `json:"body"`
	Attributes     json.RawMessage `json:"attributes"`
	TraceID        *string         `json:"trace_id"`
	SpanID         *string         `json:"span_id"`
	Resource       struct{}        `json:"resource"`
	ServiceName    string          `json:"service_name"`
}

// Logs received so far.
func (e *Engine) Logs() []LogRecord {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.logs)
}

var severities = map[string]LogRecord{
	"trace": {SeverityNumber: 1, SeverityText: "TRACE"},
	"debug": {SeverityNumber: 5, SeverityText: "DEBUG"},
	"info":  {SeverityNumber: 9, SeverityText: "INFO"},
	"warn":  {SeverityNumber: 13, SeverityText: "WARN"},
	"error": {SeverityNumber: 17, SeverityText: "ERROR"},
}

// log is engine::log::<level>. Needs mu.
func (e *Engine) log(level string, data json.RawMessage) error {
	var in struct {
		Message     *string         `json:"message"`
		Data        json.RawMessage `json:"data"`
		TraceID     *string         `json:"trace_id"`
		SpanID      *string         `json:"span_id"`
		ServiceName *string         `json:"service_name"`
	}
	if err := json.Unmarshal(data, &in); err != nil || in.Message == nil {
		e.fault("engine::log::%s: dropped %s", level, data)
		return iii.Errorf("deserialization_error", "missing field `message`")
	}
	r := severities[level]
	r.Timestamp = time.Now().UnixNano()
	r.Observed, r.Body, r.TraceID, r.SpanID = r.Timestamp, *in.Message, in.TraceID, in.SpanID
	r.Attributes, r.ServiceName = json.RawMessage("{}"), "unknown"
	var object map[string]json.RawMessage
	if json.Unmarshal(in.Data, &object) == nil && object != nil {
		r.Attributes = in.Data
	}
	if in.ServiceName != nil {
		r.ServiceName = *in.ServiceName
	}
	e.logs = append(e.logs, r)
	event, err := json.Marshal(r)
	if err != nil {
		return err
	}
	e.fire("log", event, func(config json.RawMessage) bool {
		var c struct{ Level string }
		_ = json.Unmarshal(config, &c) // a configuration of another shape matches all
		least, known := severities[c.Level]
		return !known || r.SeverityNumber >= least.SeverityNumber
	})
	return nil
}
