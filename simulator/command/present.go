package command

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/parley-run/parley/internal/sim"
)

// greet describes what runs.
func greet(w io.Writer, url string, f flags, s *sim.Simulator, seeded sim.Seeded) {
	report := s.Report()
	waiting := 0
	for _, c := range report.Conversations {
		if c.Status == "queued" || c.Status == "in_progress" {
			waiting++
		}
	}
	players := "by the scenario's rules"
	if f.personaModel != "" {
		players = "by " + f.personaModel
	}
	fmt.Fprintf(w, "\nSimulator at %s\n", url)
	fmt.Fprintf(w, "  project   %s\n", seeded.ProjectID)
	fmt.Fprintf(w, "  agent     %s\n", seeded.AgentID)
	again := ""
	if seeded.Reused {
		again = ", from " + f.state
	}
	fmt.Fprintf(w, "  waiting   %s in %s%s\n", count(waiting, "conversation"), count(len(seeded.SimulationIDs), "simulation"), again)
	fmt.Fprintf(w, "  personas  played %s, scenario %q, seed %d\n", players, report.Scenario, report.Seed)
	fmt.Fprintf(w, "  state     %s\n", cmp.Or(f.state, "in memory"))
	fmt.Fprintf(w, "  report    curl -H \"X-Api-Key: $ONERUN_API_KEY\" %s/simulator/report\n", url)
	fmt.Fprintf(w, "            or in a browser: any name, the key as password\n\n")
	if f.envFile != "" {
		fmt.Fprintf(w, "A worker's environment is in %s: . %s\n", f.envFile, f.envFile)
	} else {
		fmt.Fprintln(w, "Give a worker the variables above.")
	}
	fmt.Fprintln(w, "Ctrl-C stops the simulator.")
}

// farewell sums up the run.
func farewell(w io.Writer, r sim.Report) {
	fmt.Fprintln(w)
	for _, s := range r.Simulations {
		fmt.Fprintf(w, "%s: %s, %s\n", s.Name, strings.ReplaceAll(s.Status, "_", " "), tally(s.Conversations))
		if len(s.EndReasons) > 0 {
			fmt.Fprintf(w, "  ended     %s\n", tally(s.EndReasons))
		}
		for _, name := range slices.Sorted(maps.Keys(s.Scores)) {
			fmt.Fprintf(w, "  scored    %.2f  %s\n", s.Scores[name], name)
		}
	}
	t := r.Totals
	fmt.Fprintf(w, "Messages: %d of the agent (%d repeated), %d of personas\n", t.AgentMessages, t.Duplicates, t.PersonaMessages)
	if len(r.Faults) > 0 {
		fmt.Fprintf(w, "Faults: %s\n", tally(r.Faults))
	}
	hints := map[string]int{}
	for _, h := range r.Hints {
		hints[h.Text]++
	}
	for _, text := range slices.Sorted(maps.Keys(hints)) {
		fmt.Fprintf(w, "Hint (%d): %s\n", hints[text], text)
	}
}

func tally(m map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%d %s", m[k], strings.ReplaceAll(k, "_", " ")))
	}
	return cmp.Or(strings.Join(parts, ", "), "nothing")
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
