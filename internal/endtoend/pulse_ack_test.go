package endtoend_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pulsetest"
	"github.com/parley-run/parley/workflows"
)

// However seldom a platform is tried otherwise, an acknowledgement is given once
// Pulse is there again and takes the key.
func TestPulseTaskIsAcknowledgedInTheEnd(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]pulsetest.Fault{
		"Away":     {Status: http.StatusServiceUnavailable},
		"Busy":     {Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "3"}},
		"OtherKey": {Status: http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newPulseRig(t, pulsetest.Config{}, &summariser{})
			fault.Op, fault.Times = pulsetest.OpAck, 3
			r.stand.Fail(fault)
			r.start(t)
			r.pollWith(t, workflows.InboxInput{Platform: r.name, Settings: workflows.InboxSettings{
				Interval: 100 * time.Millisecond, Policy: conversation.Policy{Executor: "agent", PlatformAttempts: 1},
			}})
			id := r.stand.Add(r.task("main", nil))
			out, err := r.outcome(t, id)
			require.NoError(t, err)
			require.True(t, out.Task.Acknowledged, out.Task.Fault)
			require.Len(t, r.stand.Acks(id), 1)
		})
	}
}
