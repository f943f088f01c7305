package schedules

import (
	"bytes"
	"encoding/json"
	"net/url"
	"time"

	"github.com/parley-run/parley/conversation"
)

// TaskType is the type of task that schedules give.
const TaskType = "run_agent"

// A Task is the input for the agent, as flags give it. Empty fields keep the value of
// Payload, or of the existing task.
type Task struct {
	Message    string
	Payload    string // a JSON object
	Params     string // a JSON object
	Args       string // a JSON list
	AgentID    string
	Entrypoint string
	UserID     string
	Executor   string // executor_type
	// Timeout bounds a run.
	Timeout time.Duration

	Callback        string
	CallbackTimeout time.Duration
	CallbackRetries *int
}

// apply changes a task. It reports all faults of the command line.
func (t Task) apply(to *conversation.Task) error {
	payload := map[string]json.RawMessage{}
	switch {
	case t.Payload != "":
		if err := object("--payload", t.Payload, &payload); err != nil {
			return err
		}
	case len(to.Payload) > 0:
		if err := json.Unmarshal(to.Payload, &payload); err != nil {
			return malformed("the schedule's payload is not a JSON object: give another with --payload")
		}
	}
	for _, f := range []struct{ field, text string }{
		{"message", t.Message}, {"agent_id", t.AgentID}, {"entrypoint_tag", t.Entrypoint},
		{"user_id", t.UserID}, {"executor_type", t.Executor},
	} {
		if f.text == "" {
			continue
		}
		quoted, err := json.Marshal(f.text)
		if err != nil {
			return err
		}
		payload[f.field] = quoted
	}
	if t.Params != "" {
		if err := object("--params", t.Params, &map[string]json.RawMessage{}); err != nil {
			return err
		}
		payload["params"] = json.RawMessage(t.Params)
	}
	if t.Args != "" {
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(t.Args), &list); err != nil || list == nil {
			return malformed("--args is not a JSON list, such as '[1, \"two\"]'")
		}
		payload["args"] = json.RawMessage(t.Args)
	}
	text, err := marshal(payload)
	if err != nil {
		return err
	}
	to.Type, to.Payload = TaskType, text
	if err := to.CheckSize(); err != nil {
		return malformed("%v", err)
	}
	if _, err := to.Run(); err != nil {
		return malformed("%v", err)
	}
	switch {
	case t.Timeout < 0:
		return malformed("--task-timeout %v is negative", t.Timeout)
	case t.Timeout > 0:
		to.Timeout = t.Timeout
	}
	return t.applyCallback(to)
}

func (t Task) applyCallback(to *conversation.Task) error {
	if t.Callback != "" {
		at, err := url.Parse(t.Callback)
		switch {
		case err != nil, at.Scheme != "http" && at.Scheme != "https", at.Host == "":
			return malformed("--callback is not an address such as https://example.com/done")
		case at.User != nil:
			return malformed("--callback must not contain a password: callbacks are signed by the worker's configuration")
		}
		if to.Callback == nil {
			to.Callback = &conversation.Callback{}
		}
		to.Callback.URL = t.Callback
	}
	switch {
	case to.Callback == nil && (t.CallbackTimeout != 0 || t.CallbackRetries != nil):
		return malformed("--callback-timeout and --callback-retries go with --callback")
	case t.CallbackTimeout < 0:
		return malformed("--callback-timeout %v is negative", t.CallbackTimeout)
	case t.CallbackRetries != nil && *t.CallbackRetries < 0:
		return malformed("--callback-retries %d is negative", *t.CallbackRetries)
	}
	if t.CallbackTimeout > 0 {
		to.Callback.Timeout = t.CallbackTimeout
	}
	if t.CallbackRetries != nil {
		to.Callback.Retries = t.CallbackRetries
	}
	return nil
}

// object reads a JSON object.
func object(flag, text string, into *map[string]json.RawMessage) error {
	if err := json.Unmarshal([]byte(text), into); err != nil || *into == nil {
		return malformed("%s is not a JSON object, such as '{\"city\": \"Oslo\"}'", flag)
	}
	return nil
}

// marshal does not escape "<" and "&".
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
