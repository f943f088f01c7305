package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
)

// advisor is a platform that only gives advice.
type advisor struct{ platforms.Platform }

func (advisor) Advice() []string { return []string{"list less often"} }

// A poll that was frozen continues beside the one that has replaced it.
func TestPollsThatSkipAtTheSameTime(t *testing.T) {
	t.Parallel()
	inside(t, make(chan struct{}), func(ctx context.Context) {
		var (
			all   = skips{by: make(map[inboxKey]*skipped)}
			in    = PollInput{Platform: "p", Agent: "a"}
			polls sync.WaitGroup
		)
		for n := range 4 {
			polls.Go(func() {
				s := all.of(in, noMetrics())
				for i := range 50 {
					id := fmt.Sprintf("%d-%d", n, i)
					ref := conversation.Ref{Platform: "p", ID: id}
					s.rows(ctx, listWaiting, []*platforms.RowError{{ID: id, Err: errors.New("unreadable")}})
					s.refuse(ctx, ref, errors.New("refused"))
					s.recentlyRefused(ref)
					s.waiting([]platforms.Assignment{{Ref: ref}})
					s.advise(ctx, in, advisor{})
					s.show(&PollStatus{})
				}
			})
		}
		polls.Wait()
		var status PollStatus
		all.of(in, noMetrics()).show(&status)
		require.NotZero(t, status.SkippedCount)
		require.Equal(t, []string{"list less often"}, status.Advice)
	})
}
