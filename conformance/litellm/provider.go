package main

import (
	"encoding/json"
	"net/http"
)

// provide is the provider behind the proxy, in OpenAI's dialect. Each model is one way
// to answer.
func provide(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	_ = json.NewDecoder(r.Body).Decode(&req) // the model is empty then
	if f, ok := failures[req.Model]; ok {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": f.body})
		return
	}
	message, finish := message(req.Model)
	choice := map[string]any{"index": 0, "finish_reason": finish}
	answer := map[string]any{
		"id": "chatcmpl-1", "created": 1, "model": req.Model, "choices": []any{choice},
		"usage": map[string]any{"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
	}
	if !req.Stream {
		answer["object"], choice["message"] = "chat.completion", message
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
		return
	}
	answer["object"], choice["delta"] = "chat.completion.chunk", message
	w.Header().Set("Content-Type", "text/event-stream")
	raw, _ := json.Marshal(answer) // maps of strings and numbers
	_, _ = w.Write([]byte("data: " + string(raw) + "\n\ndata: [DONE]\n\n"))
}

func message(model string) (message map[string]any, finish string) {
	message = map[string]any{"role": "assistant", "content": onItsWay}
	switch model {
	case "think":
		message["content"] = "<think>the order is 1042</think>\n\n" + onItsWay
	case "reasoning":
		message["reasoning_content"] = "the order is 1042"
	case "length":
		message["content"] = "It is on"
		return message, "length"
	case "tool":
		message["content"] = nil
		message["tool_calls"] = []any{map[string]any{
			"index": 0, "id": "call_1", "type": "function",
			"function": map[string]any{"name": "find_order", "arguments": `{"number":9007199254740993}`},
		}}
		return message, "tool_calls"
	}
	return message, "stop"
}

type failure struct {
	status int
	body   map[string]any
}

var failures = map[string]failure{
	"long":     {400, map[string]any{"message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.", "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}},
	"poor":     {429, map[string]any{"message": "You exceeded your current quota, please check your plan and billing details.", "type": "insufficient_quota", "param": nil, "code": "insufficient_quota"}},
	"limited":  {429, map[string]any{"message": "Rate limit reached for requests. Please try again in 1s.", "type": "requests", "param": nil, "code": "rate_limit_exceeded"}},
	"locked":   {401, map[string]any{"message": "Incorrect API key provided.", "type": "invalid_request_error", "param": nil, "code": "invalid_api_key"}},
	"busy":     {503, map[string]any{"message": "The engine is currently overloaded, please try again later", "type": "server_error", "param": nil, "code": nil}},
	"filtered": {400, map[string]any{"message": "The response was filtered due to the prompt triggering the content management policy.", "type": nil, "param": "prompt", "code": "content_filter"}},
}
