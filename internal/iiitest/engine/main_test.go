package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/iii"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRunPrintsMessages(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"-addr", "127.0.0.1:0", "-era", "D", "-http", "127.0.0.1:0"}, os.Getenv, in, io.Discard)
		_ = in.Close()
	}()
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		var all strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := out.Read(buffer)
			all.Write(buffer[:n])
			for {
				line, rest, ok := strings.Cut(all.String(), "\n")
				if !ok {
					break
				}
				all.Reset()
				all.WriteString(rest)
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	first := <-lines
	require.Contains(t, first, "practice iii engine of era D at ws://127.0.0.1:")
	second := <-lines
	require.Contains(t, second, "http triggers at http://127.0.0.1:")
	response, err := http.Get(second[strings.Index(second, "http://"):])
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	w, err := iii.Connect(ctx, iii.Options{URL: first[strings.Index(first, "ws://"):]})
	require.NoError(t, err)
	require.Contains(t, <-lines, "<- {\"type\":\"workerregistered\"")
	require.Contains(t, <-lines, "engine::workers::register")
	w.Close()
	cancel()
	require.NoError(t, <-ended)
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-era", "Z"}, {"-era", ""}, {"-nonsense"}, {"-addr", "nowhere:x"}, {"-addr", "127.0.0.1:0", "-http", "nowhere:x"}} {
		require.Error(t, run(t.Context(), args, os.Getenv, io.Discard, io.Discard), args)
	}
	require.NoError(t, run(t.Context(), []string{"-h"}, os.Getenv, io.Discard, io.Discard))
}
