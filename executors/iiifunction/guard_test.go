package iiifunction_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/iiifunction"
	"github.com/parley-run/parley/iii"
)

// What the guard says, and whether the agent gets the message.
func TestGuard(t *testing.T) {
	t.Parallel()
	none := 0.0
	for name, c := range map[string]struct {
		scan  iii.Handler // nil: no worker serves it
		guard iiifunction.Guard
		want  conversation.Kind // empty: the agent answers
		text  string
	}{
		"Safe":        {always(`{"safe": true, "matches": [], "riskScore": 0}`), iiifunction.Guard{}, "", ""},
		"AtTheLimit":  {always(`{"safe": false, "matches": ["a", "b"], "riskScore": 0.5}`), iiifunction.Guard{}, "", ""},
		"Risky":       {always(`{"safe": false, "matches": ["a", "b", "c"], "riskScore": 0.75}`), iiifunction.Guard{}, refused, "its risk is 0.75, and at most 0.50 may pass"},
		"RiskyIfOpen": {always(`{"riskScore": 0.75}`), iiifunction.Guard{Fail: iiifunction.FailOpen}, refused, "its risk is 0.75"},
		"NoRisk":      {always(`{"riskScore": 0.25}`), iiifunction.Guard{MaxRisk: &none}, refused, "at most 0.00 may pass"},
		"Gone":        {nil, iiifunction.Guard{}, down, "guard.fail: open goes on without"},
		"GoneIfOpen":  {nil, iiifunction.Guard{Fail: iiifunction.FailOpen}, "", ""},
		"Fails":       {fails("bug"), iiifunction.Guard{}, down, "bug"},
		"FailsIfOpen": {fails("bug"), iiifunction.Guard{Fail: iiifunction.FailOpen}, "", ""},
		"Odd":         {always(`{"score": 1}`), iiifunction.Guard{}, invalid, "check guard.function"},
		"Nothing":     {always(`null`), iiifunction.Guard{}, invalid, "check guard.function"},
		"Slow":        {stalls, iiifunction.Guard{Timeout: time.Second}, down, "guard.timeout"},
		"SlowIfOpen":  {stalls, iiifunction.Guard{Timeout: time.Second, Fail: iiifunction.FailOpen}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var agent, scans heard
			all := functions{iiifunction.DefaultChat: agent.by(always(chatTS))}
			if c.scan != nil {
				all[iiifunction.DefaultScan] = scans.by(c.scan)
			}
			var logged bytes.Buffer
			x := on(t, all, func(cfg *iiifunction.Config) {
				cfg.Guard, cfg.Logger = &c.guard, slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
			})
			_, second := turns()
			_, err := x.Execute(t.Context(), second)
			if c.scan != nil {
				require.JSONEq(t, `{"text": "My parcel?"}`, scans.data(t)[0], "it looks at what is new")
			}
			if c.want == "" {
				require.NoError(t, err)
				require.Len(t, agent.all(), 1)
				return
			}
			require.Equal(t, c.want, conversation.KindOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
			var ce *conversation.Error
			require.ErrorAs(t, err, &ce)
			require.False(t, ce.Ambiguous, "the agent has not been called")
			require.Empty(t, agent.all())
		})
	}
}

// There is nothing to look at where nobody has said anything.
func TestGuardOfAnOpening(t *testing.T) {
	t.Parallel()
	x := on(t, functions{iiifunction.DefaultChat: always(chatTS)}, func(c *iiifunction.Config) { c.Guard = &iiifunction.Guard{} })
	req := executortest.Request("c1", "")
	req.Messages, req.New = nil, 0
	_, err := x.Execute(t.Context(), req)
	require.NoError(t, err)
}

// A guard that is passed by is told of.
func TestGuardPassedByIsLogged(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	x := on(t, functions{iiifunction.DefaultChat: always(chatTS)}, func(c *iiifunction.Config) {
		c.Guard = &iiifunction.Guard{Fail: iiifunction.FailOpen}
		c.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	_, err := x.Execute(t.Context(), executortest.Request("c1", "Hi"))
	require.NoError(t, err)
	require.Contains(t, logged.String(), "without a scan")
}
