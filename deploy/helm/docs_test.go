package helm

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../docs/kubernetes.md"

var valueRow = regexp.MustCompile("(?m)^\\| `([A-Za-z.]+)` \\| (`[^`]*`|) ?\\| (.+) \\|$")

// The page's table has every value with its default, and no other.
func TestPageHasEveryValue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	documented := map[string]string{}
	for _, row := range valueRow.FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = strings.Trim(row[2], "`")
		require.NotEmpty(t, strings.TrimSpace(row[3]))
	}
	c, err := load()
	require.NoError(t, err)
	defaults := map[string]string{}
	flatten(t, "", c.Values, defaults)
	require.Equal(t, defaults, documented)
}

// whole are values that the page names as one.
var whole = []string{"resources.requests", "resources.limits"}

func flatten(t *testing.T, at string, v any, into map[string]string) {
	t.Helper()
	m, ok := v.(map[string]any)
	if ok && len(m) > 0 && !slices.Contains(whole, at) {
		for name, below := range m {
			flatten(t, strings.TrimPrefix(at+"."+name, "."), below, into)
		}
		return
	}
	switch v := v.(type) {
	case string:
		into[at] = v
	case map[string]any, []any:
		text, err := json.Marshal(v)
		require.NoError(t, err)
		into[at] = strings.NewReplacer(`"`, "", ":", ": ", ",", ", ").Replace(string(text))
	default:
		into[at] = fmt.Sprint(v)
	}
}

// Every value of values.yaml has a place in the schema, and the schema has no other.
func TestSchemaHasEveryValue(t *testing.T) {
	t.Parallel()
	c, err := load()
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(c.Schema, &schema))
	delete(schema["properties"].(map[string]any), "global") // Helm's own
	var compare func(at string, v any, schema map[string]any)
	compare = func(at string, v any, schema map[string]any) {
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return
		}
		require.Equal(t, false, schema["additionalProperties"], "%s accepts unknown values", at)
		m, _ := v.(map[string]any)
		require.Len(t, properties, len(m), at)
		for name, below := range m {
			require.Contains(t, properties, name, at)
			compare(at+"."+name, below, properties[name].(map[string]any))
		}
	}
	compare("", c.Values, schema)
}
