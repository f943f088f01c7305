package command

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var execStart = regexp.MustCompile(`(?m)^ExecStart=/usr/bin/parley-worker(.*) \$PARLEY_FLAGS$`)

// The worker understands the flags of the units of systemd.
func TestFlagsOfUnits(t *testing.T) {
	t.Parallel()
	units, err := filepath.Glob("../../deploy/systemd/*.service")
	require.NoError(t, err)
	require.Len(t, units, 3)
	for _, unit := range units {
		text, err := os.ReadFile(unit)
		require.NoError(t, err)
		found := execStart.FindStringSubmatch(string(text))
		require.NotNil(t, found, unit)
		args := strings.Fields(found[1])
		for i, arg := range args {
			args[i] = strings.Trim(arg, `"`)
		}
		require.NoError(t, (&command{}).parse(args), unit)
	}
}
