package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/failover"
	"github.com/parley-run/parley/executors/limit"
	"github.com/parley-run/parley/internal/telemetry"
)

func TestExecutors(t *testing.T) {
	t.Parallel()
	m, err := telemetry.New(t.Context(), telemetry.Options{Version: "dev"})
	require.NoError(t, err)
	var log bytes.Buffer
	x, err := telemetry.NewExecutors(m.Meter, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, err)

	key := limit.Key{Provider: "openai", Endpoint: "http://a/v1", Credential: limit.Fingerprint("s3cret")}
	quota := `{quota="` + key.String() + `"}`
	x.Limited(t.Context(), limit.Event{Type: limit.EventSent, Key: key, Wait: 3 * time.Second, InFlight: 1, Pace: 1})
	x.Limited(t.Context(), limit.Event{Type: limit.EventQueued, Key: key, Wait: time.Minute, Waiting: 2, InFlight: 1, Pace: 1})
	for range 2 {
		x.Limited(t.Context(), limit.Event{Type: limit.EventThrottled, Key: key, Wait: 7 * time.Second, Waiting: 2, InFlight: 1, Pace: 0.5})
	}
	x.Limited(t.Context(), limit.Event{Type: limit.EventEnded, Key: key, Waiting: 2, Pace: 0.5})
	x.Switched(t.Context(), failover.Switch{Chain: "support", From: "gpt", To: "claude", Kind: conversation.Unauthorized, Err: errors.New("wrong key")})
	x.BreakerChanged("openai http://a/v1", failover.StateOpen)
	x.BreakerChanged("openai http://a/v1", failover.StateHalfOpen)
	x.BreakerChanged("openai http://b/v1", failover.StateClosed)

	rec := httptest.NewRecorder()
	m.Handler.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, line := range []string{
		"parley_limit_wait_seconds_sum" + quota + " 3",
		"parley_limit_wait_seconds_count" + quota + " 1",
		"parley_limit_queued_total" + quota + " 1",
		"parley_limit_throttled_total" + quota + " 2",
		"parley_limit_waiting" + quota + " 2",
		"parley_limit_in_flight" + quota + " 0",
		"parley_limit_pace" + quota + " 0.5",
		`parley_failover_switches_total{chain="support",from="gpt",kind="Unauthorized",to="claude"} 1`,
		`parley_failover_breaker{provider="openai http://a/v1"} 1`,
		`parley_failover_breaker{provider="openai http://b/v1"} 0`,
	} {
		require.Contains(t, rec.Body.String(), line)
	}
	require.NotContains(t, rec.Body.String()+log.String(), "s3cret")
	require.Equal(t, 1, strings.Count(log.String(), "asks to slow down"), "once a minute")
	require.Contains(t, log.String(), "pause=7s")
	require.Contains(t, log.String(), `msg="failing over to the next link" chain=support from=gpt to=claude kind=Unauthorized error="wrong key"`)
	require.Contains(t, log.String(), `msg="the provider fails: no requests are sent for a while"`)
	require.Contains(t, log.String(), `msg="the provider answers again"`)
	require.NoError(t, m.Shutdown(t.Context()))
}
