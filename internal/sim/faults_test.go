package sim_test

import (
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults  sim.Faults
		status  []int // one of these; 0 is a cut connection
		stored  int
		fault   []string
		headers header
	}{
		"Error":       {sim.Faults{ErrorRate: 1}, []int{500}, 0, []string{"error"}, nil},
		"RateLimit":   {sim.Faults{RateLimitRate: 1, RetryAfter: 1500 * time.Millisecond}, []int{429}, 0, []string{"rate_limited"}, header{"Retry-After": "2"}},
		"NoAfter":     {sim.Faults{RateLimitRate: 1}, []int{429}, 0, []string{"rate_limited"}, header{"Retry-After": ""}},
		"Lost":        {sim.Faults{LostAnswerRate: 1}, []int{0, 500}, 2, []string{"answer_lost", "connection_cut"}, nil},
		"Malformed":   {sim.Faults{MalformedRate: 1}, []int{200}, 2, []string{"malformed"}, nil},
		"Slow":        {sim.Faults{SlowRate: 1, SlowBy: time.Millisecond}, []int{200}, 2, []string{"slow"}, nil},
		"Elsewhere":   {sim.Faults{ErrorRate: 1, Only: []string{sim.OpStart, sim.OpList}}, []int{200}, 2, []string{""}, nil},
		"Here":        {sim.Faults{ErrorRate: 1, Only: []string{sim.OpResponses}}, []int{500}, 0, []string{"error"}, nil},
		"NoFaults":    {sim.Faults{}, []int{200}, 2, []string{""}, nil},
		"ErrorsFirst": {sim.Faults{ErrorRate: 1, LostAnswerRate: 1, MalformedRate: 1}, []int{500}, 0, []string{"error"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 1})
			c := b.conversations(0)[0]
			b.post(b.conv(c, "/start"), nil)
			require.NoError(t, b.SetFaults(test.faults))
			a := b.call("POST", b.conv(c, "/responses"), says("hi"))
			require.NoError(t, b.SetFaults(sim.Faults{}))
			require.Contains(t, test.status, a.status)
			for k, v := range test.headers {
				require.Equal(t, v, a.header.Get(k))
			}
			if name == "Malformed" {
				require.NotEmpty(t, a.text)
				require.False(t, json.Valid([]byte(a.text)))
			} else if a.status == 500 {
				require.Nil(t, a.body, "plain text")
			}
			require.Len(t, b.transcript(c), test.stored)
			events := b.Events(c)
			require.Contains(t, test.fault, events[len(events)-1].Fault)
		})
	}
}

func TestFaultsReachEveryOperation(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty}, sim.Setup{Conversations: 1})
	c := b.conversations(0)[0]
	for op, test := range map[string]struct{ method, path string }{
		sim.OpStart:     {"POST", b.conv(c, "/start")},
		sim.OpResponses: {"POST", b.conv(c, "/responses")},
		sim.OpEnd:       {"POST", b.conv(c, "/end")},
		sim.OpItems:     {"POST", b.conv(c, "/items")},
		sim.OpGet:       {"GET", b.conv(c, "")},
		sim.OpList:      {"GET", b.sim(0, "/conversations")},
	} {
		require.NoError(t, b.SetFaults(sim.Faults{RateLimitRate: 1, Only: []string{op}}))
		require.Equal(t, 429, b.call(test.method, test.path, says("hi")).status, op)
	}
	require.NoError(t, b.SetFaults(sim.Faults{RateLimitRate: 1}))
	b.get("/v1/projects") // not a worker's call
}

// A cut connection is one to the client, too, and all of it is kept.
func TestLostAnswersOverTheNetwork(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{Player: chatty, Faults: sim.Faults{LostAnswerRate: 1, Only: []string{sim.OpResponses}}},
		sim.Setup{Conversations: 1, MaxTurns: 100})
	c := b.conversations(0)[0]
	server := httptest.NewServer(b.handler)
	defer server.Close()
	client := server.Client()
	cut, failed := 0, 0
	for range 20 {
		req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+b.conv(c, "/responses"), strings.NewReader(`{}`))
		require.NoError(t, err)
		req.Header.Set("X-Api-Key", testKey)
		resp, err := client.Do(req)
		if err != nil {
			cut++
			continue
		}
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 500, resp.StatusCode)
		failed++
	}
	require.Positive(t, cut)
	require.Positive(t, failed)
	require.Len(t, b.transcript(c), 20)
	report := b.Report()
	require.Equal(t, map[string]int{"connection_cut": cut, "answer_lost": failed}, report.Faults)
	require.Equal(t, cut, report.Statuses[0])
}

func TestFaultsDoNotDependOnTheOrderOfCalls(t *testing.T) {
	t.Parallel()
	collect := func(seed int64, parallel bool) (out [][]string) {
		b := setup(t, sim.Config{Seed: seed, Player: chatty}, sim.Setup{Conversations: 12, MaxTurns: 100})
		all := b.conversations(0)
		require.NoError(t, b.SetFaults(sim.Faults{ErrorRate: 0.2, RateLimitRate: 0.2, LostAnswerRate: 0.2, MalformedRate: 0.2}))
		var wg sync.WaitGroup
		for _, c := range all {
			talk := func() {
				for range 15 {
					b.do(t.Context(), "POST", b.conv(c, "/responses"), `{}`)
				}
			}
			if parallel {
				wg.Go(talk)
			} else {
				talk()
			}
		}
		wg.Wait()
		for _, c := range all {
			var faults []string
			for _, e := range b.Events(c) {
				faults = append(faults, e.Fault)
			}
			out = append(out, faults)
		}
		return out
	}
	one := collect(7, false)
	require.Equal(t, one, collect(7, true))
	require.NotEqual(t, one, collect(8, false))
	require.NotEqual(t, one[0], one[1])
}

// Switching one fault on leaves the others where they were.
func TestFaultsAreIndependent(t *testing.T) {
	t.Parallel()
	errors := func(f sim.Faults) (out []int) {
		b := setup(t, sim.Config{Seed: 3, Player: chatty, Faults: f}, sim.Setup{Conversations: 1, MaxTurns: 100})
		require.NoError(t, b.SetFaults(sim.Faults{}))
		c := b.conversations(0)[0]
		require.NoError(t, b.SetFaults(f))
		for i := range 40 {
			if b.call("POST", b.conv(c, "/responses"), `{}`).status == 500 {
				out = append(out, i)
			}
		}
		return out
	}
	alone := errors(sim.Faults{ErrorRate: 0.3})
	require.NotEmpty(t, alone)
	require.Equal(t, alone, errors(sim.Faults{ErrorRate: 0.3, MalformedRate: 0.5, SlowRate: 0.5, SlowBy: time.Microsecond}))
}

func TestSlowAnswersAreCommittedInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := setup(t, sim.Config{Player: chatty, Clock: time.Now, Faults: sim.Faults{SlowRate: 1, SlowBy: time.Minute, Only: []string{sim.OpResponses}}},
			sim.Setup{Conversations: 1})
		c := b.conversations(0)[0]
		var wg sync.WaitGroup
		wg.Go(func() { b.do(t.Context(), "POST", b.conv(c, "/responses"), says("hi")) })
		synctest.Wait()
		require.Empty(t, b.transcript(c), "nothing is stored while the persona thinks")
		began := time.Now()
		wg.Wait()
		require.Equal(t, time.Minute, time.Since(began))
		require.Len(t, b.transcript(c), 2)
		require.NoError(t, b.Close())
	})
}

func TestFaultValidation(t *testing.T) {
	t.Parallel()
	bad := sim.Faults{ErrorRate: 1.1, SlowRate: math.NaN(), LostAnswerRate: -1, SlowBy: -1, Only: []string{"list", "lists"}}
	err := bad.Validate()
	for _, want := range []string{"error rate", "slow rate", "lost answer rate", "negative", `"lists"`} {
		require.ErrorContains(t, err, want)
	}
	b := newBench(t, sim.Config{})
	require.Error(t, b.SetFaults(bad))
	_, err = sim.New(sim.Config{Faults: bad, Latency: sim.Latency{Min: -1}, Scenario: &sim.Scenario{}})
	for _, want := range []string{"error rate", "latency", "at least one persona"} {
		require.ErrorContains(t, err, want)
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{}, sim.Setup{Conversations: 1})
	a := b.call("PUT", "/simulator/faults", `{"error_rate":1,"only":["items"]}`)
	require.Equal(t, 200, a.status, a.text)
	require.Equal(t, 500, b.call("POST", b.conv(b.Report().Conversations[0].ID, "/items"), nil).status)
	require.Equal(t, a.text, b.get("/simulator/faults").text)
	require.Equal(t, 400, b.call("PUT", "/simulator/faults", `{"error_rate":2}`).status)
	require.Equal(t, 400, b.call("PUT", "/simulator/faults", `{"errors":1}`).status)
}
