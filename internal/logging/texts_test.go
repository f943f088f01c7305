package logging_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// goWords are words of Go that mean nothing to the reader of an error.
var goWords = regexp.MustCompile(`json: |Go (struct|value)|unmarshal|\*?\b(jsonrpc2?|sdk|genai|wire)\.[A-Z]|%!|<nil>|invalid character`)

// An answer of wrong types is described without Go's words.
func TestWrongTypesInPlainWords(t *testing.T) {
	t.Parallel()
	failures := 0
	for _, body := range []string{
		`{"choices": 5}`, `{"choices": [{"message": 5}]}`, `{"choices": [{"message": {"content": {"a": 1}}}]}`, `{"id": 5, "choices": [], "usage": "x"}`,
		`{"id": 7, "status": "completed", "output": 5}`, `{"output": [{"type": 5}]}`, `{"status": ["completed"]}`,
		`{"type": "message", "content": 5}`, `{"type": "message", "content": [{"type": "text", "text": 5}], "usage": {"input_tokens": "many"}}`, `{"content": "x", "model": 5}`,
		`{"candidates": 5}`, `{"candidates": [{"content": "x"}]}`, `{"candidates": [{"content": {"parts": [{"text": 5}]}}]}`,
		`{"message": 5}`, `{"message": {"parts": 5}}`, `{"message": "x", "usage": 5}`, `{"delta": 5}`, `{"end": "yes", "message": "x"}`,
		`{"jsonrpc": "2.0", "id": 1, "result": 5}`, `{"jsonrpc": "2.0", "id": 1, "result": {"kind": 5}}`, `{"jsonrpc": "2.0", "id": 1, "result": {"kind": "message", "parts": 5}}`,
		`{"jsonrpc": 2, "id": 1, "result": {}}`, `{"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": 5}}`,
		`{"success": "yes", "data": 5}`, `{"ended": "x", "output": 5}`, `[]`, `5`, `"text"`, `null`, `{`, `{"a": }`, ``,
	} {
		for _, events := range []bool{false, true} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if events {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = io.WriteString(w, "data: "+body+"\n\n")
					return
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, body)
			}))
			for name, ask := range peers(t, server.URL) {
				err := ask()
				if err == nil {
					continue
				}
				failures++
				if goWords.MatchString(err.Error()) {
					t.Errorf("%s for %s, events %v: %v", name, body, events, err)
				}
			}
			server.Close()
		}
	}
	require.Greater(t, failures, 150)
}
