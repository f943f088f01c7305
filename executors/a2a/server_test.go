package a2a_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/a2asrv"
	"github.com/a2aproject/a2a-go/a2asrv/eventqueue"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/internal/modeltest"
	"github.com/parley-run/parley/secret"
)

const (
	token     = "pk-very-secret-token-0123456789"
	headerKey = modeltest.HeaderKey
	cardPath  = "/.well-known/agent-card.json"
)

func TestMain(m *testing.M) { modeltest.Main(m, token, headerKey) }

// A turn is what an agent made with the SDK does with a message.
type turn func(ctx context.Context, say func(sdk.Event), req *a2asrv.RequestContext) error

// An agent is one of the SDK's.
type agent struct {
	turn      turn
	cancelled chan sdk.TaskID
}

func (a *agent) Execute(ctx context.Context, req *a2asrv.RequestContext, queue eventqueue.Queue) error {
	return a.turn(ctx, func(ev sdk.Event) { _ = queue.Write(ctx, ev) }, req)
}

func (a *agent) Cancel(ctx context.Context, req *a2asrv.RequestContext, queue eventqueue.Queue) error {
	a.cancelled <- req.TaskID
	ev := sdk.NewStatusUpdateEvent(req, sdk.TaskStateCanceled, nil)
	ev.Final = true
	return queue.Write(ctx, ev)
}

// serveSDK starts an agent made with the SDK, which wants both keys.
func (v version) serveSDK(t *testing.T, streaming bool, do turn) (*httptest.Server, *agent) {
	t.Helper()
	a := &agent{turn: do, cancelled: make(chan sdk.TaskID, 16)}
	rpc := a2asrv.NewJSONRPCHandler(a2asrv.NewHandler(a, a2asrv.WithLogger(slog.New(slog.DiscardHandler))))
	return v.serve(t, streaming, rpc.ServeHTTP), a
}

// serve starts an agent with a card.
func (v version) serve(t *testing.T, streaming bool, rpc http.HandlerFunc) *httptest.Server {
	t.Helper()
	var server *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+cardPath, func(w http.ResponseWriter, _ *http.Request) {
		modeltest.WriteJSON(w, http.StatusOK, v.card(server.URL+"/rpc", streaming))
	})
	answer := v.rpc(t, rpc)
	handle := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("X-Api-Key") != headerKey {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r)
	}
	mux.HandleFunc("/rpc", handle)
	mux.HandleFunc("/rpc/", handle)
	server = modeltest.NewServer(t, mux)
	return server
}

func newCard(url string, streaming bool) *sdk.AgentCard {
	return &sdk.AgentCard{
		Name: "Support", Description: "Helps.", URL: url, ProtocolVersion: "0.3.0", Version: "1",
		PreferredTransport: sdk.TransportProtocolJSONRPC,
		Capabilities:       sdk.AgentCapabilities{Streaming: streaming},
		DefaultInputModes:  []string{"text/plain", "application/json"}, DefaultOutputModes: []string{"text/plain"},
		Skills: []sdk.AgentSkill{{ID: "help", Name: "Help", Description: "Helps.", Tags: []string{"help"}}},
		Security: []sdk.SecurityRequirements{
			{"bearer": sdk.SecuritySchemeScopes{}},
		},
		SecuritySchemes: sdk.NamedSecuritySchemes{"bearer": sdk.HTTPAuthSecurityScheme{Scheme: "Bearer"}},
	}
}

// A call is what a raw agent is asked.
type call struct {
	Method string `json:"method"`
	ID     any    `json:"id"`
	Params struct {
		ID      string       `json:"id"`
		Message *sdk.Message `json:"message"`
		Config  *struct {
			Accept   []string `json:"acceptedOutputModes"`
			Blocking *bool    `json:"blocking"`
		} `json:"configuration"`
	} `json:"params"`
}

// serveRaw starts an agent that need not behave.
func (v version) serveRaw(t *testing.T, streaming bool, answer func(w http.ResponseWriter, r *http.Request, c call)) *httptest.Server {
	t.Helper()
	return v.serve(t, streaming, func(w http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Errorf("the request is not JSON: %v", err)
		}
		answer(w, r, c)
	})
}

// newExecutor makes an executor for the agent, with secrets of every kind.
func newExecutor(t *testing.T, server *httptest.Server, changes ...func(*a2a.Config)) *a2a.Executor {
	t.Helper()
	cfg := a2a.Config{
		URL: server.URL, BearerToken: token,
		Headers:      map[string]secret.String{"X-Api-Key": headerKey},
		PollInterval: time.Millisecond,
		HTTPClient:   server.Client(),
	}
	for _, change := range changes {
		if change != nil {
			change(&cfg)
		}
	}
	e, err := a2a.New(cfg)
	require.NoError(t, err)
	return e
}

func unstreamed(c *a2a.Config) { c.Streaming = a2a.StreamingOff }

// result is an answer in one piece.
func result(body string) string { return `{"jsonrpc": "2.0", "id": 1, "result": ` + body + `}` }

// fault is an error in the words of JSON-RPC.
func fault(code int, message, data string) string {
	if data != "" {
		data = `, "data": ` + data
	}
	return fmt.Sprintf(`{"jsonrpc": "2.0", "id": 1, "error": {"code": %d, "message": %q%s}}`, code, message, data)
}

// writeEvents streams results. Comments (": …") and faults go as they are.
func writeEvents(w http.ResponseWriter, events ...string) {
	out := slices.Clone(events)
	for i, ev := range out {
		switch {
		case strings.HasPrefix(ev, ":"):
		case strings.HasPrefix(ev, `{"jsonrpc"`), strings.HasPrefix(ev, "!"):
			out[i] = strings.TrimPrefix(ev, "!")
		default:
			out[i] = result(ev)
		}
	}
	modeltest.WriteEvents(w, modeltest.Events(out...)...)
}

// status is a change of task t1 in context c1.
func status(state, text string) string {
	return `{"kind": "status-update", "taskId": "t1", "contextId": "c1", "final": false, "status": ` + state1(state, text) + `}`
}

func state1(state, text string) string {
	if text == "" {
		return fmt.Sprintf(`{"state": %q}`, state)
	}
	return fmt.Sprintf(`{"state": %q, "message": {"kind": "message", "messageId": "m-%s", "role": "agent", "parts": [{"kind": "text", "text": %q}]}}`, state, text, text)
}

// piece is a piece of an artifact of task t1.
func piece(id, text string, more bool) string {
	return fmt.Sprintf(`{"kind": "artifact-update", "taskId": "t1", "contextId": "c1", "append": %v, "artifact": {"artifactId": %q, "parts": [{"kind": "text", "text": %q}]}}`, more, id, text)
}

// task is task t1 as a whole, with artifacts that have a text each.
func task(state, text string, artifacts ...string) string {
	var list []string
	for i, a := range artifacts {
		list = append(list, fmt.Sprintf(`{"artifactId": "a%d", "parts": [{"kind": "text", "text": %q}]}`, i+1, a))
	}
	return `{"kind": "task", "id": "t1", "contextId": "c1", "status": ` + state1(state, text) + `, "artifacts": [` + strings.Join(list, ",") + `]}`
}

func reply(text string) string {
	return fmt.Sprintf(`{"kind": "message", "messageId": "m1", "contextId": "c1", "role": "agent", "parts": [{"kind": "text", "text": %q}]}`, text)
}

// mustReply has the agent answer.
func mustReply(t *testing.T, server *httptest.Server, req executors.Request) executors.Result {
	t.Helper()
	res, err := newExecutor(t, server).Execute(t.Context(), req)
	require.NoError(t, err)
	return res
}
