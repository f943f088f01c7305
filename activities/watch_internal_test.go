package activities

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/platformtest"
)

// watchesOf is a watch of one task, and what stops its worker.
func watchesOf(tasks platforms.Tasks, of conversation.Ref) (*watch, chan struct{}) {
	stopping := make(chan struct{})
	return &watch{
		Conversation: &Conversation{metrics: noMetrics()}, in: WatchInput{Ref: of}, tasks: tasks, stopping: stopping,
	}, stopping
}

// blind cannot say whether a task was cancelled.
type blind struct{ *platformtest.FakeTasks }

func (blind) Cancelled(context.Context, conversation.Ref, platforms.Receipt) (bool, error) {
	return false, &conversation.Error{Kind: conversation.Unavailable, Err: errors.New("down")}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	of := conversation.Ref{Platform: "fake", ID: "c"}
	gone := serviceerror.NewNotFound("the activity is over")
	for name, tt := range map[string]struct {
		after func(p *platformtest.FakeTasks, stopping chan struct{}) // a minute
		blind bool
		beat  error // after two minutes
		want  WatchResult
		err   error
		took  time.Duration
	}{
		"cancelled":         {after: func(p *platformtest.FakeTasks, _ chan struct{}) { p.Cancel(of) }, want: WatchResult{Cancelled: true}, took: time.Minute},
		"the worker stops":  {after: func(_ *platformtest.FakeTasks, stopping chan struct{}) { close(stopping) }, want: WatchResult{HandedOver: true}, took: time.Minute},
		"the run is over":   {beat: gone, err: gone, took: 2 * time.Minute},
		"it cannot be read": {blind: true, beat: gone, err: gone, took: 2 * time.Minute},
		"heartbeats are slow": {beat: context.DeadlineExceeded, after: func(p *platformtest.FakeTasks, _ chan struct{}) {
			time.AfterFunc(5*time.Minute, func() { p.Cancel(of) })
		}, want: WatchResult{Cancelled: true}, took: 6 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &platformtest.FakeTasks{}
				p.Add(of, conversation.Task{})
				var tasks platforms.Tasks = p
				if tt.blind {
					tasks = blind{p}
				}
				w, stopping := watchesOf(tasks, of)
				if tt.after != nil {
					time.AfterFunc(time.Minute, func() { tt.after(p, stopping) })
				}
				began := time.Now()
				out, err := w.run(t.Context(), func(context.Context) error {
					if time.Since(began) >= 2*time.Minute {
						return tt.beat
					}
					return nil
				})
				require.Equal(t, tt.err, err)
				require.Equal(t, tt.want, out)
				require.LessOrEqual(t, time.Since(began)-tt.took, watchEvery)
				require.GreaterOrEqual(t, time.Since(began), tt.took)
			})
		})
	}
}
