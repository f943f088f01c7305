package tracing_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/tracing"
)

// The page lists every span and every attribute, and no other.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/observability.md")
	require.NoError(t, err)
	_, traces, ok := strings.Cut(string(page), "\n## Traces\n")
	require.True(t, ok)
	traces, _, _ = strings.Cut(traces, "\n## ")
	require.ElementsMatch(t, tracing.SpanNames(), firstColumn(t, traces, "### Spans"))
	var keys []string
	for _, key := range tracing.Keys() {
		keys = append(keys, string(key))
	}
	require.ElementsMatch(t, keys, firstColumn(t, traces, "### Attributes"))
}

var quoted = regexp.MustCompile("`([^`]+)`")

// firstColumn are the names in the first column of a section's table.
func firstColumn(t *testing.T, page, heading string) (names []string) {
	t.Helper()
	_, section, ok := strings.Cut(page, "\n"+heading+"\n")
	require.True(t, ok, heading)
	section, _, _ = strings.Cut(section, "\n###")
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, m := range quoted.FindAllStringSubmatch(cells[1], -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}
