// Package testhook freezes or kills a worker at the moment that is hardest for it:
// when it has decided on an effect, and before it has it.
//
// The worker reads it from the variable PARLEY_TEST_HOOKS, a list such as
//
//	exchange=stop,tool=kill@2
//
// An entry names an effect (claim, exchange, reply, tool, end, callback, report,
// notify), the signal that the process sends itself right before it (stop: SIGSTOP,
// until a SIGCONT; kill: SIGKILL), and the occurrence of the effect, by default the
// first. Each entry acts once. It is for tests only.
package testhook

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Variable is the environment variable's name.
const Variable = "PARLEY_TEST_HOOKS"

// Effects are the names that hooks may have.
var Effects = []string{"claim", "exchange", "reply", "tool", "end", "callback", "report", "notify"}

// A hook waits for its occurrence of an effect.
type hook struct {
	effect string
	act    func()
	left   int
}

// Parse reads the variable's value. It returns nil for an empty one.
func Parse(value string) (func(effect string), error) {
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	var hooks []*hook
	for entry := range strings.SplitSeq(value, ",") {
		h, err := parse(strings.TrimSpace(entry))
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", Variable, entry, err)
		}
		hooks = append(hooks, h)
	}
	var mu sync.Mutex
	return func(effect string) {
		mu.Lock()
		var due []func()
		for _, h := range hooks {
			if h.effect != effect {
				continue
			}
			if h.left--; h.left == 0 {
				due = append(due, h.act)
			}
		}
		mu.Unlock()
		for _, act := range due {
			act()
		}
	}, nil
}

func parse(entry string) (*hook, error) {
	effect, what, ok := strings.Cut(entry, "=")
	if !ok || !slices.Contains(Effects, effect) {
		return nil, fmt.Errorf("write effect=stop or effect=kill, where the effect is one of %s", strings.Join(Effects, ", "))
	}
	h := &hook{effect: effect, left: 1}
	what, nth, counted := strings.Cut(what, "@")
	if counted {
		n, err := strconv.Atoi(nth)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("write the occurrence as a number from 1")
		}
		h.left = n
	}
	switch what {
	case "stop":
		h.act = stop
	case "kill":
		h.act = kill
	default:
		return nil, fmt.Errorf("%q is neither stop nor kill", what)
	}
	return h, nil
}
