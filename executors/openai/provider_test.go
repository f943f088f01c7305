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

	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/executors/openai"
)

// responses is the Responses API of a server that keeps nothing.
var responses = modeltest.Vendor{
	Name: "openai", Provider: "openai",
	New: func(s modeltest.Settings) (modeltest.Backend, error) {
		return openai.New(config(s, openai.APIResponses))
	},
	KeyHeader: "Authorization", ForeignKey: chat.ForeignKey,
	Handler: func(t *testing.T, texts ...string) http.Handler {
		p := newProvider(t)
		p.answer = func(map[string]any) []any { return []any{message(texts...)} }
		return p.Config.Handler
	},
	Whole: func(text string) string { return modeltest.JSON(done("r", "completed", message(text))) },
	Begin: modeltest.Events(`{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}`),
	Delta: func(text string) string {
		return "data: " + modeltest.JSON(map[string]any{"type": "response.output_text.delta", "output_index": 0, "delta": text})
	},
	Thinking: func(text string) string {
		return "data: " + modeltest.JSON(map[string]any{"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": text})
	},
	End:   modeltest.Events(modeltest.JSON(map[string]any{"type": "response.completed", "response": done("r", "completed")})),
	Begun: once, Known: known,
	Fail:  fail,
	Error: everywhere,
	ErrorEvent: func(text string) string {
		return "data: " + modeltest.JSON(map[string]any{"type": "error", "code": text, "message": text, "param": text})
	},
	ModelPath: "/v1/models",
}

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
		modeltest.WriteJSON(w, http.StatusOK, "{}")
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { modeltest.WriteJSON(w, http.StatusOK, "{}") })
	p.Server = modeltest.NewServer(t, mux)
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
		modeltest.WriteJSON(w, http.StatusBadRequest, apiError("no JSON", ""))
		return
	}
	p.mu.Lock()
	p.creates = append(p.creates, body)
	if previous, ok := body["previous_response_id"].(string); ok && p.kept[previous] == nil {
		p.mu.Unlock()
		modeltest.WriteJSON(w, http.StatusBadRequest, `{"error":{"message":"Previous response not found.","param":"previous_response_id","code":"previous_response_not_found"}}`)
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
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(map[string]any{"id": id, "status": "queued", "output": []any{}, "error": nil}))
	default:
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(res))
	}
}

func (p *provider) get(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.gets++
	res := p.kept[r.PathValue("id")]
	p.mu.Unlock()
	switch {
	case res == nil:
		modeltest.WriteJSON(w, http.StatusNotFound, apiError("Response not found.", ""))
	case r.URL.Query().Get("stream") == "true":
		p.stream(w, r, res, true)
	case p.held():
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(map[string]any{"id": res["id"], "status": "in_progress", "output": []any{}}))
	default:
		modeltest.WriteJSON(w, http.StatusOK, modeltest.JSON(res))
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
	begun := modeltest.JSON(map[string]any{"type": "response.created", "response": map[string]any{"id": res["id"], "status": "in_progress", "output": []any{}, "error": nil}})
	modeltest.WriteEvents(w, modeltest.Events(begun)...)
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
				events = append(events, modeltest.JSON(map[string]any{"type": kind, "output_index": i, "delta": text}))
			}
		case "function_call":
			arguments := it["arguments"].(string)
			events = append(events,
				modeltest.JSON(map[string]any{"type": "response.output_item.added", "output_index": i, "item": map[string]any{"type": "function_call", "call_id": it["call_id"], "name": it["name"], "arguments": ""}}),
				modeltest.JSON(map[string]any{"type": "response.function_call_arguments.delta", "output_index": i, "delta": arguments}))
		}
		events = append(events, modeltest.JSON(map[string]any{"type": "response.output_item.done", "output_index": i, "item": it}))
	}
	modeltest.WriteEvents(w, modeltest.Events(append(events, modeltest.JSON(map[string]any{"type": "response." + res["status"].(string), "response": res}))...)...)
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
