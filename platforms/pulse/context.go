package pulse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
)

// Context is the task: its payload as it is, its metadata without what Pulse writes
// into it while the task runs and without what may be secret in callback addresses. Kind
// Ended: Pulse shows that the occurrence is over.
func (p *Platform) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	o, err := occurrenceOf(ref)
	if err != nil {
		return conversation.Context{}, err
	}
	t, err := p.client.Task(ctx, o.task)
	if err != nil {
		return conversation.Context{}, err
	}
	var payload struct {
		AgentID string `json:"agent_id"`
	}
	_ = json.Unmarshal(t.Payload, &payload)
	task := o.toTask(t)
	about := conversation.Context{
		Simulation: strings.TrimSpace(t.Type + " " + payload.AgentID), AgentName: payload.AgentID,
		Metadata: task.Metadata, Task: &task,
	}
	if !o.ended(t) {
		return about, nil
	}
	return about, &conversation.Error{
		Kind: conversation.Ended, Op: fmt.Sprintf("pulse: read task %q", o.task), Err: errors.New(o.over(t)),
	}
}

// ended reports whether the occurrence is over for Pulse. A task that is paused goes on
// later, and so may one in a state that is not known.
func (o occurrence) ended(t Task) bool {
	switch t.Status {
	case StatusCompleted, StatusCancelled, StatusExpired, StatusFailed:
		return true
	case StatusActive, StatusProcessing:
		return o.moved(t)
	}
	return false
}

func (o occurrence) toTask(t Task) conversation.Task {
	task := conversation.Task{
		TooLarge: t.tooLarge(),
		Type:     t.Type, Payload: t.Payload, Metadata: tidy(t.Metadata), ScheduledFor: o.due, Callback: callback(t.Metadata),
	}
	var payload struct {
		Seconds float64 `json:"timeout_seconds"`
	}
	if json.Unmarshal(t.Payload, &payload) == nil && payload.Seconds > 0 {
		task.Timeout = seconds(payload.Seconds)
	}
	return task
}

// callback is the address that wants the result: webhook_url, else callback_url,
// never anything in the payload.
func callback(metadata json.RawMessage) *conversation.Callback {
	webhook, other := text(metadata, "webhook_url"), text(metadata, "callback_url")
	if webhook == "" && other == "" {
		return nil
	}
	c := &conversation.Callback{URL: other}
	if webhook != "" {
		c.URL = webhook
	}
	var settings struct {
		Timeout *float64 `json:"webhook_timeout"`
		Retries *float64 `json:"webhook_retries"`
	}
	if json.Unmarshal(metadata, &settings) == nil {
		if settings.Timeout != nil && *settings.Timeout > 0 {
			c.Timeout = seconds(*settings.Timeout)
		}
		if settings.Retries != nil && *settings.Retries >= 0 {
			retries := int(min(*settings.Retries, math.MaxInt16))
			c.Retries = &retries
		}
	}
	return c
}

// seconds bounds what people write to what a duration holds: a year is for ever.
func seconds(n float64) time.Duration {
	const year = 365 * 24 * 60 * 60
	return time.Duration(min(n, year) * float64(time.Second))
}

// text is a string in a JSON object, or empty.
func text(object json.RawMessage, key string) string {
	var all map[string]json.RawMessage
	var s string
	if json.Unmarshal(object, &all) != nil || json.Unmarshal(all[key], &s) != nil {
		return ""
	}
	return strings.TrimSpace(s)
}

// bookkeeping are the keys that Pulse writes while a task runs, and ours.
var bookkeeping = []string{
	"locked_by", "locked_at", "current_execution_id", "execution_ids", "webhook_attempts", summaryKey,
}

// tidy is the metadata as it was when the task was scheduled, with callback
// addresses cut down to where they lead. What is no object is left out.
func tidy(metadata json.RawMessage) json.RawMessage {
	var all map[string]json.RawMessage
	if json.Unmarshal(metadata, &all) != nil || len(all) == 0 {
		return nil
	}
	for _, key := range bookkeeping {
		delete(all, key)
	}
	for _, key := range []string{"webhook_url", "callback_url"} {
		if address := text(metadata, key); address != "" {
			shown, err := json.Marshal(conversation.RedactURL(address))
			if err != nil {
				shown = []byte(`""`)
			}
			all[key] = shown
		}
	}
	if len(all) == 0 {
		return nil
	}
	clean, err := json.Marshal(all)
	if err != nil {
		return nil
	}
	return clean
}
