package activities_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// A lossy platform loses requests before or after they take effect, delays them, and
// refuses some. Each message that it accepts is answered once. It has no idempotency.
type lossy struct {
	rng    *rand.Rand
	calm   int // after so many faults it behaves
	delay  time.Duration
	states platforms.State

	mu       sync.Mutex // of what delayed requests change
	messages []conversation.Message
	owner    string // of the claim
	// rival claims before this many requests; negative: never.
	rival  int
	claims map[string]int // effects by claimant
}

// commit applies the effect of a request as the network has it: now, later or never. The
// error is the caller's answer.
func (l *lossy) commit(ctx context.Context, do func()) error {
	effect := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		do()
	}
	fault := func(answered, ambiguous bool) error {
		return &conversation.Error{
			Kind: conversation.Unavailable, Op: "send", Err: errors.New("lost"), Ambiguous: ambiguous, Answered: answered,
		}
	}
	if l.calm <= 0 {
		effect()
		return nil
	}
	l.calm--
	switch l.rng.IntN(7) {
	case 0: // refused before it had any effect
		return fault(false, false)
	case 1: // lost on its way to the platform
		return fault(false, true)
	case 2: // lost on its way back
		effect()
		return fault(false, true)
	case 3: // cut off by a gateway, while the platform still works on it
		time.AfterFunc(time.Duration(l.rng.Int64N(int64(l.delay))), effect)
		return fault(false, true)
	case 4: // answered with an error after it took effect
		effect()
		return fault(true, true)
	case 5: // slow, and answered
		select {
		case <-time.After(time.Duration(l.rng.Int64N(int64(l.delay)))):
		case <-ctx.Done():
			return fault(false, true)
		}
	}
	effect()
	return nil
}

func (l *lossy) read() error {
	if l.calm > 0 && l.rng.IntN(5) == 0 {
		l.calm--
		return &conversation.Error{Kind: conversation.Unavailable, Op: "read", Err: errors.New("down")}
	}
	return nil
}

func (l *lossy) Check(context.Context, string, string) error { return nil }

func (l *lossy) Context(context.Context, conversation.Ref) (conversation.Context, error) {
	return conversation.Context{}, l.read()
}

func (l *lossy) Transcript(context.Context, conversation.Ref) (platforms.Transcript, error) {
	if err := l.read(); err != nil {
		return platforms.Transcript{}, err
	}
	return l.held(), nil
}

// held is what the platform has.
func (l *lossy) held() platforms.Transcript {
	l.mu.Lock()
	defer l.mu.Unlock()
	return platforms.Transcript{Messages: slices.Clone(l.messages), State: l.states}
}

// claimed is who has the claim, and how many claimants ever had it.
func (l *lossy) claimed() (owner string, claimants int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owner, len(l.claims)
}

// mayClaim lets the rival claim in time, and reports whether a claim of claimant finds the
// conversation free.
func (l *lossy) mayClaim(claimant string, again bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rival == 0 && l.owner == "" {
		l.owner, l.states = "rival", platforms.StateOpen
		l.messages = append(l.messages, persona("to the rival"))
	}
	l.rival--
	return l.owner == "" || again && l.owner == claimant
}

func (l *lossy) Send(ctx context.Context, _ conversation.Ref, in platforms.Send) (platforms.Reply, error) {
	reply := persona("answer")
	err := l.commit(ctx, func() {
		l.messages = append(append(l.messages, in.Messages...), reply)
	})
	if err != nil {
		return platforms.Reply{}, err
	}
	return platforms.Reply{Messages: []conversation.Message{reply}}, nil
}

func (l *lossy) End(context.Context, conversation.Ref) error { return nil }

func (l *lossy) Claim(ctx context.Context, _ conversation.Ref) error {
	return l.claim(ctx, "parley", false)
}

// claim is one request of a claim: refused if the conversation has an owner. again lets
// the owner repeat its claim.
func (l *lossy) claim(ctx context.Context, claimant string, again bool) error {
	if !l.mayClaim(claimant, again) {
		return &conversation.Error{Kind: conversation.Claimed, Op: "claim", Err: errors.New("it has an owner")}
	}
	return l.commit(ctx, func() {
		if l.owner == "" {
			l.owner, l.states = claimant, platforms.StateOpen
			l.claims[claimant]++
		}
	})
}

// lossyTasks is the same as a platform of tasks, which keeps the claimant's name.
type lossyTasks struct{ l *lossy }

func (t lossyTasks) Check(context.Context, string, string) error { return nil }

func (t lossyTasks) Context(ctx context.Context, ref conversation.Ref) (conversation.Context, error) {
	return t.l.Context(ctx, ref)
}

func (t lossyTasks) Claim(ctx context.Context, _ conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	return platforms.Receipt{Worker: claim.Worker}, t.l.claim(ctx, claim.Worker, claim.Tried)
}

func (t lossyTasks) FindClaim(_ context.Context, _ conversation.Ref, claim platforms.Claim) (platforms.Receipt, error) {
	if err := t.l.read(); err != nil {
		return platforms.Receipt{}, err
	}
	if owner, _ := t.l.claimed(); owner != claim.Worker {
		return platforms.Receipt{}, &conversation.Error{Kind: conversation.Claimed, Op: "find claim", Err: errors.New("not its claim")}
	}
	return platforms.Receipt{Worker: claim.Worker}, nil
}

func (t lossyTasks) Cancelled(context.Context, conversation.Ref, platforms.Receipt) (bool, error) {
	return false, nil
}

func (t lossyTasks) Report(context.Context, conversation.Ref, platforms.Report) error { return nil }

// A history is what Temporal knows of an activity between its attempts.
type history struct {
	mu      sync.Mutex
	details any // of the newest heartbeat; nil: none
	tried   *activities.Mark
}

func (h *history) newest() any {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.details
}

// try runs one attempt. A heartbeat that arrives after it counts for nothing. A killed attempt's result is lost, as is that of a worker that
// died: only its heartbeats stay.
func (h *history) try(t *testing.T, a *activities.Conversation, stop bool, do func(env, *activities.Mark) (*activities.Mark, bool, error)) error {
	e, over := newEnvOf(t, a), false
	if details := h.newest(); details != nil {
		e.SetHeartbeatDetails(details)
	}
	if stop {
		stopping := make(chan struct{})
		close(stopping)
		e.SetWorkerStopChannel(stopping)
	}
	e.SetOnActivityHeartbeatListener(func(_ *activity.Info, values converter.EncodedValues) {
		var mark activities.Mark
		h.mu.Lock()
		defer h.mu.Unlock()
		if !over && values.HasValues() && values.Get(&mark) == nil {
			h.details = mark
		}
	})
	tried, handedOver, err := do(e, h.tried)
	h.mu.Lock()
	defer h.mu.Unlock()
	over = true
	if handedOver { // the next activity has the mark in its input, and no heartbeat
		h.details, h.tried = nil, tried
	}
	return err
}

func kindOf(err error) conversation.Kind {
	var app *temporal.ApplicationError
	if errors.As(err, &app) {
		return conversation.Kind(app.Type())
	}
	return ""
}

// simulate runs a test in a bubble per seed: its faults and its times are the seed's.
func simulate(t *testing.T, seeds int, test func(t *testing.T, rng *rand.Rand)) {
	t.Helper()
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(seed)))
			defer func() {
				if t.Failed() {
					t.Logf("seed %d", seed)
				}
			}()
			test(t, rng)
		})
	}
}

// Whatever gets lost between the worker, Temporal and the platform: in the end each
// message is on the platform exactly once, or the exchange says that it is ambiguous.
// Only on_ambiguous=resend may send a message twice, and then the transcript tells.
func TestExchangeIsOnceOrAmbiguous(t *testing.T) {
	t.Parallel()
	for _, policy := range []conversation.OnAmbiguous{conversation.ParkAmbiguous, conversation.ResendAmbiguous} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			outcomes := map[string]int{}
			simulate(t, 150, func(t *testing.T, rng *rand.Rand) {
				const settle = 2 * time.Minute
				p := &lossy{rng: rng, calm: rng.IntN(6), delay: settle, states: platforms.StateOpen, messages: []conversation.Message{persona("hello")}}
				a, err := activities.NewConversation(activities.Config{
					Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: p, Settle: settle}}, Executors: oneExecutor{},
				})
				require.NoError(t, err)
				before := 1
				for turn := range 3 {
					in := activities.ExchangeInput{
						Ref: ref, Turn: turn + 1, Before: before, Spoken: turn > 0, OnAmbiguous: policy,
						Messages: []conversation.Message{agent(fmt.Sprintf("message %d", turn))},
					}
					out, err := exchangeUntilOver(t, a, rng, in)
					copies := count(p.held().Messages, in.Messages[0])
					switch kind := kindOf(err); {
					case kind == conversation.Ambiguous:
						require.NotEqual(t, conversation.ResendAmbiguous, policy)
						require.LessOrEqual(t, copies, 1)
						outcomes["ambiguous"]++
						return
					case kind == conversation.Diverged || err == nil && out.Park != nil:
						require.Equal(t, conversation.ResendAmbiguous, policy, "nothing else sends twice: %v", err)
						outcomes["diverged"]++
						return
					case kind != "":
						require.NoError(t, err)
					}
					require.Equal(t, 1, out.Taken)
					time.Sleep(2 * settle) // what was delayed arrives by now
					copies = count(p.held().Messages, in.Messages[0])
					if policy != conversation.ResendAmbiguous {
						require.Equal(t, 1, copies)
						require.Equal(t, []conversation.Message{persona("answer")}, timeless(t, out).Messages)
						require.Len(t, p.held().Messages, out.Count)
					}
					if copies > 1 {
						outcomes["sent twice by policy"]++
						return
					}
					before = out.Count
				}
				outcomes["once"]++
			})
			require.Greater(t, outcomes["once"], 30, "%v", outcomes)
			if policy == conversation.ParkAmbiguous {
				require.Greater(t, outcomes["ambiguous"], 5, "the faults are too kind to prove anything: %v", outcomes)
			}
		})
	}
}

// exchangeUntilOver tries an exchange until it has a result or a final error, over killed
// and stopped workers.
func exchangeUntilOver(t *testing.T, a *activities.Conversation, rng *rand.Rand, in activities.ExchangeInput) (out activities.ExchangeResult, err error) {
	t.Helper()
	var h history
	for range 100 {
		killed := rng.IntN(8) == 0
		over := true
		err = h.try(t, a, rng.IntN(8) == 0, func(e env, tried *activities.Mark) (*activities.Mark, bool, error) {
			in.Tried = tried
			out, err = run[activities.ExchangeResult](t, e, e.activities.Exchange, in)
			over = !out.HandedOver
			return out.Tried, out.HandedOver && !killed, err
		})
		var app *temporal.ApplicationError
		retried := errors.As(err, &app) && !app.NonRetryable()
		if killed || !over || retried {
			time.Sleep(time.Duration(1+rng.IntN(20)) * time.Second)
			continue
		}
		return out, err
	}
	t.Fatal("the exchange does not end")
	return out, err
}

func count(messages []conversation.Message, of conversation.Message) (n int) {
	for _, m := range messages {
		if m.Text() == of.Text() {
			n++
		}
	}
	return n
}

// However often a claim is lost, retried and handed over: the workflow that says it has
// the conversation or the task has it, and a claim that took effect is not left behind.
func TestClaimIsOursOrAnothers(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{"conversation", "task"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			outcomes := map[string]int{}
			simulate(t, 150, func(t *testing.T, rng *rand.Rand) {
				const settle = 2 * time.Minute
				p := &lossy{
					rng: rng, calm: rng.IntN(6), delay: time.Minute, states: platforms.StateWaiting,
					rival: rng.IntN(6) - 3, claims: map[string]int{},
				}
				var on platforms.Platform = p
				if shape == "task" {
					on = lossyTasks{p}
				}
				a, err := activities.NewConversation(activities.Config{
					Platforms: map[string]platforms.Instance{"fake": {Name: "fake", Platform: on, Settle: settle}}, Executors: oneExecutor{},
				})
				require.NoError(t, err)
				var h history
				var out activities.ClaimResult
				over := false
				for n := 0; !over; n++ {
					require.Less(t, n, 100, "the claim does not end")
					killed := rng.IntN(8) == 0
					err := h.try(t, a, rng.IntN(8) == 0, func(e env, tried *activities.Mark) (*activities.Mark, bool, error) {
						var err error
						out, err = run[activities.ClaimResult](t, e, a.Claim, activities.ClaimInput{Ref: ref, Tried: tried})
						return out.Tried, out.HandedOver && !killed, err
					})
					if kind := kindOf(err); kind != "" {
						require.Equal(t, conversation.Unavailable, kind)
					}
					over = err == nil && !out.HandedOver && !killed
					time.Sleep(time.Duration(1+rng.IntN(20)) * time.Second)
				}
				time.Sleep(2 * settle)
				owner, claimants := p.claimed()
				ours := owner != "" && owner != "rival"
				require.Equal(t, ours, out.Claimed, "owner %q, detail %q", owner, out.Detail)
				require.LessOrEqual(t, claimants, 1)
				outcomes[fmt.Sprint(ours)]++
			})
			require.Greater(t, outcomes["true"], 30, "%v", outcomes)
			require.Greater(t, outcomes["false"], 10, "%v", outcomes)
		})
	}
}
