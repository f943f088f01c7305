package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/platforms/pulse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	env := func(name string) string { return map[string]string{"API_KEY": "k"}[name] }
	go func() { code <- run(ctx, []string{"--addr", "127.0.0.1:0", "--stage", "B"}, env, in, io.Discard) }()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, url, found := strings.Cut(strings.TrimSpace(line), "stage B, listens on ")
	require.True(t, found, line)

	p, err := pulse.New(pulse.Config{URL: url, Key: "k"})
	require.NoError(t, err)
	require.NoError(t, p.Check(t.Context(), "", ""))
	stage, err := p.Client().Stage(t.Context())
	require.NoError(t, err)
	require.Equal(t, pulse.StageB, stage)
	p.Client().CloseIdleConnections()
	cancel()
	require.Zero(t, <-code)
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "A stand-in for RunAgent Pulse"},
		{[]string{"--stage", "D"}, 2, `--stage is "D": use A, A2, B or C`},
		{[]string{"start"}, 2, `"start" is no flag`},
		{[]string{"--port", "1"}, 2, "flag provided but not defined"},
		{[]string{"--addr", "127.0.0.1:no"}, 1, "choose another --addr"},
	} {
		var stderr bytes.Buffer
		code := run(t.Context(), tt.args, func(string) string { return "" }, io.Discard, &stderr)
		require.Equal(t, tt.code, code)
		require.Contains(t, stderr.String(), tt.want)
	}
}
