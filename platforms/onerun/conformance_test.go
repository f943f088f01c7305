package onerun_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/platforms/onerun"
	"github.com/parley-run/parley/platforms/platformtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, opening := range []onerun.Opening{onerun.OpeningPersona, onerun.OpeningAgent} {
		for _, lenient := range []bool{false, true} {
			t.Run(fmt.Sprintf("Opening=%s/Lenient=%t", opening, lenient), func(t *testing.T) {
				t.Parallel()
				platformtest.RunConversations(t, func(t testing.TB) platformtest.ConversationsFixture { return practice(t, opening, lenient) })
			})
		}
	}
}

// practice is a simulator of its own with eight conversations in each of two
// simulations.
func practice(t testing.TB, opening onerun.Opening, lenient bool) platformtest.ConversationsFixture {
	t.Helper()
	cfg := sim.Config{APIKey: testKey, Seed: 1}
	if lenient {
		cfg.Lenient = sim.LenientInAll()
	}
	s, err := sim.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	seeded, err := s.Seed(t.Context(), sim.Setup{Simulations: 2})
	require.NoError(t, err)
	front, bad := &platformtest.Front{}, &atomic.Bool{}
	server := httptest.NewServer(front.Serve(withBadRow(s.Handler(), bad)))
	t.Cleanup(server.Close)
	p := newPlatform(t, onerun.Config{BaseURL: server.URL, Opening: opening})

	var taken atomic.Int64
	return platformtest.ConversationsFixture{
		Platform: p,
		Fresh: func(t testing.TB) conversation.Ref {
			t.Helper()
			waiting, err := p.Assigned(t.Context(), seeded.ProjectID, seeded.AgentID)
			require.NoError(t, err)
			// Of those that this suite claims some are listed no more: counting from
			// the newest, no two calls find the same.
			i := len(waiting) - int(taken.Add(1))
			require.GreaterOrEqual(t, i, 0, "no conversation is left")
			return waiting[i].Ref
		},
		Unknown: conversation.Ref{
			Platform: onerun.DefaultName, Project: seeded.ProjectID, Simulation: seeded.SimulationIDs[0],
			Agent: seeded.AgentID, ID: "NoSuchConversation000",
		},
		Project: seeded.ProjectID, Agent: seeded.AgentID,
		AgentFirst: opening == onerun.OpeningAgent,
		Limit:      12,
		Secrets:    []string{testKey},
		TakesKeys:  lenient,
		Front:      front,
		BadRow:     func(testing.TB) { bad.Store(true) },
		LoseAnswer: func(t testing.TB) {
			t.Helper()
			require.NoError(t, s.SetFaults(sim.Faults{LostAnswerRate: 1, Only: []string{sim.OpResponses}}))
		},
	}
}

// withBadRow adds a row that cannot be read to every list of conversations, once it is
// switched on.
func withBadRow(next http.Handler, on *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !on.Load() || !strings.HasSuffix(r.URL.Path, "/conversations") {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		body := strings.Replace(answer.Body.String(), `"data":[`, `"data":[{"id":5,"status":"queued"},`, 1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(strings.Replace(body, "},]", "}]", 1)))
	})
}

// TestWrongKey: the simulator guards every route, as a gateway in front of OneRun
// would.
func TestWrongKey(t *testing.T) {
	t.Parallel()
	s, err := sim.New(sim.Config{APIKey: testKey})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	seeded, err := s.Seed(t.Context(), sim.Setup{})
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)

	const wrong = "another-key-altogether"
	p := newPlatform(t, onerun.Config{BaseURL: server.URL, APIKey: wrong})
	_, assignErr := p.Assigned(t.Context(), seeded.ProjectID, seeded.AgentID)
	for _, err := range []error{
		p.Check(t.Context(), seeded.ProjectID, seeded.AgentID),
		p.Check(t.Context(), "", ""),
		p.Claim(t.Context(), ref),
		assignErr,
	} {
		require.Equal(t, conversation.Unauthorized, conversation.KindOf(err), "%v", err)
		require.NotContains(t, err.Error(), wrong)
	}
}
