package activities

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// How long an ambiguous request is reconciled, from the moment that it is known to be.
func TestPatience(t *testing.T) {
	t.Parallel()
	const settle = 2 * time.Minute
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return start.Add(d) }
	for name, tc := range map[string]struct {
		mark    Mark
		slowest time.Duration
		late    time.Duration
		now     time.Duration // since the request
		want    time.Duration
	}{
		"a worker died":                       {mark: Mark{Time: at(0)}, now: 15 * time.Second, want: settle - 15*time.Second},
		"it was seen running":                 {mark: Mark{Time: at(0), Running: at(90 * time.Second)}, now: 100 * time.Second, want: 90*time.Second + 3*time.Minute - 100*time.Second},
		"cut off soon":                        {mark: Mark{Time: at(0), Cut: at(time.Second)}, now: time.Second, want: settle},
		"cut off by our own timer":            {mark: Mark{Time: at(0), Cut: at(2 * time.Minute)}, now: 2 * time.Minute, want: 4 * time.Minute},
		"answers have been slow":              {mark: Mark{Time: at(0), Cut: at(time.Second)}, slowest: 100 * time.Second, now: time.Second, want: 200 * time.Second},
		"an earlier attempt has seen one":     {mark: Mark{Time: at(0), Cut: at(time.Second), Slowest: 100 * time.Second}, now: time.Second, want: 200 * time.Second},
		"the second time":                     {mark: Mark{Time: at(0), Cut: at(time.Second), Sends: 2}, now: time.Second, want: 2 * settle},
		"the fifth time, bounded":             {mark: Mark{Time: at(0), Cut: at(time.Second), Sends: 5}, now: time.Second, want: 10*time.Minute - time.Second},
		"slow, bounded":                       {mark: Mark{Time: at(0), Cut: at(6 * time.Minute)}, now: 6 * time.Minute, want: 4 * time.Minute},
		"another clock may be late":           {mark: Mark{Time: at(0), Cut: at(time.Second)}, late: 15 * time.Second, now: time.Second, want: settle + 15*time.Second},
		"over":                                {mark: Mark{Time: at(0), Cut: at(time.Second)}, now: settle + 2*time.Second, want: -time.Second},
		"a worker whose clock is an hour off": {mark: Mark{Time: at(0), Cut: at(time.Second)}, now: time.Second, want: settle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// The attempt began by the server's clock; the worker's own says 2000.
				e := &exchanging{
					attempt: &attempt{clock: clock{started: at(tc.now), begun: time.Now(), late: tc.late}},
					in:      ExchangeInput{Slowest: tc.slowest, Timeout: 10 * time.Minute},
					on:      conversationShape{Instance: platforms.Instance{Settle: settle}}, mark: &tc.mark,
				}
				require.Equal(t, tc.want, e.patience())
				time.Sleep(time.Second)
				require.Equal(t, tc.want-time.Second, e.patience())
			})
		})
	}
}

// A transcript may be shorter for a moment, not for long.
func TestShorterTranscript(t *testing.T) {
	t.Parallel()
	e := &exchanging{attempt: &attempt{info: activity.Info{Attempt: 1}}, in: ExchangeInput{Before: 3}}
	_, err := e.compare(platforms.Transcript{})
	require.True(t, conversation.IsKind(err, conversation.Unavailable))
	e.info.Attempt = shortReads
	_, err = e.compare(platforms.Transcript{})
	require.True(t, conversation.IsKind(err, conversation.Diverged))
}

// A result that counts is kept although the transcript differs.
func TestVerify(t *testing.T) {
	t.Parallel()
	require.Empty(t, differs(1, []conversation.Message{conversation.Text(conversation.RoleAssistant, "hi")}, []conversation.Message{
		conversation.Text(conversation.RoleAssistant, "hi"), conversation.Text(conversation.RoleUser, "yes"),
	}))
	require.Contains(t, differs(1, []conversation.Message{conversation.Text(conversation.RoleAssistant, "hi")}, nil), "message 2 is missing")
}
