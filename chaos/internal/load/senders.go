package load

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/parley-run/parley/internal/pause"
)

// A delivery is a line of the senders' account: one attempt at one message.
type delivery struct {
	At           time.Time `json:"at"`
	Conversation string    `json:"conversation"`
	Message      string    `json:"message"`
	Text         string    `json:"text"`
	Code         int       `json:"code"`
	Reply        string    `json:"reply,omitempty"`
	Turn         int       `json:"turn,omitempty"`
	Detail       string    `json:"detail,omitempty"`
}

func (l *Load) send(ctx, open context.Context, random *rand.Rand) {
	for open.Err() == nil {
		l.mu.Lock()
		l.names++
		id := fmt.Sprintf("chaos-%d-%d", l.Seed, l.names)
		l.mu.Unlock()
		for n := range 1 + random.IntN(5) {
			if !l.deliver(ctx, random, id, n+1) {
				break
			}
			if pause.For(ctx, time.Duration(random.IntN(6000))*time.Millisecond) != nil {
				return
			}
		}
	}
}

// deliver sends one message until it has its reply, and some of them once more. It
// reports whether the conversation goes on.
func (l *Load) deliver(ctx context.Context, random *rand.Rand, id string, n int) bool {
	message := "m" + strconv.Itoa(n)
	text := fmt.Sprintf("message %d of %s", n, id)
	again := random.IntN(3) == 0
	refused := 0
	for ctx.Err() == nil {
		out, code, detail := l.run(ctx, "send", "desk", text, "--id", id, "--message-id", message, "--timeout", "25s")
		d := delivery{At: time.Now().UTC(), Conversation: "direct/desk/" + id, Message: message, Text: text, Code: code, Detail: detail}
		if code == 0 {
			var reply struct {
				Text string `json:"text"`
				Turn int    `json:"turn"`
			}
			if err := json.Unmarshal(out, &reply); err != nil {
				d.Detail = err.Error()
			}
			d.Reply, d.Turn = reply.Text, reply.Turn
		}
		_ = l.Senders.Write(d)
		switch {
		case code == 0 && again:
			again = false
			continue
		case code == 0:
			return true
		case code == 2:
			return false
		case code == 3: // paused, in need of an operator, or over
			if refused++; refused > 20 {
				return false
			}
		}
		_ = pause.For(ctx, 3*time.Second)
	}
	return false
}
