package assemble_test

import (
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	limitRow = regexp.MustCompile("(?m)^\\| ([^|]+) \\| ([^|]+) \\|[^|]*\\| `([a-z/]+)\\.([A-Za-z]+)` \\|$")
	units    = strings.NewReplacer("time.Second", "1000000000", "time.Minute", "60000000000", "time.Hour", "3600000000000")
)

// The limits in docs/security.md are those of the code.
func TestSecurityLimits(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	require.NoError(t, err)
	rows := limitRow.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(rows), 30)
	for _, row := range rows {
		t.Run(row[1], func(t *testing.T) {
			t.Parallel()
			has := defined(t, filepath.Join(root, filepath.FromSlash(row[3])), row[4])
			require.Equal(t, meant(t, strings.TrimSpace(row[2])), has, "%s.%s", row[3], row[4])
		})
	}
}

// defined is the value of a constant of a package: a number, or a duration in nanoseconds.
func defined(t *testing.T, dir, name string) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^\s*(?:const )?` + name + `\s*=\s*([^/\n]+)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		m := line.FindSubmatch(text)
		if m == nil || strings.HasSuffix(file, "_test.go") {
			continue
		}
		value, err := types.Eval(token.NewFileSet(), nil, token.NoPos, units.Replace(strings.TrimSpace(string(m[1]))))
		require.NoError(t, err, "%s", m[1])
		n, ok := constant.Int64Val(constant.ToInt(value.Value))
		require.True(t, ok)
		return n
	}
	require.Fail(t, "no such constant", "%s in %s", name, dir)
	return 0
}

// meant is what the page says: "5m", "64 KiB", "10".
func meant(t *testing.T, text string) int64 {
	t.Helper()
	if d, err := time.ParseDuration(text); err == nil && text != "0" {
		return int64(d)
	}
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	require.NoError(t, err, text)
	factor, ok := map[string]int64{"": 1, "bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]
	require.True(t, ok, fmt.Sprintf("unit of %q", text))
	return n * factor
}
