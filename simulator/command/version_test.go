package command

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/version"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"--version"}, os.LookupEnv, &stdout, &stderr))
	require.Equal(t, version.Line("simulator")+"\n", stdout.String())
	require.Empty(t, stderr.String())
}
