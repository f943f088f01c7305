package apierror

import (
	"encoding/json"
	"strings"
)

// within reads a decoded body or event that came with a status of success.
func (r *reader) within(v any, depth int) (Error, bool) {
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	m, ok := v.(map[string]any)
	if !ok {
		return Error{}, false
	}
	r.whole = false // a text within an error may break off
	return r.besides(m, depth)
}

// besides reads the error in an object unless a usable answer stands beside it.
func (r *reader) besides(m object, depth int) (Error, bool) {
	if m.usable() {
		return Error{}, false
	}
	if inner, ok := r.enveloped(m, depth); ok {
		return inner.with(r.own(m, depth)), true
	}
	if m.fails() {
		return r.own(m, depth), true
	}
	if choices, _ := m["choices"].([]any); len(choices) > 0 { // OpenRouter puts it there
		first, _ := choices[0].(map[string]any)
		return r.envelope(first, "error", depth+1)
	}
	return Error{}, false
}

// usable reports whether an object holds a part of an answer that can be used.
func (m object) usable() bool {
	if list, ok := m["choices"].([]any); ok {
		for _, v := range list {
			if choice, ok := v.(map[string]any); ok && answers(choice) {
				return true
			}
		}
	}
	if list, ok := m["candidates"].([]any); ok && len(list) > 0 {
		return true
	}
	if m["promptFeedback"] != nil || m["output_text"] != nil {
		return true
	}
	for _, name := range []string{"content", "output", "message", "delta"} {
		switch v := m[name].(type) {
		case []any:
			if len(v) > 0 {
				return true
			}
		case map[string]any:
			if spoken(v) {
				return true
			}
		}
	}
	return false
}

// answers reports whether a choice holds a part of an answer.
func answers(choice object) bool {
	reason, _ := choice["finish_reason"].(string)
	if strings.EqualFold(reason, "error") {
		return false
	}
	for _, name := range []string{"message", "delta"} {
		if part, ok := choice[name].(map[string]any); ok && spoken(part) {
			return true
		}
	}
	text, _ := choice["text"].(string)
	return text != "" || reason != "" && !strings.EqualFold(reason, "null")
}

// spoken reports whether a message has content.
func spoken(message object) bool {
	for _, name := range []string{"content", "text", "parts", "tool_calls", "function_call", "refusal", "reasoning_content", "reasoning", "partial_json", "thinking"} {
		switch v := message[name].(type) {
		case string:
			if v != "" {
				return true
			}
		case []any:
			if len(v) > 0 {
				return true
			}
		case map[string]any:
			return true
		}
	}
	return false
}

// fails reports whether the members of an object that came with a status of success
// report an error: it is called one, or it has a code or a message where an answer has
// neither.
func (m object) fails() bool {
	if m.declares() {
		return true
	}
	if m["object"] != nil || m["id"] != nil || m["choices"] != nil && len(m) > 2 || m["usage"] != nil || m["type"] != nil || m["jsonrpc"] != nil {
		return false // an answer, or an event of a stream
	}
	switch v := m["detail"].(type) {
	case string:
		if v != "" {
			return true
		}
	case []any:
		if len(v) > 0 {
			return true
		}
	}
	for _, name := range messages[:12] {
		if text, ok := m[name].(string); ok && text != "" && !isSuccess(text) {
			return true
		}
	}
	return false
}

// declares reports whether the members say that the object is an error.
func (m object) declares() bool {
	if m.isCalled("error") || m["error"] == true {
		return true
	}
	for _, name := range []string{"success", "ok"} {
		if v, is := m[name].(bool); is && !v && m.message() != "" {
			return true
		}
	}
	for _, name := range []string{"code", "Code", "error_code", "errcode", "errorCode", "status_code", "statusCode", "status"} {
		if m.isFailure(name) && (m.message() != "" || m["detail"] != nil) {
			return true
		}
	}
	return false
}

func (m object) isCalled(name string) bool {
	for _, key := range []string{"object", "type", "status", "event"} {
		if v, _ := m[key].(string); strings.EqualFold(v, name) {
			return true
		}
	}
	return false
}

// isFailure reports whether a member is a code other than that of success.
func (m object) isFailure(name string) bool {
	switch v := m[name].(type) {
	case json.Number:
		return !isZero(v) && (len(v) != 3 || v[0] != '2')
	case string:
		return v != "" && v != "0" && !(len(v) == 3 && v[0] == '2') && !isSuccess(v) && name != "status"
	}
	return false
}

// isSuccess reports whether a word means that the request succeeded.
func isSuccess(s string) bool {
	switch strings.ToLower(strings.Trim(s, " .!")) {
	case "ok", "success", "successful", "succeeded", "succeed", "done", "true", "completed", "成功", "请求成功":
		return true
	}
	return false
}
