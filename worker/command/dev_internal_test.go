package command

import (
	"bytes"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

func TestDevOptions(t *testing.T) {
	t.Parallel()
	parse := func(args ...string) devOptions {
		var o devOptions
		f := pflag.NewFlagSet("worker", pflag.ContinueOnError)
		o.register(f)
		require.NoError(t, f.Parse(args))
		return o
	}
	require.NoError(t, parse().validate())
	require.Equal(t, devOptions{Conversations: 3, Exit: true, Output: "json"},
		parse("--dev-conversations", "3", "--exit", "--output", "json"))
	require.EqualError(t, parse("--dev-conversations", "0", "--output", "xml").validate(),
		"--dev-conversations is 0: write 1 or more\n--output is \"xml\": write text or json")
}

func TestDevTakesTheServerThatTheEnvironmentNames(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	err := runDev(t.Context(), devOptions{
		Conversations: 1, Exit: true, Output: "text",
		Environ: []string{"TEMPORAL_ADDRESS=127.0.0.1:1", "TEMPORAL_NAMESPACE=mine"},
	}, &stdout, &stderr)
	require.ErrorContains(t, err, "no Temporal server at 127.0.0.1:1")
	require.Equal(t, 1, devExitCode(err))
	require.Empty(t, stdout.String())
}
