package endtoend_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/workflows"
)

// between puts a handler between the rig and its simulator. It reports what it has
// answered itself.
func between(t *testing.T, r *rig.Rig, answer func(http.ResponseWriter, *http.Request) bool) {
	t.Helper()
	behind, err := url.Parse(r.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(behind)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !answer(w, req) {
			proxy.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(server.Close)
	r.URL = server.URL
	r.Platform, err = onerun.New(onerun.Config{Name: r.Name, BaseURL: server.URL, APIKey: rig.APIKey})
	require.NoError(t, err)
}

func refuse(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"detail":"`+detail+`"}`)
}

// Rows that cannot be run, the oldest of all, and a simulation that cannot be listed
// are named, and the others run.
func TestOddOnesHoldUpNothing(t *testing.T) {
	t.Parallel()
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Simulations: 3, Conversations: 3, MaxTurns: 3}})
	broken, odd, good := r.Seeded.SimulationIDs[0], r.Seeded.SimulationIDs[1], r.Seeded.SimulationIDs[2]
	rows := `{"has_more":false,"data":[
		{"id":"ü","seq_id":1,"status":"queued","created_at":"2020-01-01T00:00:00"},
		{"id":"` + strings.Repeat("x", 1010) + `","seq_id":2,"status":"queued","created_at":"2020-01-01T00:00:00"},
		7]}`
	between(t, r, func(w http.ResponseWriter, req *http.Request) bool {
		switch {
		case req.Method != http.MethodGet:
			return false
		case strings.HasSuffix(req.URL.Path, broken+"/conversations"):
			refuse(w, http.StatusUnprocessableEntity, "it is broken")
		case strings.HasSuffix(req.URL.Path, odd+"/conversations"):
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, rows)
		default:
			return false
		}
		return true
	})
	r.StartWorker(t)
	in := r.InboxInput()
	r.StartInbox(t, in)
	o := &operate.Operator{Reader: &records.Reader{Client: r.Client, TaskQueue: r.TaskQueue}}
	rig.Eventually(t, func() bool {
		for _, s := range r.Sim.Report().Simulations {
			if s.ID == good {
				return s.Conversations["ended"] == 3
			}
		}
		return false
	})
	var seen operate.Inbox
	rig.Eventually(t, func() bool {
		var err error
		seen, err = o.Inbox(t.Context(), in.Platform, in.Project, in.Agent)
		require.NoError(t, err)
		return seen.SkippedCount >= 4
	}, "%+v", &seen)
	require.Equal(t, string(workflows.InboxPolling), seen.State)
	require.Empty(t, seen.LastError)
	var named []string
	for _, s := range seen.Skipped {
		named = append(named, s.ID+s.Simulation+": "+s.Reason)
	}
	for _, want := range []string{"it is broken", "printable ASCII", "length exceeds"} {
		require.Contains(t, strings.Join(named, "\n"), want)
	}
}

// A platform that refuses the key for a while stops the inbox, which goes on by itself.
func TestInboxGoesOnByItself(t *testing.T) {
	t.Parallel()
	var locked atomic.Bool
	locked.Store(true)
	r := rig.New(t, localstacktest.Client(t), rig.Options{Setup: sim.Setup{Conversations: 2, MaxTurns: 3}})
	between(t, r, func(w http.ResponseWriter, _ *http.Request) bool {
		if locked.Load() {
			refuse(w, http.StatusUnauthorized, "Invalid API key")
		}
		return locked.Load()
	})
	r.StartWorker(t)
	inbox := r.StartInbox(t, r.InboxInput())
	rig.Eventually(t, func() bool {
		return r.InboxStatus(t, inbox).State == workflows.InboxNeedsAttention
	})
	require.Equal(t, conversation.Unauthorized, r.InboxStatus(t, inbox).Attention.Kind)
	locked.Store(false)
	r.WaitDone(t, rig.Patience)
	r.RequireOnce(t)
}
