package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/parley-run/parley/internal/pause"
)

// kinds are what operators do, as often as they are here.
var kinds = []string{
	"pause", "pause", "pause", "resume", "resume", "resume", "takeover", "takeover", "end", "cancel", "terminate", "reset", "reset",
}

// operate interferes with conversations at random.
func (l *Load) operate(ctx context.Context, random *rand.Rand) {
	for number := 0; pause.For(ctx, time.Duration(2500+random.IntN(4000))*time.Millisecond) == nil; number++ {
		kind := kinds[random.IntN(len(kinds))]
		which := random.IntN(1 << 20)
		statuses := "talking,listening"
		if kind == "resume" {
			statuses = "paused,needs_attention"
		}
		listed, err := l.List(ctx, statuses)
		if err != nil || len(listed) == 0 {
			continue
		}
		id := listed[which%len(listed)].ID
		switch kind {
		case "takeover":
			l.act(ctx, kind, id, "--text", fmt.Sprintf("An operator speaks. [#op%dn%d]", l.Seed, number))
		case "cancel", "terminate", "reset":
			l.direct(ctx, kind, id, random)
		default:
			l.act(ctx, kind, id)
		}
	}
}

func (l *Load) act(ctx context.Context, kind, id string, args ...string) {
	_, code, detail := l.run(ctx, append([]string{kind, id, "--as", "chaos"}, args...)...)
	_ = l.Operators.Write(act{At: time.Now().UTC(), Act: kind, Conversation: id, OK: code == 0, Detail: detail})
}

// direct does to a workflow what Temporal's own command line does.
func (l *Load) direct(ctx context.Context, kind, id string, random *rand.Rand) {
	a := act{Act: kind, Conversation: id}
	var err error
	switch kind {
	case "cancel":
		err = l.Temporal.cancel(ctx, id)
	case "terminate":
		l.mu.Lock()
		l.terminated = time.Now()
		l.mu.Unlock()
		err = l.Temporal.terminate(ctx, id)
	case "reset":
		a.Detail, err = l.Temporal.reset(ctx, id, random)
	}
	a.At, a.OK = time.Now().UTC(), err == nil
	if err != nil {
		a.Detail = err.Error()
	}
	_ = l.Operators.Write(a)
}

// approve decides on tool calls. A call in doubt is never made again: the account of the
// tools could not tell it from one that was doubled.
func (l *Load) approve(ctx context.Context, random *rand.Rand) {
	for pause.For(ctx, 4*time.Second) == nil {
		out, code, _ := l.run(ctx, "approve")
		if code != 0 {
			continue
		}
		for _, c := range waiting(out) {
			args := []string{c.Conversation, "--call", c.CallID, "--digest", c.Digest, "--as", "chaos"}
			kind := "approve"
			if c.Lost != "" || random.IntN(5) == 0 {
				kind = "deny"
				args = append(args, "--deny", "--reason", "no")
			}
			_, code, detail := l.run(ctx, append([]string{"approve"}, args...)...)
			_ = l.Operators.Write(act{At: time.Now().UTC(), Act: kind, Conversation: c.Conversation, OK: code == 0, Detail: detail})
		}
	}
}

type waitingCall struct {
	Conversation string `json:"conversation"`
	CallID       string `json:"call_id"`
	Digest       string `json:"digest"`
	Lost         string `json:"lost"`
}

// waiting reads what starter approve lists: a document of calls.
func waiting(out []byte) []waitingCall {
	var calls []waitingCall
	if json.Unmarshal(out, &calls) == nil {
		return calls
	}
	var document map[string]json.RawMessage
	if json.Unmarshal(out, &document) != nil {
		return nil
	}
	for _, raw := range document {
		if json.Unmarshal(raw, &calls) == nil && len(calls) > 0 {
			return calls
		}
	}
	return nil
}

// adoptionTakes is how long an inbox may need, after AdoptAfter, to adopt a conversation.
const adoptionTakes = 45 * time.Second

// adopts reports that a conversation that was terminated may still be adopted.
func (l *Load) adopts() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.AdoptAfter > 0 && !l.terminated.IsZero() && time.Since(l.terminated) < l.AdoptAfter+adoptionTakes
}

// Settle resumes what is paused or needs attention, until nothing moves by itself any
// more, or limit has passed without progress, or ctx is done. It reports whether it came
// to rest. A slow machine thus has the time that it needs.
func (l *Load) Settle(ctx context.Context, limit time.Duration, unclaimed func(context.Context) (int, error)) bool {
	calm, least, progress := 0, math.MaxInt, time.Now()
	for pause.For(ctx, 3*time.Second) == nil && time.Since(progress) < limit {
		left, err := l.remaining(ctx, unclaimed)
		if err != nil {
			continue
		}
		if left < least {
			least, progress = left, time.Now()
		}
		if left > 0 || l.adopts() {
			calm = 0
			continue
		}
		if calm++; calm == 2 {
			return true
		}
	}
	return false
}

// remaining is how much is left to do. What waits for an operator is resumed.
func (l *Load) remaining(ctx context.Context, unclaimed func(context.Context) (int, error)) (int, error) {
	left, err := unclaimed(ctx)
	if err != nil {
		return 0, err
	}
	planned, err := l.planned(ctx)
	if err != nil {
		return 0, err
	}
	moving, err := l.List(ctx, "waiting,claiming,talking,ending,needs_approval")
	if err != nil {
		return 0, err
	}
	held, err := l.List(ctx, "paused,needs_attention")
	if err != nil {
		return 0, err
	}
	for _, c := range held {
		l.act(ctx, "resume", c.ID)
	}
	return left + planned + len(moving) + len(held), nil
}
