package iiitest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/parley-run/parley/iii"
)

// HTTPHandler serves the http triggers that workers have bound, as an engine does
// at its HTTP port:
//
//	server := httptest.NewServer(e.HTTPHandler())
func (e *Engine) HTTPHandler() http.Handler { return http.HandlerFunc(e.serveHTTP) }

func (e *Engine) serveHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	running := e.run
	t, params := e.httpRoute(r)
	if running == nil || t == nil {
		e.mu.Unlock()
		httpFault(w, http.StatusNotFound, "NOT_FOUND", "Not Found")
		return
	}
	running.parts.Add(1)
	defer running.parts.Done()
	requestBody, response := e.newChannel(64, nil), e.newChannel(64, nil)
	requestBody.wrote, response.reads = true, true // by the engine
	e.mu.Unlock()
	defer e.endChannel(requestBody)
	defer e.endChannel(response)
	defer close(response.gone)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(running.ctx, cancel)()

	data := httpData(t, r, params)
	data["request_body"], data["response"] = requestBody.ref("read"), response.ref("write")
	sent := make(chan struct{})
	defer func() { cancel(); <-sent }()
	if strings.Contains(r.Header.Get("Content-Type"), "application/json") {
		raw, _ := io.ReadAll(r.Body) // what has come
		if json.Valid(raw) {
			data["body"] = json.RawMessage(raw)
		}
		go sendBody(ctx, sent, requestBody, bytes.NewReader(raw))
	} else {
		go sendBody(ctx, sent, requestBody, r.Body)
	}
	encoded, err := json.Marshal(data)
	if err != nil {
		httpFault(w, http.StatusInternalServerError, "INTERNAL_ERROR", err.Error())
		return
	}
	e.serveHTTPCall(ctx, w, e.httpEvent(t, encoded), response)
}

func (e *Engine) httpEvent(t *trigger, data json.RawMessage) message {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.event(t, data)
}

func sendBody(ctx context.Context, sent chan struct{}, c *channel, body io.Reader) {
	defer close(sent)
	defer close(c.closed)
	for {
		piece := make([]byte, 16<<10)
		n, err := body.Read(piece)
		if n > 0 && !c.put(ctx, channelItem{websocket.MessageBinary, piece[:n]}) || err != nil {
			return
		}
	}
}

type httpConfig struct {
	Path   string `json:"api_path"`
	Method string `json:"http_method"`
}

// httpRoute needs mu.
func (e *Engine) httpRoute(r *http.Request) (*trigger, map[string]string) {
	for _, t := range e.triggers {
		var c httpConfig
		if t.kind != "http" || json.Unmarshal(t.config, &c) != nil || cmp.Or(c.Method, http.MethodGet) != r.Method {
			continue
		}
		if params, ok := pathParams(c.Path, r.URL.Path); ok {
			return t, params
		}
	}
	return nil, nil
}

func pathParams(pattern, path string) (map[string]string, bool) {
	want, got := strings.Split(strings.Trim(pattern, "/"), "/"), strings.Split(strings.Trim(path, "/"), "/")
	if len(want) != len(got) {
		return nil, false
	}
	params := map[string]string{}
	for i, part := range want {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			params[name] = got[i]
		} else if part != got[i] {
			return nil, false
		}
	}
	return params, true
}

func httpData(t *trigger, r *http.Request, params map[string]string) map[string]any {
	var c httpConfig
	_ = json.Unmarshal(t.config, &c) // httpRoute has decoded it
	query, headers := map[string]string{}, map[string]string{}
	for name, values := range r.URL.Query() {
		query[name] = values[len(values)-1]
	}
	for name, values := range r.Header {
		headers[strings.ToLower(name)] = values[len(values)-1]
	}
	path := "/" + strings.TrimPrefix(c.Path, "/")
	return map[string]any{
		"path": path, "method": r.Method, "headers": headers, "query_params": query, "path_params": params, "body": nil,
		"trigger": map[string]string{"type": "http", "path": path, "method": r.Method},
	}
}

// serveHTTPCall answers with whatever comes first: bytes of the channel, its end,
// or the function's result. After an absent result the channel is waited for.
func (e *Engine) serveHTTPCall(ctx context.Context, w http.ResponseWriter, m message, response *channel) {
	answer := make(chan message, 1)
	e.mu.Lock()
	e.route(m, &call{id: uuid.NewString(), answer: answer})
	e.mu.Unlock()
	head := httpHead{status: http.StatusOK, headers: map[string]string{}}
	for {
		var item channelItem
		var more bool
		select { // the channel goes first
		case item = <-response.items:
			more = true
		default:
			select {
			case item = <-response.items:
				more = true
			case <-response.closed:
				item, more = response.take(ctx)
			case result := <-answer:
				if result.Error != nil {
					httpFault(w, http.StatusInternalServerError, result.Error.Code, result.Error.Message)
					return
				}
				if result.Result != nil && string(result.Result) != "null" {
					e.writeEnvelope(w, result.Result)
					return
				}
				answer = nil
				continue
			case <-ctx.Done():
				return
			}
		}
		if more && item.kind == websocket.MessageText {
			head.heed(item.data)
			continue
		}
		head.write(w)
		for ; more; item, more = response.take(ctx) {
			if item.kind == websocket.MessageBinary {
				if _, err := w.Write(item.data); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush() // best effort
			}
		}
		return
	}
}

// httpHead has the status and headers that a worker's messages set for a streamed response.
type httpHead struct {
	status  int
	headers map[string]string
}

func (h *httpHead) heed(raw []byte) {
	var m struct {
		Type    string         `json:"type"`
		Status  int            `json:"status_code"`
		Headers map[string]any `json:"headers"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return
	}
	switch m.Type {
	case "set_status":
		if m.Status >= 100 && m.Status <= 599 {
			h.status = m.Status
		}
	case "set_headers":
		for name, value := range m.Headers {
			if text, ok := value.(string); ok {
				h.headers[name] = text
			}
		}
	}
}

func (h *httpHead) write(w http.ResponseWriter) {
	for name, value := range h.headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(h.status)
}

// writeEnvelope writes a buffered response. Engines of the eras A and B know of the
// status and JSON alone; here the first of era C, which do not either, are not told
// apart from the later ones.
func (e *Engine) writeEnvelope(w http.ResponseWriter, result json.RawMessage) {
	var r struct {
		Status  *int            `json:"status_code"`
		Headers json.RawMessage `json:"headers"`
		Body    json.RawMessage `json:"body"`
	}
	_ = json.Unmarshal(result, &r) // what is no object has none of these
	status := http.StatusOK
	if r.Status != nil {
		status = *r.Status
	}
	var body []byte = r.Body
	if body == nil {
		body = []byte("{}")
	}
	if e.opts.Era >= iii.EraC {
		envelopeHeaders(w.Header(), r.Headers)
	}
	var text string
	switch {
	case w.Header().Get("Content-Type") == "":
		w.Header().Set("Content-Type", "application/json")
	case string(body) == "null":
		body = nil
	case json.Unmarshal(body, &text) == nil:
		body = []byte(text)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client's loss
}

// envelopeHeaders takes both forms: lines, and an object.
func envelopeHeaders(into http.Header, raw json.RawMessage) {
	var lines []any
	var object map[string]any
	switch {
	case json.Unmarshal(raw, &lines) == nil:
		for _, line := range lines {
			text, _ := line.(string)
			if name, value, ok := strings.Cut(text, ":"); ok {
				into.Add(strings.TrimSpace(name), strings.TrimSpace(value))
			}
		}
	case json.Unmarshal(raw, &object) == nil:
		for name, value := range object {
			if text, ok := value.(string); ok {
				into.Set(name, text)
			}
		}
	}
}

func httpFault(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"code": code, "message": text}})
}
