package activities_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A refused claim says nothing about who has made the one before. What the transcript
// shows while an earlier request of this workflow may still arrive decides.
func TestAmbiguousClaim(t *testing.T) {
	t.Parallel()
	const settle = 2 * time.Minute
	claimed := &conversation.Error{Kind: conversation.Claimed}
	others := persona("to another worker")
	for name, tt := range map[string]struct {
		mark  activities.Mark // its Time is that of the test's begin
		cut   time.Duration   // since then; zero: it was not
		state platforms.State
		after map[time.Duration]func(*fakePlatform) // changes of the platform
		want  bool
		text  string
		took  time.Duration // exactly
	}{
		"its worker was lost":            {state: platforms.StateOpen, want: true, took: settle},
		"it was cut off later":           {cut: 30 * time.Second, state: platforms.StateOpen, want: true, took: settle + 30*time.Second},
		"it was answered with a fault":   {mark: activities.Mark{Answered: true}, state: platforms.StateOpen, want: true, took: settle},
		"answered, and it had no effect": {mark: activities.Mark{Answered: true}, state: platforms.StateWaiting, text: "it has not been claimed"},
		"the other worker begins late": {state: platforms.StateOpen, after: map[time.Duration]func(*fakePlatform){
			90 * time.Second: func(p *fakePlatform) { p.take(others) },
		}, text: "another worker has claimed it and sends messages", took: 90 * time.Second},
		"the other worker ends it": {state: platforms.StateOpen, after: map[time.Duration]func(*fakePlatform){
			time.Minute: func(p *fakePlatform) { p.transcript.State = platforms.StateEnded },
		}, text: "another worker has claimed and ended it", took: time.Minute},
		"the transcript cannot be read at first": {state: platforms.StateOpen, after: map[time.Duration]func(*fakePlatform){
			0: func(p *fakePlatform) { p.readErrs = []error{errLost} },
		}, text: "connection lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				p := &fakePlatform{claim: claimed}
				p.transcript.State = tt.state
				for d, change := range tt.after {
					if d == 0 {
						change(p)
						continue
					}
					time.AfterFunc(d, func() {
						p.mu.Lock()
						defer p.mu.Unlock()
						change(p)
					})
				}
				mark := tt.mark
				mark.Time, mark.Sends = begin, 1
				if tt.cut > 0 {
					mark.Cut = begin.Add(tt.cut)
				}
				e := newEnv(t, p, nil, settle)
				e.SetTestTimeout(time.Hour)
				e.SetHeartbeatDetails(mark)
				out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
				if tt.text == "connection lost" {
					require.True(t, detailsOf(t, conversation.Unavailable, err).Ambiguous, "the earlier request still is")
					return
				}
				require.NoError(t, err)
				require.Equal(t, tt.want, out.Claimed)
				require.Equal(t, tt.text, out.Detail)
				require.InDelta(t, tt.took, time.Since(begin), float64(time.Second), "it is read each second")
				require.Equal(t, 1, p.claims)
			})
		})
	}
}

// A claim that a request of this workflow cannot have made is not waited for.
func TestRefusedClaimIsNotReconciled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &fakePlatform{claim: &conversation.Error{Kind: conversation.Claimed}}
		p.take(persona("to another worker"))
		e := newEnv(t, p, nil, time.Hour)
		out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref})
		require.NoError(t, err)
		require.Equal(t, activities.ClaimResult{Detail: "another worker has claimed it"}, out)
		require.Zero(t, time.Since(begin))
	})
}

// A claim's failure says what the next attempt has to reckon with.
func TestClaimMarks(t *testing.T) {
	t.Parallel()
	earlier := &activities.Mark{Time: time.Now(), Sends: 2}
	refused := &conversation.Error{Kind: conversation.RateLimited, Op: "claim", Err: errLost, RetryAfter: time.Second}
	answered := &conversation.Error{Kind: conversation.Unavailable, Op: "claim", Err: errLost, Ambiguous: true, Answered: true}
	for name, tt := range map[string]struct {
		err       error
		tried     *activities.Mark
		kind      conversation.Kind
		sends     int // zero: there is no mark
		cut, over bool
		ambiguous bool
	}{
		"refused":                         {err: refused, kind: conversation.RateLimited},
		"refused after an ambiguous one":  {err: refused, tried: earlier, kind: conversation.RateLimited, sends: 2, ambiguous: true},
		"cut off":                         {err: errLost, kind: conversation.Unavailable, sends: 1, cut: true, ambiguous: true},
		"cut off after another":           {err: errLost, tried: earlier, kind: conversation.Unavailable, sends: 3, cut: true, ambiguous: true},
		"answered with a server's fault":  {err: answered, kind: conversation.Unavailable, sends: 1, cut: true, over: true, ambiguous: true},
		"an error that says nothing more": {err: kindless{}, kind: conversation.Unavailable, sends: 1, cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, &fakePlatform{claim: tt.err}, nil, time.Hour)
			_, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Tried: tt.tried})
			details := detailsOf(t, tt.kind, err)
			require.Equal(t, tt.ambiguous, details.Ambiguous)
			if tt.sends == 0 {
				require.Nil(t, details.Mark)
				return
			}
			require.Equal(t, tt.sends, details.Mark.Sends)
			require.Equal(t, tt.cut, !details.Mark.Cut.IsZero())
			require.Equal(t, tt.over, details.Mark.Answered)
		})
	}
}

// kindless is an error without a kind.
type kindless struct{}

func (kindless) Error() string { return "odd" }

// A claim brings the context along, if it can be read at once.
func TestClaimWithContext(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		setup func(*fakePlatform)
		in    *activities.ContextInput
		want  *activities.ContextResult
		claim bool
		reads int
	}{
		"read": {
			in: &activities.ContextInput{Ref: ref, CarryBytes: 1 << 10}, claim: true, reads: 1,
			want: &activities.ContextResult{
				Context: conversation.Context{Scenario: "test"}, Messages: []conversation.Message{persona("hello")}, Count: 1,
				State: platforms.StateOpen, Settle: time.Minute,
			},
		},
		"not asked for": {claim: true},
		"not to be read": {
			in: &activities.ContextInput{Ref: ref}, claim: true, reads: 1,
			setup: func(p *fakePlatform) { p.readErrs = []error{errLost} },
		},
		"claimed by another": {
			in: &activities.ContextInput{Ref: ref}, reads: 1, // for the reason
			setup: func(p *fakePlatform) { p.claim = &conversation.Error{Kind: conversation.Claimed} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &fakePlatform{}
			p.transcript.State = platforms.StateOpen
			p.take(persona("hello"))
			if tc.setup != nil {
				tc.setup(p)
			}
			e := newEnv(t, p, nil, time.Minute)
			out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Context: tc.in})
			require.NoError(t, err)
			require.Equal(t, tc.claim, out.Claimed)
			require.Equal(t, tc.reads, p.readings)
			if out.Context != nil {
				require.NotEmpty(t, out.Context.RunID)
				out.Context.RunID = ""
			}
			require.Equal(t, tc.want, out.Context)
		})
	}
}

// A context that takes long does not hold the claim up: while it is not recorded, a lost
// worker makes it ambiguous.
func TestSlowContextIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &slowContext{fakePlatform: &fakePlatform{}}
		e := newEnv(t, p, nil, time.Minute)
		e.SetTestTimeout(time.Hour)
		out, err := run[activities.ClaimResult](t, e, e.activities.Claim, activities.ClaimInput{Ref: ref, Context: &activities.ContextInput{Ref: ref}})
		require.NoError(t, err)
		require.True(t, out.Claimed)
		require.Nil(t, out.Context)
		require.Equal(t, 5*time.Second, time.Since(begin))
	})
}

// slowContext has a context that does not come.
type slowContext struct{ *fakePlatform }

func (p *slowContext) Context(ctx context.Context, _ conversation.Ref) (conversation.Context, error) {
	<-ctx.Done()
	return conversation.Context{}, ctx.Err()
}
