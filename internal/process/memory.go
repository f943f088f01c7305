package process

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// DefaultStickyCache is how many conversations a worker keeps in memory, unless its memory
	// is limited: see [StickyCacheFor]. Full of idle conversations they take 600 MiB.
	DefaultStickyCache = 10_000
	// leastStickyCache is for what happens at the same time; a smaller cache would replay the
	// same conversations again and again.
	leastStickyCache = 500
	// idleConversation is the memory of an idle conversation: docs/performance.md has the
	// measurement.
	idleConversation = 60 << 10
)

// StickyCacheFor is the default size of the sticky cache where the process may use so much
// memory: [DefaultStickyCache], or as many idle conversations as fit half of it. A limit of
// zero or less is none.
func StickyCacheFor(memoryLimit int64) int {
	if memoryLimit <= 0 {
		return DefaultStickyCache
	}
	return int(min(max(memoryLimit/2/idleConversation, leastStickyCache), DefaultStickyCache))
}

// memoryLimit is what the process may use: by GOMEMLIMIT, or by the control group that a
// container runs in. Zero: no limit is known.
func memoryLimit() int64 {
	limit := debug.SetMemoryLimit(-1)
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if data, err := os.ReadFile(name); err == nil {
			limit = min(limit, groupLimit(string(data)))
		}
	}
	if limit >= unlimited {
		return 0
	}
	return limit
}

// unlimited is more than any machine has. Control groups without a limit say "max", or a
// number above it.
const unlimited = 1 << 50

func groupLimit(text string) int64 {
	limit, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || limit <= 0 {
		return math.MaxInt64
	}
	return limit
}
