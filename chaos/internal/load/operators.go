package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// operate interferes with conversations at random.
func (l *Load) operate(ctx context.Context, random *rand.Rand) {
	for number := 0; pause(ctx, time.Duration(1500+random.IntN(3000))*time.Millisecond); number++ {
		kind := []string{"pause", "pause", "resume", "resume", "resume", "takeover", "takeover", "end", "cancel", "pause"}[random.IntN(10)]
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
		case "cancel":
			l.cancel(ctx, id)
		default:
			l.act(ctx, kind, id)
		}
	}
}

func (l *Load) act(ctx context.Context, kind, id string, args ...string) {
	_, code, detail := l.run(ctx, append([]string{kind, id, "--as", "chaos"}, args...)...)
	_ = l.Operators.Write(act{At: time.Now().UTC(), Act: kind, Conversation: id, OK: code == 0, Detail: detail})
}

func (l *Load) cancel(ctx context.Context, id string) {
	err := l.Cancel(ctx, id)
	a := act{At: time.Now().UTC(), Act: "cancel", Conversation: id, OK: err == nil}
	if err != nil {
		a.Detail = err.Error()
	}
	_ = l.Operators.Write(a)
}

// approve decides on tool calls. A call in doubt is never made again: the account of the
// tools could not tell it from one that was doubled.
func (l *Load) approve(ctx context.Context, random *rand.Rand) {
	for pause(ctx, 2*time.Second) {
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

// Settle resumes what is paused or needs attention, until nothing moves by itself any
// more, or ctx is done. It reports whether it came to that.
func (l *Load) Settle(ctx context.Context, unclaimed func(context.Context) (int, error)) bool {
	calm := 0
	for pause(ctx, 3*time.Second) {
		left, err := unclaimed(ctx)
		if err != nil {
			continue
		}
		moving, err := l.List(ctx, "waiting,claiming,talking,ending,needs_approval")
		if err != nil {
			continue
		}
		held, err := l.List(ctx, "paused,needs_attention")
		if err != nil {
			continue
		}
		for _, c := range held {
			l.act(ctx, "resume", c.ID)
		}
		if left == 0 && len(moving) == 0 && len(held) == 0 {
			if calm++; calm == 2 {
				return true
			}
			continue
		}
		calm = 0
	}
	return false
}
