package pressure_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation/pressure"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// What a worker may report of ten calls.
var (
	good    = pressure.Report{Calls: 10}
	bad     = pressure.Report{Calls: 10, Bad: 2, Failing: []string{"a", "b"}, Reason: "500"}
	oneFail = pressure.Report{Calls: 10, Bad: 10, Failing: []string{"a"}, Reason: "500"}
	fewFail = pressure.Report{Calls: 11, Bad: 2, Failing: []string{"a", "b"}, Reason: "500"}
	waits   = pressure.Report{Calls: 10, Bad: 5, Failing: []string{"a", "b"}, Reason: "429", Wait: time.Minute}
)

func TestObserve(t *testing.T) {
	t.Parallel()
	type step struct {
		at     time.Duration // since the beginning
		report pressure.Report
		open   int
		full   bool
		limit  int // after it
		change pressure.Change
	}
	const w = pressure.DefaultWindow
	for name, tc := range map[string]struct {
		most  int
		steps []step
	}{
		"AllIsWell":            {10, []step{{0, good, 10, true, 10, ""}, {w, good, 10, true, 10, ""}}},
		"HalvesWhatIsOpen":     {40, []step{{0, bad, 7, false, 3, pressure.Lowered}}},
		"HalvesTheLimit":       {10, []step{{0, bad, 14, true, 5, pressure.Lowered}}},
		"OneConversationFails": {10, []step{{0, oneFail, 10, true, 10, ""}, {w, oneFail, 10, true, 10, ""}}},
		"FewCallsFail":         {10, []step{{0, fewFail, 10, true, 10, ""}}},
		"TwoWorkersAddUp": {10, []step{
			{0, pressure.Report{Calls: 3, Bad: 1, Failing: []string{"a"}}, 10, true, 10, ""},
			{time.Second, pressure.Report{Calls: 3, Bad: 1, Failing: []string{"b"}}, 10, true, 5, pressure.Lowered},
		}},
		"TheSameConversationOnTwoWorkers": {10, []step{{0, oneFail, 10, true, 10, ""}, {time.Second, oneFail, 10, true, 10, ""}}},
		"NothingIsOpen":                   {10, []step{{0, bad, 0, false, 10, ""}}},
		"NeverBelowOne": {10, []step{
			{0, bad, 10, true, 5, pressure.Lowered}, {w, bad, 5, true, 2, pressure.Lowered},
			{2 * w, bad, 2, true, 1, pressure.Lowered}, {3 * w, bad, 1, true, 1, ""}, {30 * w, bad, 1, true, 1, ""},
		}},
		"OncePerWindow": {10, []step{{0, bad, 10, true, 5, pressure.Lowered}, {w - 1, bad, 5, true, 5, ""}, {w, bad, 5, true, 2, pressure.Lowered}}},
		"OnceUntilDrained": {10, []step{
			{0, bad, 10, true, 5, pressure.Lowered}, {2 * w, bad, 9, true, 5, ""}, {5 * w, bad, 6, true, 5, ""},
			{6 * w, bad, 6, true, 2, pressure.Lowered},
		}},
		"GrowsByOneAWindow": {10, []step{
			{0, bad, 10, true, 5, pressure.Lowered}, {w - 1, good, 5, true, 5, ""},
			{w, good, 5, true, 6, pressure.Raised}, {w + 1, good, 6, true, 6, ""}, {2 * w, good, 6, true, 7, pressure.Raised},
			{3 * w, good, 7, true, 8, pressure.Raised}, {4 * w, good, 8, true, 9, pressure.Raised}, {5 * w, good, 9, true, 10, pressure.Restored},
			{6 * w, good, 10, true, 10, ""},
		}},
		"GrowsByATwentieth": {400, []step{{0, bad, 400, true, 200, pressure.Lowered}, {w, good, 200, true, 220, pressure.Raised}}},
		"UnusedDoesNotGrow": {10, []step{
			{0, bad, 10, true, 5, pressure.Lowered}, {w, good, 2, false, 5, ""}, {59 * w, good, 2, false, 5, ""}, {60 * w, good, 2, false, 10, pressure.Restored},
		}},
		"WasFullForAMoment": {10, []step{{0, bad, 10, true, 5, pressure.Lowered}, {1, good, 5, true, 5, ""}, {w, good, 3, false, 6, pressure.Raised}}},
		"BadKeepsItFromGrowing": {10, []step{
			{0, bad, 10, true, 5, pressure.Lowered}, {w - 1, bad, 8, true, 5, ""}, {w, good, 8, true, 5, ""}, {2*w - 1, good, 5, true, 6, pressure.Raised},
		}},
		"OneFailingConversationDoesNot": {10, []step{
			{0, bad, 10, true, 5, pressure.Lowered}, {w, pressure.Report{Calls: 4, Bad: 3, Failing: []string{"a"}}, 5, true, 6, pressure.Raised},
		}},
		"NoGoodAnswer":    {10, []step{{0, bad, 10, true, 5, pressure.Lowered}, {w, oneFail, 5, true, 5, ""}}},
		"WaitsAsAskedFor": {10, []step{{0, waits, 10, true, 5, pressure.Lowered}, {5 * w, good, 5, true, 5, ""}, {6 * w, good, 5, true, 6, pressure.Raised}}},
		"SwitchedOff":     {10, []step{{0, bad, 10, true, 5, pressure.Lowered}, {1, pressure.Report{Off: true}, 5, true, 10, pressure.Restored}, {2, pressure.Report{Off: true}, 5, true, 10, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l pressure.Limit
			for i, s := range tc.steps {
				change := l.Observe(start.Add(s.at), pressure.Use{Max: tc.most, Open: s.open, Full: s.full}, s.report)
				require.Equal(t, s.change, change, "step %d", i)
				require.Equal(t, s.limit, l.Of(tc.most), "step %d", i)
				require.Equal(t, s.limit < tc.most, l.Reduction != nil, "step %d", i)
			}
		})
	}
}

// The reason and the time are those of the newest halving.
func TestReduction(t *testing.T) {
	t.Parallel()
	var l pressure.Limit
	use := pressure.Use{Max: 10, Open: 10, Full: true}
	l.Observe(start, use, bad)
	l.Observe(start.Add(pressure.DefaultWindow), use, good)
	require.Equal(t, &pressure.Reduction{Limit: 6, Since: start, Reason: "500"}, l.Reduction)
}

// The configured limit may change meanwhile.
func TestOtherMax(t *testing.T) {
	t.Parallel()
	var l pressure.Limit
	l.Observe(start, pressure.Use{Max: 10, Open: 10, Full: true}, bad)
	require.Equal(t, 3, l.Of(3))
	require.Equal(t, pressure.Restored, l.Observe(start.Add(1), pressure.Use{Max: 3, Open: 3, Full: true}, good))
}

// FuzzLimit gives a limit any reports at any times: it stays between 1 and the configured
// one, changes at most as often as it may, survives being written down, and comes back to
// the configured one when all is well.
func FuzzLimit(f *testing.F) {
	f.Add([]byte{10, 1, 2, 3, 10, 10, 200, 1, 0, 2, 5, 5, 9, 100, 1})
	f.Add([]byte{1, 0, 255, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		next := func() int {
			if len(data) == 0 {
				return 0
			}
			b := data[0]
			data = data[1:]
			return int(b)
		}
		const w = time.Second
		most := 1 + next()
		var l pressure.Limit
		now, lowered := start, time.Time{}
		for len(data) > 0 {
			now = now.Add(time.Duration(next()-16) * 50 * time.Millisecond) // a clock may go back
			r := pressure.Report{Window: w, Calls: next(), Bad: next(), Wait: time.Duration(next()) * time.Second, Off: next() == 255}
			for range next() % 10 {
				r.Failing = append(r.Failing, string(rune('a'+next()%20)))
			}
			use := pressure.Use{Max: most, Open: next(), Full: next()%2 == 0}
			before := l.Of(most)
			change := l.Observe(now, use, r)
			after := l.Of(most)
			require.GreaterOrEqual(t, after, 1)
			require.LessOrEqual(t, after, most)
			require.LessOrEqual(t, len(l.Window.Failing), pressure.MaxFailing)
			switch change {
			case pressure.Lowered:
				require.Less(t, after, before)
				if before < most {
					require.GreaterOrEqual(t, now.Sub(lowered), w)
				}
				lowered = now
			case pressure.Raised:
				require.Greater(t, after, before)
			case pressure.Restored:
				require.Equal(t, most, after)
			case pressure.Unchanged:
				require.Equal(t, before, after)
			default:
				t.Fatalf("change %q", change)
			}
			written, err := json.Marshal(l)
			require.NoError(t, err)
			var read pressure.Limit
			require.NoError(t, json.Unmarshal(written, &read))
			again, err := json.Marshal(read)
			require.NoError(t, err)
			require.Equal(t, written, again)
		}
		for i := 0; l.Reduction != nil; i++ {
			require.Less(t, i, 400, "%+v", l)
			now = now.Add(w)
			l.Observe(now, pressure.Use{Max: most, Open: l.Of(most), Full: true}, pressure.Report{Window: w, Calls: 1})
		}
	})
}
