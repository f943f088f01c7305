// Package localstacktest gives tests a real Temporal server. In a package's
// TestMain:
//
//	func TestMain(m *testing.M) { localstacktest.Main(m) }
//
// and in a test:
//
//	c := localstacktest.Client(t)
//
// The server is in memory, has all search attributes of Parley, and is shared by
// the tests of one package: keep them apart by task queues and workflow ids. It
// starts when a test first asks for it. A test that needs a server of its own
// calls Start.
//
// Where no server can be started the test fails: a skipped test proves nothing.
// The first start on a machine may compile the devserver for minutes, longer than
// "go test" lets a test run by default; "go run ./internal/localstack/prepare"
// does it beforehand.
//
// Only external test packages (foo_test) of workflows, and of what it imports,
// can use it.
package localstacktest

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/build"
	"github.com/parley-run/parley/workflows"
)

// shared is the server of the test binary.
var shared struct {
	once  sync.Once
	stack *localstack.Stack
	err   error
}

// Main runs the tests of a package, stops the shared server, and fails if tests leak
// goroutines. It does not return.
func Main(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(stopping{m}, options...)
}

type stopping struct{ m *testing.M }

func (s stopping) Run() int {
	defer func() {
		if shared.stack != nil {
			shared.stack.Close()
		}
	}()
	return s.m.Run()
}

// Shared returns the server that the package's tests share. It needs Main.
func Shared(t testing.TB) *localstack.Stack {
	t.Helper()
	// Not the test's context: other tests use the server later.
	shared.once.Do(func() { shared.stack, shared.err = start(context.Background()) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	if err := shared.stack.Err(); err != nil {
		t.Fatal(err)
	}
	return shared.stack
}

// Address is the address of the shared server.
func Address(t testing.TB) string {
	t.Helper()
	return Shared(t).Address
}

// Client returns a client of the shared server that is closed with the test and
// logs nothing.
func Client(t testing.TB) client.Client {
	t.Helper()
	return Dial(t, Shared(t))
}

// Start starts a server for this test alone.
func Start(t testing.TB) *localstack.Stack {
	t.Helper()
	stack, err := start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Err(); err != nil {
			t.Error(err)
		}
		stack.Close()
	})
	return stack
}

// Dial returns a client of a server that is closed with the test and logs
// nothing.
func Dial(t testing.TB, stack *localstack.Stack) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort:  stack.Address,
		Namespace: stack.Namespace,
		Logger:    silent{},
		// On one machine it saves no time, and costs a tenth of it with the race detector.
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: &client.GrpcCompressionNone{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func start(ctx context.Context) (*localstack.Stack, error) {
	return localstack.Start(ctx, localstack.Options{
		Port:             localstack.AnyPort,
		SearchAttributes: workflows.SearchAttributes(),
		OnProgress:       quick(build.Lines(os.Stderr, 10*time.Second, time.Now)),
	})
}

// quick drops the progress of a start without a build, to keep test output short.
func quick(tell func(build.Progress)) func(build.Progress) {
	return func(p build.Progress) {
		switch p.Step {
		case build.StepStart, build.StepReady:
		default:
			tell(p)
		}
	}
}

type silent struct{}

var _ log.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
