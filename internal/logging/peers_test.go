package logging_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/gemini"
	executorhttp "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/executors/runagent"
	"github.com/parley-run/parley/internal/logging"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/platforms/pulse"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
)

// persona is a persona's message that a peer repeats.
const persona = "my mother's maiden name is Wintergreen"

// bodies are errors of peers, in all known shapes.
func bodies() map[string]string {
	out := map[string]string{"plain": persona, "page": "<html><title>" + persona + "</title></html>"}
	for shape, body := range map[string]string{
		"error.message": `{"error": {"message": $M, "type": "invalid_request_error", "code": "bad"}}`,
		"code":          `{"error": {"message": "no", "code": $M, "type": $M, "status": $M}}`,
		"error":         `{"error": $M}`,
		"message":       `{"message": $M}`,
		"detail":        `{"detail": $M}`,
		"detail list":   `{"detail": [{"loc": ["body"], "msg": "bad", "input": $M}]}`,
		"rpc":           `{"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": $M, "data": $M}}`,
		"rpc next":      `{"jsonrpc": "2.0", "id": 2, "error": {"code": -32603, "message": $M}}`,
		"anthropic":     `{"type": "error", "error": {"type": "overloaded_error", "message": $M}}`,
		"gemini":        `{"error": {"code": 400, "message": $M, "status": "INVALID_ARGUMENT", "details": [{"reason": $M}]}}`,
		"blocked":       `{"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": $M}}`,
		"refusal":       `{"choices": [{"index": 0, "message": {"role": "assistant", "refusal": $M}, "finish_reason": "stop"}]}`,
		"remedy":        `{"error": {"kind": "Invalid", "message": $M, "remedy": $M}}`,
		"run":           `{"success": false, "error": {"code": "X", "message": $M, "suggestion": $M}}`,
		"task":          `{"jsonrpc": "2.0", "id": 1, "result": {"kind": "task", "id": "t", "contextId": "c", "status": {"state": "failed", "message": {"kind": "message", "messageId": "m", "role": "agent", "parts": [{"kind": "text", "text": $M}]}}}}`,
	} {
		quoted, _ := json.Marshal(persona)
		out[shape] = strings.ReplaceAll(body, "$M", string(quoted))
	}
	return out
}

// peers sends requests to the server and returns the errors.
func peers(t *testing.T, server string) map[string]func() error {
	t.Helper()
	ask := func(e executors.Executor, err error) func() error {
		require.NoError(t, err)
		return func() error {
			_, err := e.Execute(t.Context(), executortest.Request("c1", persona))
			return err
		}
	}
	no := false
	u, err := url.Parse(server)
	require.NoError(t, err)
	host, text, err := net.SplitHostPort(u.Host)
	require.NoError(t, err)
	port, err := strconv.Atoi(text)
	require.NoError(t, err)
	one, err := onerun.New(onerun.Config{BaseURL: server, APIKey: "key"})
	require.NoError(t, err)
	t.Cleanup(one.Client().CloseIdleConnections)
	tasks, err := pulse.New(pulse.Config{URL: server, Key: "key"})
	require.NoError(t, err)
	set, err := mcp.New(mcp.Config{URL: server + "/mcp"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = set.Close() })
	return map[string]func() error{
		"openai chat":      ask(openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server, Stream: &no}, API: openai.APIChat})),
		"openai responses": ask(openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}, API: openai.APIResponses})),
		"anthropic":        ask(anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}})),
		"gemini":           ask(gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server, Stream: &no}})),
		"openai stream":    ask(openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}, API: openai.APIChat})),
		"gemini stream":    ask(gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: "m", APIKey: "key", BaseURL: server}})),
		"http":             ask(executorhttp.New(executorhttp.Config{URL: server})),
		"a2a":              ask(a2a.New(a2a.Config{URL: server, Endpoint: server + "/rpc"})),
		"runagent": ask(runagent.New(runagent.Config{
			Mode: runagent.ModeLocal, Host: host, Port: port, AgentID: "a", Entrypoint: "main", Validate: &no,
			LookupEnv: func(string) (string, bool) { return "", false },
		})),
		"onerun": func() error {
			_, err := one.Send(t.Context(), conversation.Ref{Platform: "p", Project: "pr", Simulation: "s", Agent: "a", ID: "c"},
				platforms.Send{Messages: []conversation.Message{conversation.Text(conversation.RoleAssistant, "Hi")}})
			return err
		},
		"pulse": func() error {
			_, err := tasks.Claim(t.Context(), conversation.Ref{Platform: "pulse", Simulation: "t", ID: "t@1700000000"}, platforms.Claim{Worker: "w"})
			return err
		},
		"mcp": func() error {
			_, err := set.Call(t.Context(), tools.Call{Name: "refund", Key: "k", Arguments: json.RawMessage(`{}`)})
			return err
		},
	}
}

// logged is the log of a failure at info level and above.
func logged(err error) string {
	var out bytes.Buffer
	l := slog.New(logging.WithoutQuotes(slog.NewTextHandler(&out, nil)))
	l.Error("Activity error.", "Error", err)
	l.Warn("step failed", "reason", err.Error())
	return out.String()
}

// Texts of a conversation that peers repeat do not reach the log above debug level,
// whatever the peer and the shape of its errors.
func TestPeersRepeatingTheConversation(t *testing.T) {
	t.Parallel()
	failures := 0
	for shape, body := range bodies() {
		for _, status := range []int{200, 400, 422, 500} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				if r.URL.Path == "/.well-known/agent-card.json" {
					_, _ = io.WriteString(w, `{"name": "a", "url": "/rpc"}`)
					return
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, body)
			}))
			for name, ask := range peers(t, server.URL) {
				err := ask()
				if err == nil {
					continue // to this one, it is an answer
				}
				failures++
				require.NotContains(t, logged(err), "Wintergreen", "%s, %s with %d: %v", name, shape, status, err)
			}
			server.Close()
		}
	}
	require.Greater(t, failures, 300)
}

func TestProgramsRepeatingTheConversation(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		persona, `{"error": {"message": "` + persona + `", "remedy": "` + persona + `"}}`, `{"error": "` + persona + `"}`,
		`{"message": {"role": "` + persona + `", "text": "x"}}`, `{"message": {"parts": [{"type": "` + persona + `"}]}}`,
	} {
		e, err := command.New(command.Config{Command: []string{"/bin/sh", "-c", `read request; printf '%s\n' "$0"; read more`, strings.ReplaceAll(line, "'", "’")}})
		require.NoError(t, err)
		_, err = e.Execute(t.Context(), executortest.Request("c1", persona))
		require.Error(t, err)
		require.NotContains(t, logged(err), "Wintergreen", "%v", err)
		require.NoError(t, e.Close())
	}
}
