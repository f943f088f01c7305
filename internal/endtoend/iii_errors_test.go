package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/platforms/iiiengine"
	"github.com/parley-run/parley/workflows"
)

// faulty is a parrot that fails while it has a fault.
type faulty struct {
	parrot
	fault atomic.Pointer[conversation.Error]
}

func (f *faulty) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if fault := f.fault.Load(); fault != nil {
		return executors.Result{}, fault
	}
	return f.parrot.Execute(ctx, req)
}

// A call fails within seconds if its conversation is parked, and gets the reply later by the
// same id.
func TestIIIParkedConversations(t *testing.T) {
	t.Parallel()
	for code, kind := range map[string]conversation.Kind{"needs_attention": conversation.Unauthorized, "refused": conversation.Refused} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			agent := &faulty{}
			agent.fault.Store(&conversation.Error{Kind: kind, Op: "ask", Err: errors.New("the key is \x1b[31mbad"), Remedy: "mend the key"})
			r := newIIIRig(t, iii.EraC, agent)
			r.start(t, nil)
			r.ready(t)
			w := r.caller(t)
			began := time.Now()
			_, err := call[object](t, w, "conversation::start", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
			requireCode(t, code, err)
			require.ErrorContains(t, err, "bad")
			require.ErrorContains(t, err, "c1")
			require.ErrorContains(t, err, "m1")
			require.NotContains(t, err.Error(), "\x1b")
			_, err = call[object](t, w, "conversation::send", object{"conversationId": "c1", "message": "and?", "messageId": "m2"})
			requireCode(t, code, err) // it is parked already
			require.Less(t, time.Since(began), 30*time.Second)

			agent.fault.Store(nil)
			o := &operate.Operator{Reader: &records.Reader{Client: r.client}}
			_, err = o.Resume(t.Context(), "direct/"+r.agent()+"/c1", workflows.ResumeRequest{})
			require.NoError(t, err)
			said, err := insist(soon(t), w, "conversation::send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
			require.NoError(t, err)
			require.Equal(t, "1: hello", said["reply"])
			said, err = insist(soon(t), w, "conversation::send", object{"conversationId": "c1", "message": "and?", "messageId": "m2"})
			require.NoError(t, err)
			require.Equal(t, "3: and?", said["reply"])
			require.Equal(t, 1, agent.times("c1", "hello"))
		})
	}
}

// Every call fails within seconds if Temporal does not answer.
func TestIIIWithoutTemporal(t *testing.T) {
	t.Parallel()
	var temporal outage
	agent := &slow{parrot: &parrot{}, begun: make(chan struct{}, 10), free: make(chan struct{})}
	r := newIIIRig(t, iii.EraC, agent)
	r.served = temporal.client(t)
	r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	mustCall(t, w, "conversation::start", object{"conversationId": "c1"})
	began := time.Now()
	errs := make(chan error, 3)
	go func() {
		_, err := call[object](t, w, "conversation::send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
		errs <- err
	}()
	<-agent.begun
	temporal.away.Store(true) // while the caller waits
	for _, id := range []string{"conversation::send", "conversation::get"} {
		go func() {
			_, err := call[object](t, w, id, object{"conversationId": "c1", "message": "and?", "messageId": "m2"})
			errs <- err
		}()
	}
	for range 3 {
		requireCode(t, "unavailable", <-errs)
	}
	require.Less(t, time.Since(began), 40*time.Second)
	temporal.away.Store(false)
	close(agent.free)
	said, err := insist(soon(t), w, "conversation::send", object{"conversationId": "c1", "message": "hello", "messageId": "m1"})
	require.NoError(t, err)
	require.Equal(t, "1: hello", said["reply"])
	require.Equal(t, 1, agent.times("c1", "hello"))
}

// Of two that end a conversation at once, one does it.
func TestIIIEndedTwice(t *testing.T) {
	t.Parallel()
	r := newIIIRig(t, iii.EraC, &parrot{})
	r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	for n := range 10 {
		id := fmt.Sprintf("c%d", n)
		mustCall(t, w, "conversation::start", object{"conversationId": id})
		var both errgroup.Group
		var ended atomic.Int32
		for range 4 {
			both.Go(func() error {
				out, err := call[object](t, w, "conversation::end", object{"conversationId": id})
				if out["ended"] == true {
					ended.Add(1)
				}
				return err
			})
		}
		require.NoError(t, both.Wait())
		require.EqualValues(t, 1, ended.Load(), id)
	}
}

// An HTTP trigger bound to conversation::start begins a conversation with the message in
// the body.
func TestIIIOverHTTP(t *testing.T) {
	t.Parallel()
	for _, era := range []iii.Era{iii.EraA, iii.EraC, iii.EraE} {
		t.Run("era "+era.String(), func(t *testing.T) {
			t.Parallel()
			r := newIIIRig(t, era, &parrot{})
			r.start(t, nil)
			r.ready(t)
			w := r.caller(t)
			for path, function := range map[string]string{"/talk": "start", "/talk/:conversationId": "send"} {
				_, err := w.RegisterTrigger(iii.Trigger{
					Type: "http", FunctionID: "conversation::" + function, Config: map[string]string{"api_path": path, "http_method": "POST"},
				})
				require.NoError(t, err)
				require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.Bound("http", "conversation::"+function) == 1 }))
			}
			server := httptest.NewServer(r.engine.HTTPHandler())
			defer server.Close()
			post := func(path, body string) (int, object) {
				resp, err := http.Post(server.URL+path, "application/json", strings.NewReader(body))
				require.NoError(t, err)
				defer func() { _ = resp.Body.Close() }()
				var out object
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&out))
				return resp.StatusCode, out
			}
			status, out := post("/talk", `{"conversationId": "c1", "message": "hello"}`)
			require.Equal(t, http.StatusOK, status, "%v", out)
			require.Equal(t, "1: hello", out["reply"])
			status, out = post("/talk/c1", `{"message": "and?"}`)
			require.Equal(t, http.StatusOK, status, "%v", out)
			require.Equal(t, "3: and?", out["reply"])
			status, out = post("/talk/c1", `{"message": 5}`)
			require.Equal(t, http.StatusBadRequest, status, "%v", out)
			require.Equal(t, "invalid_input", out["error"].(object)["code"])
			require.Empty(t, r.engine.Faults())
		})
	}
}

// Access rules may hide the engine's list of functions, and put a prefix before ours. What
// is served is announced once, and a replica takes over.
func TestIIIAccessRules(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		era    iii.Era
		access iiitest.Access
	}{
		{"nothing is exposed", iii.EraC, iiitest.Access{}},
		{"nothing is exposed, names have one owner", iii.EraE, iiitest.Access{}},
		{"the list alone", iii.EraC, iiitest.Access{Expose: []string{"engine::functions::list"}}},
		{"a prefix", iii.EraC, iiitest.Access{Expose: []string{"engine::*"}, Prefix: "acme"}},
		{"a prefix that is exposed", iii.EraC, iiitest.Access{Expose: []string{"engine::*", "acme::*"}, Prefix: "acme"}},
		{"a prefix that is exposed, names have one owner", iii.EraE, iiitest.Access{Expose: []string{"engine::*", "acme::*"}, Prefix: "acme"}},
		{"no trigger but the queue's", iii.EraD, iiitest.Access{Expose: []string{"engine::*", "conversation::*"}, TriggerTypes: []string{"durable:subscriber"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var parley atomic.Bool
			parley.Store(true)
			r := newIIIRigOn(t, iiitest.Options{Era: row.era, Access: func(*http.Request) *iiitest.Access {
				if !parley.Load() {
					return nil
				}
				access := row.access
				return &access
			}}, &parrot{})
			prefix := "conversation"
			if row.access.Prefix != "" {
				prefix = row.access.Prefix + "::conversation"
			}
			served := func() bool { return r.engine.Serves("", prefix+"::send") && r.engine.Serves("", prefix+"::ingest") }
			stop := r.start(t, nil)
			require.NoError(t, r.engine.Wait(soon(t), served))
			r.start(t, nil)
			asked := func(n int) { // both have asked for the list so many times more
				before := r.calls("engine::functions::list")
				require.NoError(t, r.engine.Wait(soon(t), func() bool {
					both := 0
					for id, calls := range r.calls("engine::functions::list") {
						if calls >= before[id]+n {
							both++
						}
					}
					return both == 2
				}))
			}
			asked(5) // some of them to find out what engine it is
			announced := r.announcements()
			asked(5)
			require.Equal(t, announced, r.announcements(), "functions are announced again and again")
			first := r.engine.Owner(prefix + "::send")

			parley.Store(false)
			w := r.caller(t)
			said := mustCall(t, w, prefix+"::start", object{"conversationId": "c1", "message": "hello"})
			require.Equal(t, "1: hello", said["reply"])
			queue := queueOf(t, w)
			require.NoError(t, r.engine.Wait(soon(t), func() bool { return r.engine.Bound(queue, prefix+"::ingest") >= 2 }))
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"conversationId": "c2", "message": "a letter"}))
			arrived := func(id string) {
				rig.Eventually(t, func() bool {
					got, err := call[object](t, w, prefix+"::get", object{"conversationId": id})
					return err == nil && got["total"] == 2.0
				})
			}
			arrived("c2")

			stop() // whichever owns them by now
			ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
			defer cancel()
			require.NoError(t, r.engine.Wait(ctx, served))
			require.NoError(t, w.PublishDurable(t.Context(), "conversation.inbox", object{"conversationId": "c3", "message": "a letter"}))
			arrived("c3")
			if row.era >= iii.EraE {
				require.NotEqual(t, first, r.engine.Owner(prefix+"::send"))
			}
			require.Empty(t, r.engine.Faults())
		})
	}
}

// calls counts those of a function, by worker.
func (r *iiiRig) calls(functionID string) map[string]int {
	calls := map[string]int{}
	for _, f := range r.engine.FromWorkers("") {
		if f.Type == "invokefunction" && strings.Contains(string(f.Raw), functionID) {
			calls[f.WorkerID]++
		}
	}
	return calls
}

func (r *iiiRig) announcements() int {
	n := 0
	for _, f := range r.engine.FromWorkers("") {
		if f.Type == "registerfunction" {
			n++
		}
	}
	return n
}

// paid counts the replies that were asked for, by conversation.
type paid struct {
	mu     sync.Mutex
	bought map[string]int
}

func (p *paid) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	p.mu.Lock()
	p.bought[req.Conversation.ID]++
	p.mu.Unlock()
	select { // a model takes its time
	case <-time.After(500 * time.Millisecond):
	case <-ctx.Done():
		return executors.Result{}, ctx.Err()
	}
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, "yes")}, nil
}

// A thousand starts at once: those that are admitted have one reply each, and those that
// are not say so.
func TestIIIAThousandStartsAtOnce(t *testing.T) {
	t.Parallel()
	agent := &paid{bought: map[string]int{}}
	r := newIIIRig(t, iii.EraC, agent)
	r.start(t, nil)
	r.ready(t)
	w := r.caller(t)
	var all errgroup.Group
	var replied, refused atomic.Int32
	for n := range 1000 {
		all.Go(func() error {
			answer, err := w.Invoke(t.Context(), "conversation::start", object{"conversationId": fmt.Sprintf("c%d", n), "message": "hello", "messageId": "m"}, iii.Timeout(3*time.Minute))
			switch {
			case iii.HasCode(err, "overloaded"):
				refused.Add(1)
				return nil
			case err != nil:
				return err
			case !strings.Contains(string(answer), `"yes"`):
				return fmt.Errorf("%s", answer)
			}
			replied.Add(1)
			return nil
		})
	}
	require.NoError(t, all.Wait())
	require.EqualValues(t, 1000, replied.Load()+refused.Load())
	require.GreaterOrEqual(t, replied.Load(), int32(iiiengine.DefaultConcurrency))
	agent.mu.Lock()
	defer agent.mu.Unlock()
	require.Len(t, agent.bought, int(replied.Load()), "a refused start has bought nothing")
	for id, n := range agent.bought {
		require.Equal(t, 1, n, id)
	}
}
