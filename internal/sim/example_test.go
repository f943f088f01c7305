package sim_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/parley-run/parley/internal/sim"
)

func Example() {
	s, err := sim.New(sim.Config{APIKey: "practice", Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Close() }()
	seeded, err := s.Seed(context.Background(), sim.Setup{Conversations: 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(s.Handler())
	defer server.Close()

	// Here a worker would be pointed at server.URL, seeded.ProjectID and
	// seeded.AgentID, and s.Wait would wait for it.
	fmt.Println(len(seeded.SimulationIDs), "simulation,", len(s.Report().Conversations), "conversations waiting")
	// Output: 1 simulation, 20 conversations waiting
}
