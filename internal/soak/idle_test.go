//go:build soak

package soak_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/launch"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/workflows"
)

// Ten thousand open conversations that wait for a message stay in the memory of one worker:
// the next message of each is answered without a replay.
func TestIdle(t *testing.T) {
	var misses misses
	c, _ := connected(t, func(o *client.Options) { o.MetricsHandler = &misses })
	worker.SetStickyWorkflowCacheSize(process.StickyCacheFor(0))
	r := rig.New(t, c, rig.Options{Executor: agent{"it is on its way"}})
	r.StartWorker(t)
	direct := func(i int) launch.Direct {
		in := workflows.ConversationInput{
			Ref:    launch.DirectRef(r.Name, fmt.Sprintf("idle-%05d", i)),
			Policy: conversation.Policy{Executor: rig.ExecutorName}, IdleTimeout: 24 * time.Hour,
		}
		return launch.Direct{Open: true, Input: in}
	}
	say := func(i int, message string) error {
		_, err := r.Launcher.Send(t.Context(), direct(i), workflows.SendRequest{ID: message, Text: "Where is my order?"})
		return err
	}
	before, goroutines := memory()
	begun := time.Now()
	all := errgroup.Group{}
	all.SetLimit(50)
	for i := range *idle {
		all.Go(func() error { return say(i, "m1") })
	}
	require.NoError(t, all.Wait())
	after, more := memory()
	t.Logf("%d conversations opened in %s; %d KiB and %.1f goroutines each; the worker has %d MiB",
		*idle, time.Since(begun).Round(time.Second), int(after-before)/(*idle)>>10, float64(more-goroutines)/float64(*idle), after>>20)

	misses.n.Store(0)
	begun = time.Now()
	const sample = 200
	for i := range sample {
		require.NoError(t, say(i*(*idle)/sample, "m2"))
	}
	t.Logf("%d further messages: %d replays, %.0f ms each", sample, misses.n.Load(), time.Since(begun).Seconds()*1000/sample)
	require.Zero(t, misses.n.Load())
}

// misses counts the workflow tasks whose workflow had left the memory of the worker.
type misses struct {
	n atomic.Int64
}

func (m *misses) WithTags(map[string]string) client.MetricsHandler { return m }
func (m *misses) Counter(name string) client.MetricsCounter {
	if name == "temporal_sticky_cache_miss" {
		return counter{&m.n}
	}
	return client.MetricsNopHandler.Counter(name)
}
func (m *misses) Gauge(name string) client.MetricsGauge { return client.MetricsNopHandler.Gauge(name) }
func (m *misses) Timer(name string) client.MetricsTimer { return client.MetricsNopHandler.Timer(name) }

type counter struct{ n *atomic.Int64 }

func (c counter) Inc(by int64) { c.n.Add(by) }
