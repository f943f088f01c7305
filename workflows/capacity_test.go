package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/activities"
	"github.com/parley-run/parley/conversation/pressure"
	"github.com/parley-run/parley/workflows"
)

// owner is a Capacity in the test environment. Its steps run one after the other, a
// second apart.
type owner struct {
	t    *testing.T
	env  *testsuite.TestWorkflowEnvironment
	at   time.Duration
	told []string // "signal id"
	gone map[string]bool
	last activities.Reservation // the newest that was told

	input workflows.CapacityInput
}

func newOwner(t *testing.T) *owner {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	o := &owner{t: t, env: suite.NewTestWorkflowEnvironment(), gone: make(map[string]bool)}
	workflows.Register(o.env)
	o.env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(
		func(_, id, _, signal string, arg any) error {
			if o.gone[id] {
				return errors.New("it has closed")
			}
			o.told = append(o.told, signal+" "+id)
			o.last = arg.(activities.Reservation)
			return nil
		}).Maybe()
	return o
}

// then does something, a second after what was done before.
func (o *owner) then(do func()) {
	o.at += time.Second
	o.env.RegisterDelayedCallback(do, o.at)
}

func (o *owner) reserve(req activities.ReserveRequest, check func(activities.ReserveResult)) {
	o.env.UpdateWorkflow(workflows.UpdateReserve, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { o.t.Error(err) },
		OnComplete: func(out any, err error) {
			require.NoError(o.t, err)
			check(out.(activities.ReserveResult))
		},
	}, req)
}

func (o *owner) status() (s activities.CapacityStatus) {
	value, err := o.env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(o.t, err)
	require.NoError(o.t, value.Get(&s))
	return s
}

// run runs all steps, and returns what the workflow continues as new with.
func (o *owner) run() workflows.CapacityInput {
	o.then(func() { o.env.SetContinueAsNewSuggested(true) })
	o.then(func() { o.reserve(activities.ReserveRequest{}, func(activities.ReserveResult) {}) })
	o.input.Platform = "p"
	o.env.ExecuteWorkflow(workflows.CapacityName, o.input)
	var again *workflow.ContinueAsNewError
	require.ErrorAs(o.t, o.env.GetWorkflowError(), &again)
	var next workflows.CapacityInput
	require.NoError(o.t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &next))
	return next
}

func wanted(ids ...string) (out []activities.Reservation) {
	for _, id := range ids {
		out = append(out, activities.Reservation{ID: id, Simulation: "s"})
	}
	return out
}

func ids(all []activities.Reservation) (out []string) {
	for _, p := range all {
		out = append(out, p.ID)
	}
	return out
}

// Places are given up to the limit, once for each conversation, and only who names
// the very reservation takes it back.
func TestCapacityReserves(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	var a activities.Reservation
	o.then(func() {
		o.reserve(activities.ReserveRequest{Limit: 2, Wanted: wanted("a", "b", "c")}, func(out activities.ReserveResult) {
			require.Equal(t, []string{"a", "b"}, ids(out.Granted))
			require.Empty(t, out.Known)
			require.Equal(t, 2, out.Open)
			a = out.Granted[0]
			require.NotZero(t, a.Seq)
			require.False(t, a.Since.IsZero())
		})
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Wanted: wanted("a", "c")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted, "listed again before its claim has landed")
			require.Equal(t, []string{"a"}, out.Known)
		})
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Ended: []activities.Reservation{a}, Wanted: wanted("a")}, func(out activities.ReserveResult) {
			require.Equal(t, []string{"a"}, ids(out.Granted), "it runs again")
			require.Greater(t, out.Granted[0].Seq, a.Seq)
		})
	})
	o.then(func() {
		// A late release of the earlier run.
		o.env.SignalWorkflow(workflows.SignalRelease, workflows.CapacityCall{Reservation: a})
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Ended: []activities.Reservation{a}, Wanted: wanted("d")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted, "the newer reservation is still held")
			require.Equal(t, 2, out.Open)
		})
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Limit: 1, Ended: o.status().Open[:1], Wanted: wanted("d")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted, "the limit was lowered")
			require.Equal(t, 1, out.Open)
		})
	})
	next := o.run()
	require.Len(t, next.Carried.Open, 1)
	require.Equal(t, 1, next.Carried.Limit)
	require.NotZero(t, next.Carried.Seq)
}

// A reservation for which nothing was started is free again after a while, not before.
func TestCapacityUnusedReservations(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	var unused []activities.Reservation
	o.then(func() {
		o.reserve(activities.ReserveRequest{Limit: 1, Wanted: wanted("a")}, func(out activities.ReserveResult) { unused = out.Granted })
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Unused: unused, Wanted: wanted("b")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted, "whoever reserved it may be about to use it")
		})
	})
	o.at += activities.ReservationLost
	o.then(func() {
		o.reserve(activities.ReserveRequest{Unused: unused, Wanted: wanted("b")}, func(out activities.ReserveResult) {
			require.Equal(t, []string{"b"}, ids(out.Granted))
		})
	})
	o.run()
}

// Those that wait come first, in their order, and what is parked or stranded holds no
// reservation and gets none as something new.
func TestCapacityQueue(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	o.then(func() {
		o.reserve(activities.ReserveRequest{Limit: 2, Wanted: wanted("a", "b")}, func(activities.ReserveResult) {})
	})
	o.then(func() {
		open := o.status().Open
		o.env.SignalWorkflow(workflows.SignalRelease, workflows.CapacityCall{Reservation: open[0], Parked: true})
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Stranded: o.status().Open[:1], Wanted: wanted("a", "b", "c", "d", "e")}, func(out activities.ReserveResult) {
			require.Equal(t, []string{"c", "d"}, ids(out.Granted))
			require.Equal(t, []string{"a", "b"}, out.Known)
			require.Equal(t, activities.CapacityCounts{Open: 2, Parked: 1, Stranded: 1}, out.CapacityCounts)
		})
	})
	o.then(func() {
		require.Equal(t, []string{"revoked b"}, o.told)
		for _, id := range []string{"b", "x", "a", "b"} {
			o.env.SignalWorkflow(workflows.SignalWait, workflows.CapacityCall{Reservation: activities.Reservation{ID: id}})
		}
	})
	o.then(func() {
		require.Equal(t, []string{"b", "x", "a"}, ids(o.status().Queued))
		require.Empty(t, o.status().Parked)
		require.Empty(t, o.status().Stranded)
		o.gone["b"] = true
		o.reserve(activities.ReserveRequest{Ended: o.status().Open[:1], Wanted: wanted("e")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted)
		})
	})
	o.then(func() {
		require.Equal(t, []string{"d", "x"}, ids(o.status().Open), "b has closed, and the next gets its reservation")
		require.Equal(t, []string{"revoked b", "reserved x"}, o.told)
		require.Equal(t, o.status().Open[1].Seq, o.last.Seq)
		// Asked again, it is told again.
		o.env.SignalWorkflow(workflows.SignalWait, workflows.CapacityCall{Reservation: activities.Reservation{ID: "x"}})
	})
	o.then(func() {
		require.Len(t, o.told, 3)
		o.env.SignalWorkflow(workflows.SignalRelease, workflows.CapacityCall{Reservation: activities.Reservation{ID: "a"}})
	})
	o.then(func() { require.Empty(t, o.status().Queued, "it wants no reservation any more") })
	o.run()
}

// What runs without a reservation counts, above the limit if need be.
func TestCapacityFinds(t *testing.T) {
	t.Parallel()
	o := newOwner(t)
	o.then(func() {
		o.reserve(activities.ReserveRequest{Limit: 1, Found: wanted("a", "b"), Wanted: wanted("c")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted)
			require.Equal(t, 2, out.Open)
		})
	})
	o.then(func() {
		o.reserve(activities.ReserveRequest{Limit: -1, Wanted: wanted("c", "d")}, func(out activities.ReserveResult) {
			require.Len(t, out.Granted, 2, "there is no limit any more")
		})
	})
	o.run()
}

// A platform that has too much to do gets fewer conversations: those that are open go on,
// those that wait get capacity only below the lower limit, and what workers report later
// raises it again. The state goes along to the next run.
func TestCapacityUnderPressure(t *testing.T) {
	t.Parallel()
	const window = 2 * time.Second
	bad := &pressure.Report{Window: window, Calls: 4, Bad: 2, Failing: []string{"a", "b"}, Reason: "500 of list"}
	good := &pressure.Report{Window: window, Calls: 4}
	o := newOwner(t)
	step := func(req activities.ReserveRequest, granted []string, limit int) {
		o.then(func() {
			o.reserve(req, func(out activities.ReserveResult) {
				require.Equal(t, granted, ids(out.Granted))
				if limit == 0 {
					require.Nil(t, out.Reduced)
					require.Nil(t, o.status().Reduced)
					return
				}
				require.Equal(t, limit, out.Reduced.Limit)
				require.Equal(t, "500 of list", out.Reduced.Reason)
				require.Equal(t, out.Reduced, o.status().Reduced)
				require.Equal(t, 4, o.status().Limit)
			})
		})
	}
	open := func(n int) []activities.Reservation { return o.status().Open[:n] }
	step(activities.ReserveRequest{Limit: 4, Wanted: wanted("a", "b", "c", "d", "e"), Pressure: good}, []string{"a", "b", "c", "d"}, 0)
	step(activities.ReserveRequest{Pressure: bad}, nil, 2)
	o.then(func() {
		require.Len(t, o.status().Open, 4, "nothing that is open ends")
		require.Empty(t, o.told)
		o.reserve(activities.ReserveRequest{Ended: open(2), Wanted: wanted("e")}, func(out activities.ReserveResult) {
			require.Empty(t, out.Granted)
			require.Equal(t, 2, out.Open)
		})
	})
	o.then(func() {
		o.env.SignalWorkflow(workflows.SignalWait, workflows.CapacityCall{Reservation: activities.Reservation{ID: "r"}})
	})
	o.then(func() {
		require.Equal(t, []string{"r"}, ids(o.status().Queued), "resumed: it waits too")
		require.Empty(t, o.told)
	})
	o.at += window
	step(activities.ReserveRequest{Wanted: wanted("e"), Pressure: good}, nil, 3)
	o.then(func() {
		require.Equal(t, []string{"reserved r"}, o.told, "the queued come first")
		require.Equal(t, []string{"c", "d", "r"}, ids(o.status().Open))
	})
	next := o.run()
	require.Equal(t, 3, next.Carried.Pressure.Of(4))

	o = newOwner(t)
	o.input = next
	step(activities.ReserveRequest{Wanted: wanted("e"), Pressure: &pressure.Report{Window: window, Off: true}}, []string{"e"}, 0)
	require.Nil(t, o.run().Carried.Pressure)

	o = newOwner(t)
	o.input = next
	step(activities.ReserveRequest{Limit: -1, Wanted: wanted("e"), Pressure: bad}, []string{"e"}, 0)
	o.run()
}
