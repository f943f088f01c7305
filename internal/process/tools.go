package process

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/assemble"
)

// examineTools lists the tools that models will be offered, so that the log reports at
// the start which names in allow, ask, retry and an agent's tools no tool has. It stops
// nothing and holds nothing up: a server that is down now is listed before each reply.
// The caller must call wait before the tools are closed.
func (s Settings) examineTools(ctx context.Context, a *assemble.Assembly, listed []executors.Listing) (wait func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	names := offeredTools(a, listed)
	for _, set := range slices.Sorted(maps.Keys(names)) {
		group.Go(func() {
			if _, err := a.Tools.Offer(ctx, names[set]); err != nil && ctx.Err() == nil {
				s.Logger.Warn("tools cannot be listed yet, retried while the worker runs", "tools", set, "reason", err)
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// offeredTools returns what agents whose executors offer tools name of each set.
func offeredTools(a *assemble.Assembly, listed []executors.Listing) map[string][]string {
	names := make(map[string][]string)
	for _, agent := range a.Config.Agents {
		speakers := a.Speakers(agent)
		offers := slices.ContainsFunc(listed, func(l executors.Listing) bool {
			return l.Tools && (slices.Contains(speakers, l.Name) || slices.Contains(speakers, executors.Auto))
		})
		if !offers {
			continue
		}
		for _, name := range agent.Policy.Tools {
			set, _, _ := strings.Cut(name, "/")
			names[set] = append(names[set], name)
		}
	}
	return names
}
