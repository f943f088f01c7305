package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"time"
)

// serveStandIn answers as OpenAI's Chat Completions does, by three rules, until the
// process ends. It returns its address.
func serveStandIn() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at the start of the process
	if err != nil {
		return "", fmt.Errorf("stand-in for a model: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"data": []any{}}) })
	mux.HandleFunc("POST /v1/chat/completions", complete)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String() + "/v1", nil
}

var orderNumber = regexp.MustCompile(`\b\d{4}\b`)

func complete(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Model    string `json:"model"`
		Messages []struct {
			Role    string `json:"role"`
			Content string `json:"content"`
		} `json:"messages"`
		Tools []any `json:"tools"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request); err != nil || len(request.Messages) == 0 {
		http.Error(w, `{"error": {"message": "no messages", "type": "invalid_request_error"}}`, http.StatusBadRequest)
		return
	}
	last := request.Messages[len(request.Messages)-1]
	message, finish := map[string]any{"role": "assistant"}, "stop"
	switch order := orderNumber.FindString(last.Content); {
	case last.Role == "tool":
		message["content"] = "I have looked it up: " + last.Content
	case order != "" && len(request.Tools) > 0:
		finish = "tool_calls"
		message["tool_calls"] = []any{map[string]any{
			"id": "call_1", "type": "function",
			"function": map[string]any{"name": "find_order", "arguments": `{"number": ` + order + `}`},
		}}
	default:
		message["content"] = "You wrote: " + last.Content
	}
	answer(w, map[string]any{
		"id": "chatcmpl-1", "object": "chat.completion", "model": request.Model,
		"choices": []any{map[string]any{"index": 0, "message": message, "finish_reason": finish}},
		"usage":   map[string]any{"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17},
	})
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
