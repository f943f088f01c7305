package modelstandin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

type fields = map[string]any

// JSON is the value as JSON.
func JSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's own value
	}
	return string(data)
}

// Write is a handler that answers with a body of JSON. Header values come in
// pairs.
func Write(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Events begins a stream and returns what sends an event's data.
func Events(w http.ResponseWriter) (send func(data string)) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	return func(data string) { sendEvent(w, "data: "+data) }
}

func sendEvent(w http.ResponseWriter, event string) {
	_, _ = fmt.Fprintf(w, "%s\n\n", event)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// arguments are a call's as a value, where they are one.
func arguments(raw string) any {
	if !json.Valid([]byte(raw)) {
		return raw
	}
	return json.RawMessage(raw)
}
