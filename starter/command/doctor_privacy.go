package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
)

// examineNamespace says how long the namespace keeps what has ended.
func examineNamespace(ctx context.Context, o *operate.Operator) finding {
	f := finding{Check: "namespace", State: checkFine, Detail: o.Namespace}
	info, err := o.NamespaceInfo(ctx)
	if err != nil {
		return f // it exists; who may not read its settings can still use it
	}
	f.Detail += ", keeps conversations for " + days(info.Retention) + " after their end"
	if info.Archives {
		f.Detail += ", and archives them"
	}
	return f
}

// days is a retention in words. Temporal counts it in hours at least.
func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return count(int(d/(24*time.Hour)), "day")
	}
	return d.String()
}

// examineKeys finds the conversations of the task queue that wait for a key.
func examineKeys(ctx context.Context, o *operate.Operator) []finding {
	const name = "keys of conversations"
	waiting, more, err := o.WaitForKeys(ctx, o.OfTaskQueue())
	switch {
	case err != nil:
		return []finding{wrong(name, err)}
	case len(waiting) == 0:
		return nil
	}
	keys := map[string]int{}
	for _, c := range waiting {
		what := "of another key of that name, or changed"
		if c.WaitsFor.Key != "" {
			what = fmt.Sprintf("key %q", c.WaitsFor.Key)
		}
		keys[what]++
	}
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(keys)) {
		parts = append(parts, fmt.Sprintf("%d for %s", keys[what], what))
	}
	f := finding{Check: name, State: checkWrong,
		Detail: fmt.Sprintf("%s wait: %s; the newest: %s", count(len(waiting), "conversation"), strings.Join(parts, ", "), printable.ID(waiting[0].ID)),
		Remedy: "give every worker the key (encryption.keys); they go on by themselves. A key that is lost for good: docs/encryption.md",
	}
	if more {
		f.Detail = "at least " + f.Detail
	}
	return []finding{f}
}
