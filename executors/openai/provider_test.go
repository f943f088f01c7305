package openai_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/parley-run/parley/executors/openai"
)

// A provider is a server of the Responses API that keeps responses in memory.
type provider struct {
	*httptest.Server
	// answer gives the output of a response. Nil: a greeting.
	answer func(body map[string]any) []any
	// hold, if not nil, keeps runs in progress until it is closed.
	hold chan struct{}

	mu        sync.Mutex
	kept      map[string]map[string]any
	creates   []map[string]any
	gets      int
	cancelled []string
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{kept: map[string]map[string]any{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/responses", p.create)
	mux.HandleFunc("GET /v1/responses/{id}", p.get)
	mux.HandleFunc("POST /v1/responses/{id}/cancel", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.cancelled = append(p.cancelled, r.PathValue("id"))
		p.mu.Unlock()
		writeJSON(w, http.StatusOK, "{}")
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, "{}") })
	p.Server = newServer(t, mux)
	return p
}

func (p *provider) bodies() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]map[string]any(nil), p.creates...)
}

// forget drops all that is kept.
func (p *provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = map[string]map[string]any{}
}

// set changes what is kept of a response.
func (p *provider) set(id string, fields map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, value := range fields {
		p.kept[id][name] = value
	}
}

func (p *provider) create(w http.ResponseWriter, r *http.Request) {
	data, _ := io.ReadAll(r.Body)
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		writeJSON(w, http.StatusBadRequest, apiError("no JSON", ""))
		return
	}
	p.mu.Lock()
	p.creates = append(p.creates, body)
	if previous, ok := body["previous_response_id"].(string); ok && p.kept[previous] == nil {
		p.mu.Unlock()
		writeJSON(w, http.StatusBadRequest, `{"error":{"message":"Previous response not found.","param":"previous_response_id","code":"previous_response_not_found"}}`)
		return
	}
	id := fmt.Sprintf("resp_%d", len(p.creates))
	output := []any{message("Good day! ", "Müller here.")}
	if p.answer != nil {
		output = p.answer(body)
	}
	res := done(id, "completed", output...)
	if body["store"] == true {
		p.kept[id] = res
	}
	p.mu.Unlock()
	background := body["background"] == true
	switch {
	case body["stream"] == true:
		p.stream(w, r, res, background)
	case background:
		writeJSON(w, http.StatusOK, toJSON(map[string]any{"id": id, "status": "queued", "output": []any{}, "error": nil}))
	default:
		writeJSON(w, http.StatusOK, toJSON(res))
	}
}

func (p *provider) get(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.gets++
	res := p.kept[r.PathValue("id")]
	p.mu.Unlock()
	switch {
	case res == nil:
		writeJSON(w, http.StatusNotFound, apiError("Response not found.", ""))
	case r.URL.Query().Get("stream") == "true":
		p.stream(w, r, res, true)
	case p.held():
		writeJSON(w, http.StatusOK, toJSON(map[string]any{"id": res["id"], "status": "in_progress", "output": []any{}}))
	default:
		writeJSON(w, http.StatusOK, toJSON(res))
	}
}

func (p *provider) held() bool {
	if p.hold == nil {
		return false
	}
	select {
	case <-p.hold:
		return false
	default:
		return true
	}
}

// stream sends a response as events.
func (p *provider) stream(w http.ResponseWriter, r *http.Request, res map[string]any, background bool) {
	begun := toJSON(map[string]any{"type": "response.created", "response": map[string]any{"id": res["id"], "status": "in_progress", "output": []any{}, "error": nil}})
	writeEvents(w, begun)
	if p.hold != nil && background {
		select {
		case <-p.hold:
		case <-r.Context().Done():
			return
		}
	}
	var events []string
	for i, it := range res["output"].([]any) {
		it := it.(map[string]any)
		switch it["type"] {
		case "message":
			for _, c := range it["content"].([]any) {
				c := c.(map[string]any)
				kind, text := "response.output_text.delta", c["text"]
				if c["type"] == "refusal" {
					kind, text = "response.refusal.delta", c["refusal"]
				}
				events = append(events, toJSON(map[string]any{"type": kind, "output_index": i, "delta": text}))
			}
		case "function_call":
			arguments := it["arguments"].(string)
			events = append(events,
				toJSON(map[string]any{"type": "response.output_item.added", "output_index": i, "item": map[string]any{"type": "function_call", "call_id": it["call_id"], "name": it["name"], "arguments": ""}}),
				toJSON(map[string]any{"type": "response.function_call_arguments.delta", "output_index": i, "delta": arguments}))
		}
		events = append(events, toJSON(map[string]any{"type": "response.output_item.done", "output_index": i, "item": it}))
	}
	writeEvents(w, append(events, toJSON(map[string]any{"type": "response." + res["status"].(string), "response": res}))...)
}

func message(texts ...string) map[string]any {
	var content []any
	for _, text := range texts {
		content = append(content, map[string]any{"type": "output_text", "text": text, "annotations": []any{}})
	}
	return map[string]any{"type": "message", "role": "assistant", "content": content}
}

func functionCall(id, name, arguments string) map[string]any {
	return map[string]any{"type": "function_call", "id": "fc_" + id, "call_id": id, "name": name, "arguments": arguments, "status": "completed"}
}

// done is a response that has ended.
func done(id, status string, output ...any) map[string]any {
	return map[string]any{
		"id": id, "object": "response", "status": status, "model": "test-1-0601", "output": output,
		"error": nil, "incomplete_details": nil,
		"usage": json.RawMessage(`{"input_tokens":12,"output_tokens":5,"total_tokens":17,"input_tokens_details":{"cached_tokens":8}}`),
	}
}

func viaResponses(c *openai.Config) {
	store := true
	c.API, c.Store = openai.APIResponses, &store
}

func viaBackground(c *openai.Config) { c.API, c.Background = openai.APIResponses, true }

// responseModes are the ways to ask through the Responses API.
func responseModes() map[string]func(*openai.Config) {
	return map[string]func(*openai.Config){
		"Streaming":           viaResponses,
		"Whole":               func(c *openai.Config) { viaResponses(c); noStream(c) },
		"BackgroundStreaming": viaBackground,
		"BackgroundWhole":     func(c *openai.Config) { viaBackground(c); noStream(c) },
	}
}

// inputs are a request's input as "role: text" or "type: id".
func inputs(body map[string]any) []string {
	var out []string
	list, _ := body["input"].([]any)
	for _, it := range list {
		it := it.(map[string]any)
		if role, ok := it["role"].(string); ok {
			out = append(out, role+": "+it["content"].(string))
		} else {
			out = append(out, strings.TrimSpace(fmt.Sprint(it["type"], ": ", it["call_id"])))
		}
	}
	return out
}
