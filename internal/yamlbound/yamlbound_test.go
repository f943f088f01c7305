package yamlbound_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/parley-run/parley/internal/yamlbound"
)

// bomb is n levels, each of which has the one before ten times.
func bomb(n int, format, item string) string {
	var b strings.Builder
	b.WriteString("a0: &a0 {x: 1}\n")
	for i := 1; i <= n; i++ {
		items := strings.Repeat(fmt.Sprintf(item, i-1)+", ", 10)
		fmt.Fprintf(&b, format+"\n", i, i, strings.TrimSuffix(items, ", "))
	}
	return b.String()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"Plain":    {"a: [1, 2, {b: c}]\n", ""},
		"Aliases":  {"a: &a {x: 1}\nb: *a\nc: {<<: *a, y: [*a, *a]}\n", ""},
		"Merges":   {bomb(9, "a%d: &a%d {<<: [%s]}", "*a%d"), "stands for more than 100000 values"},
		"Lists":    {bomb(9, "a%d: &a%d [%s]", "*a%d"), "stands for more than 100000 values"},
		"Cycle":    {"a: &a {b: *a}\n", "contains itself"},
		"Merged":   {"a: &a {<<: *a}\n", "contains itself"},
		"Deep":     {strings.Repeat("[", 200) + strings.Repeat("]", 200), "more than 100 levels deep"},
		"DeepSoon": {"a: " + strings.Repeat("[", 98) + strings.Repeat("]", 98), ""},
		"DeepByAlias": {
			"a: &a " + strings.Repeat("[", 60) + strings.Repeat("]", 60) + "\nb: " + strings.Repeat("[", 60) + "*a" + strings.Repeat("]", 60),
			"levels deep, once aliases",
		},
		"Long": {"a: [" + strings.Repeat("1,", 200_000) + "1]", "stands for more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var root yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(test.text), &root))
			err := yamlbound.Check(&root)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.want)
			var at *yamlbound.Error
			require.ErrorAs(t, err, &at)
			require.Positive(t, at.Node.Line)
		})
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, make([]byte, yamlbound.MaxBytes), 0o600))
	data, err := yamlbound.ReadFile(path)
	require.NoError(t, err)
	require.Len(t, data, yamlbound.MaxBytes)
	require.NoError(t, os.WriteFile(path, make([]byte, yamlbound.MaxBytes+1), 0o600))
	_, err = yamlbound.ReadFile(path)
	require.ErrorIs(t, err, yamlbound.ErrTooLarge)
	if _, err := os.Stat("/dev/zero"); err == nil {
		_, err = yamlbound.ReadFile("/dev/zero")
		require.ErrorIs(t, err, yamlbound.ErrTooLarge)
	}
}
