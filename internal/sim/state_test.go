package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/sim"
)

// picture is all that can be read from a simulator.
func (b *bench) picture() map[string]any {
	b.t.Helper()
	out := map[string]any{}
	paths := []string{"/v1/projects", b.q("/v1/agents"), b.q("/v1/objectives"), b.q("/v1/simulations"), b.sim(0, ""), b.sim(0, "/personas"), b.sim(0, "/conversations?limit=100")}
	for _, c := range b.conversations(0) {
		paths = append(paths, "/simulator/conversations/"+c+"/events")
		out[c] = b.transcript(c)
	}
	for _, p := range paths {
		out[p] = b.get(p).body
	}
	r := b.Report()
	out["totals"], out["conversations"] = r.Totals, r.Conversations
	return out
}

func TestStateSurvivesRestarts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.jsonl")
	cfg := sim.Config{StateFile: file, Seed: 5, Lenient: sim.Lenient{Keys: true}}
	b := setup(t, cfg, sim.Setup{Conversations: 6, Simulations: 2})
	all := b.conversations(0)
	b.run(all[0], agents["Helpful"])
	b.run(all[1], agents["Stubborn"])
	b.post(b.conv(all[2], "/start"), nil)
	key := header{"Idempotency-Key": "k"}
	kept := b.call("POST", b.conv(all[2], "/responses"), says("Could I have your order number?"), key)
	b.call("POST", b.conv(all[2], "/start"), nil)
	b.call("POST", b.conv(all[0], "/end"), nil)
	b.post(b.q("/v1/simulations/"+b.seeded.SimulationIDs[1]+"/cancel"), nil)
	b.call("PATCH", b.q("/v1/objectives/"+b.seeded.ObjectiveIDs[0]), `{"name":"new name"}`)
	before := b.picture()
	require.NoError(t, b.Close())

	for range 2 { // the second time from the compacted file
		again := newBench(t, cfg)
		again.clock = b.clock
		again.seeded = b.seeded
		require.Equal(t, before, again.picture())
		require.NoError(t, again.Close())
	}
	again := newBench(t, cfg)
	again.seeded = b.seeded
	require.Equal(t, kept.text, again.call("POST", b.conv(all[2], "/responses"), says("Could I have your order number?"), key).text)

	// It continues as without the restart.
	straight := setup(t, sim.Config{Seed: 5}, sim.Setup{Conversations: 6, Simulations: 2})
	c := straight.conversations(0)[2]
	straight.post(straight.conv(c, "/responses"), says("Could I have your order number?"))
	require.Equal(t, straight.post(straight.conv(c, "/responses"), says("I see.")).output(), again.post(again.conv(all[2], "/responses"), says("I see.")).output())
	require.NoError(t, again.Close())
}

func TestSeedReuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.jsonl")
	open := func() *bench { return newBench(t, sim.Config{StateFile: file}) }
	one := open().seed(sim.Setup{Conversations: 1, Reuse: true})
	require.False(t, one.seeded.Reused)
	require.NoError(t, one.Close())

	two := open().seed(sim.Setup{Conversations: 5, Reuse: true})
	require.True(t, two.seeded.Reused)
	two.seeded.Reused = false
	require.Equal(t, one.seeded, two.seeded)
	two.run(two.conversations(0)[0], agents["Polite"])
	require.NoError(t, two.Close())

	three := open().seed(sim.Setup{Conversations: 5, Reuse: true})
	require.False(t, three.seeded.Reused, "what is done is not to be done again")
	require.Equal(t, one.seeded.ProjectID, three.seeded.ProjectID)
	require.Equal(t, one.seeded.AgentID, three.seeded.AgentID)
	require.Equal(t, one.seeded.ObjectiveIDs, three.seeded.ObjectiveIDs)
	require.NotEqual(t, one.seeded.SimulationIDs, three.seeded.SimulationIDs)
	require.NoError(t, three.Close())
}

func TestStateFilesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const head = `{"format":"parley-simulator","version":1}` + "\n"
	for name, test := range map[string]struct{ path, want string }{
		"Foreign":    {write("foreign", "dear diary\n"), "not a state file"},
		"OneLine":    {write("line", "dear diary"), "not a state file"},
		"Damaged":    {write("damaged", head+`{"projects":[{"id":"a","name":"x"}]}`+"\n{{{\n"), "line 3: damaged"},
		"NoFolder":   {filepath.Join(dir, "none", "file"), "none"},
		"NoPersonas": {write("cast", head+`{"projects":[{"id":"p"}],"simulations":[{"id":"s","project":"p"}]}`+"\n"+`{"personas":[{"id":"x","simulation":"s","key":"ghost"}]}`+"\n"), `persona "ghost"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sim.New(sim.Config{StateFile: test.path})
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, test.path)
		})
	}
	foreign, err := os.ReadFile(filepath.Join(dir, "foreign"))
	require.NoError(t, err)
	require.Equal(t, "dear diary\n", string(foreign), "what is not ours stays as it is")
}

// A process that dies while it writes leaves half a line. No caller has received an
// answer that depends on it.
func TestHalfALine(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.jsonl")
	b := setup(t, sim.Config{StateFile: file}, sim.Setup{Conversations: 1})
	require.NoError(t, b.Close())
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"items":[{"id":"x","conv`)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	again := newBench(t, sim.Config{StateFile: file})
	again.seeded = b.seeded
	require.Len(t, again.conversations(0), 1)
	require.NoError(t, again.Close())
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(data), "\n"))
}

// Every answered change is in the file at that moment.
func TestAnswersAreDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "state.jsonl")
	b := setup(t, sim.Config{StateFile: file, Player: chatty, Lenient: sim.Lenient{Capacity: true}}, sim.Setup{Conversations: 20, MaxTurns: 100})
	all := b.conversations(0)
	var wg sync.WaitGroup
	var mu sync.Mutex
	lost := []string{}
	for _, c := range all {
		wg.Go(func() {
			for i := range 5 {
				text := fmt.Sprintf("message %d to %s", i, c)
				b.do(t.Context(), "POST", b.conv(c, "/responses"), says(text))
				data, err := os.ReadFile(file)
				if err != nil || !strings.Contains(string(data), text) {
					mu.Lock()
					lost = append(lost, text)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	require.Empty(t, lost)
	copied := filepath.Join(dir, "copy.jsonl") // as if the process had died here
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(copied, data, 0o600))
	again := newBench(t, sim.Config{StateFile: copied, Player: chatty})
	again.seeded = b.seeded
	for _, c := range all {
		require.Len(t, again.transcript(c), 10)
	}
}

func TestClosedSimulatorKeepsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, sim.Config{StateFile: filepath.Join(t.TempDir(), "s")}, sim.Setup{Conversations: 1})
	require.NoError(t, b.Close())
	require.Equal(t, 500, b.call("POST", "/v1/projects", `{"name":"late"}`).status, "rather than promise what is not kept")
	require.NoError(t, b.Close())
}
