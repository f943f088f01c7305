package command

import (
	"context"
	"errors"
	"os/exec"
	"strconv"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/internal/localstack/localstacktest"
)

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"starter": Main, "crm": serveTools})
}

// serveTools is a server of tools on standard input and output.
func serveTools() {
	server := sdk.NewServer(&sdk.Implementation{Name: "crm", Version: "1"}, nil)
	for _, name := range []string{"find", "refund"} {
		sdk.AddTool(server, &sdk.Tool{Name: name}, func(context.Context, *sdk.CallToolRequest, struct{}) (*sdk.CallToolResult, any, error) {
			return &sdk.CallToolResult{}, nil, nil
		})
	}
	_ = server.Run(context.Background(), &sdk.StdioTransport{}) // until its client is gone
}

// tests runs the tests of the package and stops the server that they share.
type tests struct{ m *testing.M }

func (t tests) Run() (code int) {
	localstacktest.Main(t.m, goleak.Cleanup(func(c int) { code = c }))
	return code
}

// TestScript is the command line without a Temporal server.
func TestScript(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Cmds: scriptCommands})
}

// TestServerScript is the command line with one.
func TestServerScript(t *testing.T) {
	t.Parallel()
	address := localstacktest.Address(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/server", Cmds: scriptCommands,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TEMPORAL_ADDRESS", address)
			return nil
		},
	})
}

var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){"exits": exits}

// exits runs a command and compares its exit code: exits 4 starter show cv_1
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARGUMENT…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%v exits with %d, not with %d", args[1:], code, want)
	}
}
