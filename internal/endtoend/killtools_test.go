package endtoend_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/workflows"
)

// A toolServer is where the calls of workerProgram's tools end. It counts them.
type toolServer struct {
	url  string
	held chan struct{} // told of each call that is being held

	mu   sync.Mutex
	hold map[string]int // how many calls of a tool are still to be held
	all  []toolRequest
}

// newToolServer holds the first call of the tools named until its caller is gone.
func newToolServer(t *testing.T, hold ...string) *toolServer {
	t.Helper()
	s := &toolServer{held: make(chan struct{}, 10), hold: map[string]int{}}
	for _, name := range hold {
		s.hold[name]++
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req toolRequest
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice who leaves
		if s.take(req) {
			s.held <- struct{}{}
			<-r.Context().Done()
			return
		}
		_, _ = fmt.Fprintf(w, "%s %d done", req.Name, req.N)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// take keeps the call and reports whether it is to be held.
func (s *toolServer) take(req toolRequest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, req)
	s.hold[req.Name]--
	return s.hold[req.Name] >= 0
}

// attempts are the attempts seen of each call: "book 2" is the book with n = 2.
func (s *toolServer) attempts(t *testing.T) map[string][]int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	out, keys := map[string][]int{}, map[string]string{}
	for _, req := range s.all {
		name := fmt.Sprintf("%s %d", req.Name, req.N)
		if key, seen := keys[name]; seen {
			require.Equal(t, key, req.Key, "%s: another attempt, another key", name)
		}
		keys[name] = req.Key
		out[name] = append(out[name], req.Attempt)
	}
	return out
}

// calls are what the model wants in the first turn.
var calls = []modelstandin.Call{{ID: "t1", Name: "look", Arguments: `{"n":1}`}, {ID: "t2", Name: "book", Arguments: `{"n":2}`}}

// Workers are killed at each place between a model's answer and the next: what is
// recorded is neither asked nor called again. A call that was lost is made again under the
// same key only if it may be; of the others the outcome is unknown. The model's own server and the tools' count.
func TestKilledAmongTools(t *testing.T) {
	t.Parallel()
	const reply = 2 // the number of the request that has the tools' results
	for name, row := range map[string]struct {
		ask       string // the tools that need approval
		hold      []string
		holdReply bool // the model keeps the answer that follows the tools
		// between returns when it is time to kill.
		between func(*testing.T, *rig.Rig, string, *toolServer, chan struct{})
		tools   map[string][]int // attempts
		model   []int            // how often each request came
		lost    bool             // the booking
	}{
		// The calls are recorded and none has begun: both wait for approval.
		"before the calls": {
			ask: "*",
			between: func(t *testing.T, r *rig.Rig, id string, tools *toolServer, _ chan struct{}) {
				require.Len(t, requireState(t, r, id, workflows.StateNeedsApproval).Approvals, len(calls))
				require.Empty(t, tools.attempts(t))
			},
			tools: map[string][]int{"look 1": {1}, "book 2": {1}}, model: []int{1, 1, 1},
		},
		"during both calls": {
			hold: []string{"look", "book"},
			between: func(t *testing.T, _ *rig.Rig, _ string, tools *toolServer, _ chan struct{}) {
				requireTold(t, tools.held)
				requireTold(t, tools.held)
			},
			tools: map[string][]int{"look 1": {1, 2}, "book 2": {1}}, model: []int{1, 1, 1}, lost: true,
		},
		"between two calls": {
			hold: []string{"book"},
			between: func(t *testing.T, r *rig.Rig, id string, tools *toolServer, _ chan struct{}) {
				requireTold(t, tools.held)
				requirePending(t, r, id, 1) // look is recorded, book is not
			},
			tools: map[string][]int{"look 1": {1}, "book 2": {1}}, model: []int{1, 1, 1}, lost: true,
		},
		// Here alone the model is asked twice: its answer was on the wire.
		"during the answer that follows": {
			holdReply: true,
			between:   func(t *testing.T, _ *rig.Rig, _ string, _ *toolServer, asked chan struct{}) { requireTold(t, asked) },
			tools:     map[string][]int{"look 1": {1}, "book 2": {1}}, model: []int{1, 2, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			toolServer := newToolServer(t, row.hold...)
			asked := make(chan struct{}, 10)
			var requests atomic.Int32
			model := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, modelstandin.Chat{}, func(a modelstandin.Asked) modelstandin.Said {
				number := requests.Add(1)
				switch {
				case len(a.Known) == 1:
					return modelstandin.Said{Text: "Let me see.", Calls: calls}
				case row.holdReply && number == reply:
					return modelstandin.Said{By: func(_ http.ResponseWriter, r *http.Request) {
						asked <- struct{}{}
						<-r.Context().Done()
					}}
				}
				return modelstandin.Said{Text: fmt.Sprintf("reply after %d", len(a.Known))}
			})
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: rig.Endless{}}, Setup: sim.Setup{Conversations: 1, MaxTurns: 5},
			})
			p := configured(t, r, fmt.Sprintf(`task_queue: %s
platforms:
  %s: {type: onerun, base_url: %s, api_key: "${ONERUN_API_KEY}", settle: 1s, poll_interval: 200ms}
executors:
  model: {type: openai, model: standin-1, base_url: %s/v1, api_key: "${MODEL_KEY}"}
agents:
  desk: {project: %s, agent: %s, executor: model, tools: [desk]}
`, r.TaskQueue, r.Name, r.URL, model.URL, r.Seeded.ProjectID, r.Seeded.AgentID),
				"ONERUN_API_KEY="+rig.APIKey, "MODEL_KEY=test-key", asProgram+"=worker", "TOOLS="+toolServer.url, "ASK="+row.ask)
			p.bin = os.Args[0]
			ref := r.Waiting(t)[0].Ref
			id := workflows.ConversationID(ref)
			p.start(t)
			rig.Eventually(t, func() bool { return len(model.Asked()) > 0 }, "nothing begins")
			row.between(t, r, id, toolServer, asked)
			p.kill(t)
			p.start(t)
			if row.ask != "" {
				for _, call := range calls {
					require.NoError(t, r.Approve(t, id, workflows.ApproveRequest{CallID: call.ID}))
				}
			}
			requireOutcome(t, r, id, "ended by turn limit")
			require.Equal(t, row.tools, toolServer.attempts(t), "the tools were called, by attempt")
			require.Equal(t, row.model, byKey(model.Asked()), "the model was asked")
			require.Equal(t, []string{"assistant: reply after 6", "assistant: reply after 8"}, spoken(texts(t, r, ref)))
			last := model.Asked()[len(model.Asked())-1]
			require.Contains(t, last.Lines, "result t1 look 1 done")
			booked := "result t2 book 2 done"
			if row.lost {
				booked = "result t2 the outcome of the call is unknown: its answer was lost; it may have been done"
			}
			require.Contains(t, last.Lines, booked)
			r.RequireOnce(t)
		})
	}
}

// byKey is how often each request came, in the order of the first times.
func byKey(asked []modelstandin.Asked) []int {
	var (
		keys []string
		out  []int
	)
	for _, a := range asked {
		key := a.Header.Get("Idempotency-Key")
		i := slices.Index(keys, key)
		if i < 0 {
			keys, out = append(keys, key), append(out, 0)
			i = len(keys) - 1
		}
		out[i]++
	}
	return out
}

func requireTold(t *testing.T, told chan struct{}) {
	t.Helper()
	select {
	case <-told:
	case <-time.After(rig.Patience):
		require.FailNow(t, "it did not come to that")
	}
}

func spoken(all []string) []string {
	return slices.DeleteFunc(all, func(line string) bool { return !strings.HasPrefix(line, "assistant: ") })
}

// requirePending waits until that many of a workflow's activities are not recorded.
func requirePending(t *testing.T, r *rig.Rig, id string, want int) {
	t.Helper()
	rig.Eventually(t, func() bool {
		desc, err := r.Client.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		return len(desc.GetPendingActivities()) == want && desc.GetPendingWorkflowTask() == nil
	})
}
