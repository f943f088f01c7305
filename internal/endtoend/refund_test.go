package endtoend_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A bank is an MCP server whose calls have effects. Its tool refund says nothing about
// being repeated; rate is read-only.
type bank struct {
	url string
	// done is told of each call that has had its effect.
	done chan string
	// after, if not nil, is what happens to the first answer of each tool.
	after func(w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	calls map[string]int
}

func newBank(t *testing.T, after func(http.ResponseWriter, *http.Request)) *bank {
	t.Helper()
	b := &bank{done: make(chan string, 20), after: after, calls: map[string]int{}}
	server := sdk.NewServer(&sdk.Implementation{Name: "bank", Version: "1"}, nil)
	type input struct {
		N int `json:"n"`
	}
	add := func(name string, hints *sdk.ToolAnnotations) {
		sdk.AddTool(server, &sdk.Tool{Name: name, Description: name, Annotations: hints},
			func(context.Context, *sdk.CallToolRequest, input) (*sdk.CallToolResult, any, error) {
				b.mu.Lock()
				b.calls[name]++
				b.mu.Unlock()
				return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: name + " done"}}}, nil, nil
			})
	}
	add("refund", nil)
	add("rate", &sdk.ToolAnnotations{ReadOnlyHint: true})
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		for _, name := range []string{"refund", "rate"} {
			if !bytes.Contains(body, []byte(`"tools/call"`)) || !bytes.Contains(body, []byte(`"name":"`+name+`"`)) {
				continue
			}
			first := b.count(name) == 0
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, r)
			b.done <- name
			if first && b.after != nil {
				b.after(w, r)
			}
			w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
			_, _ = w.Write(answer.Body.Bytes())
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	b.url = web.URL
	return b
}

func (b *bank) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[name]
}

// A refund that a server has made is not made again, whatever becomes of its answer: a
// worker process that is killed, a connection that is cut, an answer that comes too late.
// A call that only reads is.
func TestRefundsAreMadeOnce(t *testing.T) {
	t.Parallel()
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	untilGone := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, row := range map[string]struct {
		after func(http.ResponseWriter, *http.Request)
		kill  bool
		ask   string
		again bool // what an operator decides about the lost call

		refunds int
		told    string
	}{
		"the worker is killed":          {after: untilGone, kill: true, refunds: 1, told: "the outcome of the call is unknown"},
		"the connection is cut":         {after: cut, refunds: 1, told: "the outcome of the call is unknown"},
		"the answer comes too late":     {after: untilGone, refunds: 1, told: "the outcome of the call is unknown"},
		"an operator leaves it unknown": {after: cut, ask: "ask: [refund], ", refunds: 1, told: "an operator says: it is in the books"},
		"an operator has it made again": {after: cut, ask: "ask: [refund], ", again: true, refunds: 2, told: "refund done"},
		"nothing is lost":               {refunds: 1, told: "refund done"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bank := newBank(t, row.after)
			model := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(a modelstandin.Asked) modelstandin.Said {
				if len(a.Known) == 1 {
					return modelstandin.Said{Text: "Let me see.", Calls: []modelstandin.Call{
						{ID: "t1", Name: "rate", Arguments: `{"n":1}`}, {ID: "t2", Name: "refund", Arguments: `{"n":2}`},
					}}
				}
				return modelstandin.Said{Text: fmt.Sprintf("reply after %d", len(a.Known))}
			})
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 3},
			})
			timeout := "1m"
			if !row.kill {
				timeout = "2s"
			}
			p := configured(t, r, fmt.Sprintf(`task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${ONERUN_API_KEY}", settle: 1s, poll_interval: 200ms}
executors:
  model: {type: openai, model: standin-1, base_url: %s/v1, api_key: "${MODEL_KEY}"}
tools:
  bank: {type: mcp, url: "%s", %stimeout: %s}
agents:
  desk: {project: %s, agent: %s, executor: model, tools: [bank]}
`, r.TaskQueue, r.Name, r.URL, model.URL, bank.url, row.ask, timeout, r.Seeded.ProjectID, r.Seeded.AgentID),
				"ONERUN_API_KEY="+rig.APIKey, "MODEL_KEY=test-key")
			id := workflows.ConversationID(r.Waiting(t)[0].Ref)
			p.start(t)
			rig.Eventually(t, func() bool { return len(model.Asked()) > 0 }, "nothing begins")
			if row.ask != "" {
				require.Empty(t, requireState(t, r, id, workflows.StateNeedsApproval).Approvals[0].Lost)
				require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{}))
				rig.Eventually(t, func() bool {
					waiting := r.Status(t, id).Approvals
					return len(waiting) == 1 && waiting[0].Lost != ""
				})
				require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{Deny: !row.again, Reason: map[bool]string{false: "it is in the books"}[row.again]}))
			}
			if row.kill {
				for range 2 {
					select {
					case <-bank.done:
					case <-time.After(rig.Patience):
						require.FailNow(t, "it did not come to that", p.log())
					}
				}
				p.kill(t)
				p.start(t)
			}
			requireOutcome(t, r, id, "ended by turn limit")
			require.Equal(t, row.refunds, bank.count("refund"))
			require.Equal(t, map[bool]int{true: 2, false: 1}[row.after != nil], bank.count("rate"), "a call that only reads is made again")
			last := model.Asked()[len(model.Asked())-1]
			require.Contains(t, fmt.Sprint(last.Lines), row.told)
			require.Contains(t, last.Lines, "result t1 rate done")
			r.RequireOnce(t)
		})
	}
}
