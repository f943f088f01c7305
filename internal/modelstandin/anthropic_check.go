package modelstandin

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

const (
	messagesParameters = "model messages max_tokens system stream temperature top_p top_k tools tool_choice metadata stop_sequences thinking " +
		"service_tier container context_management mcp_servers output_config inference_geo cache_control"
	// overloadedStatus is Anthropic's own.
	overloadedStatus = 529
	// mostMarks is how many parts of a prompt may be marked for the cache.
	mostMarks = 4
)

func anthropicRefusal(status int, kind, format string, args ...any) *refusal {
	reason := fmt.Sprintf(format, args...)
	return &refusal{reason, Write(status, AnthropicError(reason, kind), "request-id", "req_011CSHoEeqs5C35K2UUqR7Fy")}
}

func checkMessages(q request, req messagesRequest) *refusal {
	bad := func(format string, args ...any) *refusal {
		return anthropicRefusal(http.StatusBadRequest, "invalid_request_error", format, args...)
	}
	if q.header.Get("X-Api-Key") == "" && q.header.Get("Authorization") == "" {
		return anthropicRefusal(http.StatusUnauthorized, "authentication_error", "x-api-key header is required")
	}
	if q.header.Get("Anthropic-Version") == "" {
		return bad("anthropic-version: header is required")
	}
	for _, name := range []string{"model", "max_tokens", "messages"} {
		if !q.has(name) {
			return bad("%s: Field required", name)
		}
	}
	if names := q.unknown(messagesParameters); len(names) > 0 {
		return bad("%s: Extra inputs are not permitted", names[0])
	}
	switch {
	case q.number("max_tokens") < 1:
		return bad("max_tokens: must be greater than or equal to 1")
	case len(req.Messages) == 0:
		return bad("messages: at least one message is required")
	case req.Messages[0].Role != conversation.RoleUser:
		return bad("messages: first message must use the \"user\" role")
	case req.Messages[len(req.Messages)-1].Role != conversation.RoleUser:
		return bad("This model does not support assistant message prefill. The conversation must end with a user message.")
	case q.has("tool_choice") && len(req.Tools) == 0:
		return bad("tool_choice may only be specified while providing tools")
	}
	for i, t := range q.list("tools") {
		switch {
		case !wellNamed.MatchString(request{top: t}.text("name")):
			return bad("tools.%d.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", i)
		case !bytes.Contains(t["input_schema"], []byte(`"type"`)) || !object(t["input_schema"]):
			return bad("tools.%d.custom.input_schema.type: Field required", i)
		}
	}
	marks := 0
	for _, name := range []string{"system", "messages", "tools"} {
		marks += bytes.Count(q.top[name], []byte(`"cache_control":{`))
	}
	if marks > mostMarks {
		return bad("A maximum of 4 blocks with cache_control may be provided. Found %d.", marks)
	}
	return checkTurns(req, bad)
}

// checkTurns checks the messages one by one.
func checkTurns(req messagesRequest, bad func(string, ...any) *refusal) *refusal {
	var waiting open
	seen := map[string]bool{}
	for i, m := range req.Messages {
		if i > 0 && m.Role == req.Messages[i-1].Role {
			return bad("messages: roles must alternate between \"user\" and \"assistant\", but found multiple %q roles in a row", m.Role)
		}
		if len(m.Content) == 0 {
			return bad("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		calls := waiting
		waiting = nil
		for j, b := range m.Content {
			at := fmt.Sprintf("messages.%d.content.%d", i, j)
			switch b.Type {
			case "text":
				if blank(b.Text) {
					return bad("messages: text content blocks must contain non-whitespace text")
				}
				if len(calls) > 0 { // results come first
					return bad("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s.", i-1, strings.Join(calls, ", "))
				}
			case "tool_use":
				switch {
				case m.Role != conversation.RoleAssistant:
					return bad("%s: `tool_use` blocks can only be in `assistant` messages", at)
				case !wellNamed.MatchString(b.ID):
					return bad("%s.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", at)
				case seen[b.ID]:
					return bad("messages: `tool_use` ids must be unique")
				case !object(b.Input):
					return bad("%s.tool_use.input: Input should be a valid dictionary", at)
				case len(req.Tools) == 0:
					return bad("Requests which include `tool_use` or `tool_result` blocks must define tools")
				}
				seen[b.ID] = true
				waiting.call(b.ID)
			case "tool_result":
				if !calls.result(b.ToolUseID) {
					return bad("%s: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", at, b.ToolUseID)
				}
				if b.IsError && len(b.Content) == 0 {
					return bad("%s.tool_result: content cannot be empty if `is_error` is true", at)
				}
			}
		}
		if len(calls) > 0 {
			return bad("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s.", i-1, strings.Join(calls, ", "))
		}
	}
	return nil
}

func (Messages) limited() http.HandlerFunc {
	return Write(http.StatusTooManyRequests, AnthropicError("This request would exceed your organization's rate limit of 60 requests per minute.", "rate_limit_error"),
		"Retry-After", "1", "anthropic-ratelimit-requests-limit", "60", "anthropic-ratelimit-requests-remaining", "0",
		"anthropic-ratelimit-requests-reset", "2026-01-01T00:00:00Z", "x-should-retry", "true")
}

func (Messages) overloaded() http.HandlerFunc {
	return Write(overloadedStatus, AnthropicError("Overloaded", "overloaded_error"), "x-should-retry", "true")
}
