//go:build soak

package soak_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/payloads"
)

var (
	turns   = flag.Int("turns", 10_000, "turns of the long conversation")
	idle    = flag.Int("idle", 10_000, "idle conversations on one worker")
	heap    = flag.String("heap", "", "file for a profile of the heap, written at each report")
	encrypt = flag.Bool("encrypt", true, "encrypt all payloads")
)

func TestMain(m *testing.M) { localstacktest.Main(m) }

// connected is a client of the shared server, which encrypts if the flag says so.
func connected(t *testing.T, change func(*client.Options)) (client.Client, client.Options) {
	t.Helper()
	stack := localstacktest.Shared(t)
	options := client.Options{HostPort: stack.Address, Namespace: stack.Namespace, Logger: silent{}}
	if *encrypt {
		ring, err := payloads.Open(t.Context(), payloads.Config{
			Key: "soak", Keys: map[string]payloads.Source{"soak": {Env: "KEY"}},
			LookupEnv: func(string) (string, bool) {
				return "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", true
			},
		})
		require.NoError(t, err)
		ring.Secure(&options)
	}
	if change != nil {
		change(&options)
	}
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, options
}

type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}

// agent answers, and keeps nothing.
type agent struct{ pad string }

func (a agent) Execute(_ context.Context, req executors.Request) (executors.Result, error) {
	return executors.Result{Message: conversation.Text(conversation.RoleAssistant, fmt.Sprintf("reply %d %s", req.Turn, a.pad))}, nil
}

// memory is what this process, the worker, holds: heap and stacks in use.
func memory() (bytes uint64, goroutines int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if *heap != "" {
		if file, err := os.Create(*heap); err == nil {
			_ = pprof.WriteHeapProfile(file)
			_ = file.Close()
		}
	}
	return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
}
