package modelstandin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/parley-run/parley/conversation"
)

const (
	chatParameters = "model messages stream stream_options temperature top_p max_tokens max_completion_tokens n stop seed tools tool_choice " +
		"parallel_tool_calls response_format reasoning_effort verbosity store metadata user safety_identifier prompt_cache_key " +
		"prompt_cache_retention service_tier frequency_penalty presence_penalty logit_bias logprobs top_logprobs modalities audio " +
		"prediction web_search_options functions function_call"
	responsesParameters = "model input instructions stream stream_options temperature top_p max_output_tokens max_tool_calls tools tool_choice " +
		"parallel_tool_calls text reasoning store metadata user safety_identifier prompt_cache_key prompt_cache_retention service_tier " +
		"previous_response_id conversation background include truncation top_logprobs prompt context_management"
	// leastOutput is the least max_output_tokens of the Responses API.
	leastOutput = 16
	// longestCallID is in characters.
	longestCallID = 64
)

func openAIRefusal(status int, param, code, format string, args ...any) *refusal {
	reason := fmt.Sprintf(format, args...)
	body := fields{"message": reason, "type": "invalid_request_error", "param": nil, "code": nil}
	if param != "" {
		body["param"] = param
	}
	if code != "" {
		body["code"] = code
	}
	return &refusal{reason, Write(status, JSON(fields{"error": body}), "x-request-id", "req_1")}
}

// checkOpenAI is what both of OpenAI's APIs require.
func checkOpenAI(q request, messages string) *refusal {
	bad := func(param, code, format string, args ...any) *refusal {
		return openAIRefusal(http.StatusBadRequest, param, code, format, args...)
	}
	switch {
	case !strings.HasPrefix(q.header.Get("Authorization"), "Bearer "):
		return openAIRefusal(http.StatusUnauthorized, "", "", "You didn't provide an API key.")
	case q.text("model") == "":
		return bad("", "", "you must provide a model parameter")
	case !q.has(messages):
		return bad(messages, "missing_required_parameter", "Missing required parameter: '%s'.", messages)
	case len(q.list(messages)) == 0:
		return bad(messages, "empty_array", "Invalid '%s': empty array. Expected an array with minimum length 1, but got an empty array instead.", messages)
	case q.has("tools") && len(q.list("tools")) == 0:
		return bad("tools", "empty_array", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case q.has("stream_options") && string(q.top["stream"]) != "true":
		return bad("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	for _, name := range []string{"tool_choice", "parallel_tool_calls"} {
		if q.has(name) && !q.has("tools") {
			return bad(name, "", "'%s' is only allowed when 'tools' are specified.", name)
		}
	}
	for i, t := range q.list("tools") {
		if messages == "messages" { // the function is an object of its own there
			var f map[string]json.RawMessage
			_ = json.Unmarshal(t["function"], &f) // without, it has no name
			if f == nil {
				f = map[string]json.RawMessage{}
			}
			f["type"], t = t["type"], f
		}
		q := request{top: t}
		switch {
		case q.text("type") != "function":
			return bad(fmt.Sprintf("tools[%d].type", i), "invalid_value", "Invalid value: '%s'.", q.text("type"))
		case !wellNamed.MatchString(q.text("name")):
			return bad(fmt.Sprintf("tools[%d].name", i), "invalid_value",
				"Invalid 'tools[%d].name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", i)
		case q.has("parameters") && !object(t["parameters"]):
			return bad(fmt.Sprintf("tools[%d].parameters", i), "invalid_function_parameters", "Invalid schema for function '%s'.", q.text("name"))
		}
	}
	return nil
}

func checkChat(q request, req chatRequest) *refusal {
	if no := checkOpenAI(q, "messages"); no != nil {
		return no
	}
	if names := q.unknown(chatParameters); len(names) > 0 {
		return openAIRefusal(http.StatusBadRequest, "", "", "Unrecognized request argument supplied: %s", names[0])
	}
	bad := func(param, format string, args ...any) *refusal {
		return openAIRefusal(http.StatusBadRequest, param, "", format, args...)
	}
	var waiting open
	for i, m := range req.Messages {
		at := fmt.Sprintf("messages.[%d]", i)
		if m.Role == conversation.RoleTool {
			if !waiting.result(m.ToolCallID) {
				return bad(at+".role", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.")
			}
			continue
		}
		if len(waiting) > 0 {
			break
		}
		switch {
		case m.Role != conversation.RoleAssistant && m.Role != conversation.RoleUser && m.Role != conversation.RoleSystem && m.Role != "developer":
			return bad(at+".role", "Invalid value: '%s'.", m.Role)
		case m.Content == "" && len(m.ToolCalls) == 0:
			return bad(at+".content", "Invalid value for 'content': expected a string, got null.")
		case len(m.ToolCalls) > 0 && m.Role != conversation.RoleAssistant:
			return bad(at, "Additional properties are not allowed ('tool_calls' was unexpected)")
		}
		for _, c := range m.ToolCalls {
			if c.ID == "" || len(c.ID) > longestCallID || !wellNamed.MatchString(c.Function.Name) {
				return bad(at+".tool_calls", "Invalid '%s.tool_calls': %q is no id or %q is no name.", at, c.ID, c.Function.Name)
			}
			waiting.call(c.ID)
		}
	}
	if len(waiting) > 0 {
		return bad("messages", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "+
			"The following tool_call_ids did not have response messages: %s", strings.Join(waiting, ", "))
	}
	return nil
}

func checkResponses(q request, req responsesRequest, known []string, previous bool) *refusal {
	if no := checkOpenAI(q, "input"); no != nil {
		return no
	}
	bad := func(param, code, format string, args ...any) *refusal {
		return openAIRefusal(http.StatusBadRequest, param, code, format, args...)
	}
	if names := q.unknown(responsesParameters); len(names) > 0 {
		return bad(names[0], "unknown_parameter", "Unknown parameter: '%s'.", names[0])
	}
	if q.has("max_output_tokens") && q.number("max_output_tokens") < leastOutput {
		return bad("max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.")
	}
	if req.Previous != "" && !previous {
		return bad("previous_response_id", "previous_response_not_found", "Previous response with id '%s' not found.", req.Previous)
	}
	for i, it := range req.Input {
		at := fmt.Sprintf("input[%d]", i)
		switch it.Type {
		case "function_call":
			if !wellNamed.MatchString(it.Name) || len(it.CallID) > longestCallID {
				return bad(at+".name", "invalid_value", "Invalid '%s.name': string does not match pattern.", at)
			}
		case "function_call_output":
		case "", "message":
			switch it.Role {
			case conversation.RoleUser, conversation.RoleAssistant, conversation.RoleSystem, "developer":
			default:
				return bad(at+".role", "invalid_value", "Invalid value: '%s'.", it.Role)
			}
		default:
			return bad(at+".type", "invalid_value", "Invalid value: '%s'.", it.Type)
		}
	}
	orphans, unanswered := pair(known)
	switch {
	case len(orphans) > 0:
		return bad("input", "", "No tool call found for function call output with call_id %s.", orphans[0])
	case len(unanswered) > 0:
		return bad("input", "", "No tool output found for function call %s.", unanswered[0])
	}
	return nil
}

func openAILimited() http.HandlerFunc {
	return Write(http.StatusTooManyRequests, JSON(fields{"error": fields{
		"message": "Rate limit reached for standin-1 in organization org-1 on requests per min (RPM): Limit 60, Used 60, Requested 1. Please try again in 1s.",
		"type":    "requests", "param": nil, "code": "rate_limit_exceeded",
	}}), "Retry-After", "1", "x-ratelimit-limit-requests", "60", "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1s",
		"x-ratelimit-limit-tokens", "30000", "x-ratelimit-remaining-tokens", "29000", "x-ratelimit-reset-tokens", "34ms")
}

func openAIOverloaded() http.HandlerFunc {
	return Write(http.StatusServiceUnavailable, JSON(fields{"error": fields{
		"message": "The server is currently overloaded with other requests. Sorry about that! You can retry your request.",
		"type":    "service_unavailable_error", "param": nil, "code": nil,
	}}))
}

func (Chat) limited() http.HandlerFunc         { return openAILimited() }
func (Chat) overloaded() http.HandlerFunc      { return openAIOverloaded() }
func (Responses) limited() http.HandlerFunc    { return openAILimited() }
func (Responses) overloaded() http.HandlerFunc { return openAIOverloaded() }
