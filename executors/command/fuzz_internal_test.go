package command

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors/wire"
)

// FuzzTalk reads lines as a program's output, while two calls wait: each frame reaches at
// most one of them, and none that has had its last.
func FuzzTalk(f *testing.F) {
	for _, seed := range []string{
		`{"ready":true}` + "\n" + `{"id":"1","delta":"a"}` + "\n" + `{"id":"2","message":"b"}` + "\n" + `{"id":"2","delta":"late"}`, `{"message":"no id"}`, "loading…\n", `{"id":"3","error":"x"}`, `{"id":"1","delta":1}`, `{"id":"1"`, "\x00\xff\n\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, output string, many bool) {
		p := &process{
			cfg: Config{Concurrency: 1}, calls: map[string]*call{},
			ready: make(chan struct{}), dead: make(chan struct{}),
		}
		ids := []string{"1"}
		if many {
			p.cfg.Concurrency, ids = 16, []string{"1", "2"}
		}
		took := make(chan int)
		calls := make([]*call, len(ids))
		for i, id := range ids {
			calls[i] = p.expect(id)
			go func() {
				n, last := 0, false
				for {
					select {
					case frame := <-calls[i].frames:
						if last {
							t.Error("a frame after the last")
						}
						n, last = n+1, frame.Final()
					case <-calls[i].done:
						took <- n
						return
					}
				}
			}()
		}
		lines, answers := 0, 0
		for line := range strings.Lines(output) {
			lines++
			answered, err := p.answered([]byte(line), false)
			if answered {
				answers++
				require.NoError(t, err)
			}
			if err != nil {
				require.LessOrEqual(t, len(err.Error()), 1<<10)
				failure := wire.Failure{Op: "op", Clean: func(s string) string { return s }}
				require.NotEqual(t, conversation.Kind(""), failure.Broken(err).Kind)
				break
			}
		}
		total := 0
		for _, c := range calls {
			close(c.done)
			total += <-took
		}
		require.Equal(t, answers, total)
		require.LessOrEqual(t, total, lines)
	})
}
