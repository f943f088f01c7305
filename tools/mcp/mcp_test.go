package mcp_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/program/programtest"
	"github.com/parley-run/parley/secret"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/mcp"
	"github.com/parley-run/parley/tools/toolstest"
)

const key = "tk-very-secret-key-0123456789"

func wireError(code int64, message string) error { return &jsonrpc.Error{Code: code, Message: message} }

// newProgram makes a set of one of the test's programs.
func newProgram(t *testing.T, change func(*mcp.Config), program string, args ...string) *mcp.Set {
	t.Helper()
	cfg := mcp.Config{
		Name: "shop", Command: append([]string{os.Args[0]}, args...),
		Env: map[string]secret.String{programtest.Variable: secret.String(program), "API_KEY": key},
	}
	if testing.CoverMode() != "" { // else the programs complain on their standard error
		cfg.Env["GOCOVERDIR"] = secret.String(t.TempDir())
	}
	if change != nil {
		change(&cfg)
	}
	s, err := mcp.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestContractOfPrograms(t *testing.T) {
	t.Parallel()
	toolstest.Run(t, toolstest.Fixture{
		New:     func(t *testing.T) tools.Set { return newProgram(t, nil, "server") },
		Breaks:  true,
		Odd:     true,
		Secrets: []string{key},
	})
}

// call makes a call that has to come to a result.
func call(t *testing.T, s *mcp.Set, tool string) tools.Result {
	t.Helper()
	result, err := s.Call(t.Context(), toolstest.Make(tool, "k", "hello"))
	require.NoError(t, err)
	return result
}

// bare makes a call without arguments.
func bare(t *testing.T, s *mcp.Set, tool string) tools.Result {
	t.Helper()
	result, err := s.Call(t.Context(), tools.Call{Name: tool, Key: "k"})
	require.NoError(t, err)
	return result
}

// failing makes a call that has to fail, and returns why.
func failing(t *testing.T, s *mcp.Set, tool string) *conversation.Error {
	t.Helper()
	_, err := s.Call(t.Context(), toolstest.Make(tool, "k", "hello"))
	var ce *conversation.Error
	require.ErrorAs(t, err, &ce)
	require.NotContains(t, err.Error(), key)
	return ce
}

func TestResults(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	for tool, want := range map[string]tools.Result{
		"everything": {Content: "Here:\n[image: image/png, 120 bytes]\n[audio: audio/wav, 7 bytes]\ninside\n" +
			"[resource file:///b: application/zip, 9 bytes]\n[link https://example.com/c.pdf: application/pdf, 2048 bytes]\n[link https://example.com/d]"},
		"structured":      {Content: `{"number":1042,"state":"\u003csent\u003e"}`},
		"structured_only": {Content: "An order:\n" + `{"number":1042,"state":"<sent>"}`},
		"says_nothing":    {Content: "The tool failed without a reason.", IsError: true},
		"refuses":         {Content: "The tool [redacted] refuses the call: not [redacted] today", IsError: true},
	} {
		t.Run(tool, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, bare(t, s, tool))
		})
	}
}

// Many servers make the words of an error upstream their own, address and key
// included. A result that is none is left as it is.
func TestFailuresAreWithoutSecrets(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	arguments := json.RawMessage(`{"text":"401 for https://api.example.com?key=` + key + `"}`)
	for tool, want := range map[string]tools.Result{
		toolstest.Complain: {Content: "401 for https://api.example.com?key=[redacted]", IsError: true},
		toolstest.Echo:     {Content: "401 for https://api.example.com?key=" + key},
	} {
		got, err := s.Call(t.Context(), tools.Call{Name: tool, Key: "k", Arguments: arguments})
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// What a server says of its tools decides which calls may be made again.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	listed, err := newProgram(t, nil, "server").List(t.Context())
	require.NoError(t, err)
	repeatable := map[string]bool{}
	for _, tool := range listed {
		repeatable[tool.Name] = tool.Repeatable
	}
	require.True(t, repeatable["reads"])
	require.True(t, repeatable["sets"])
	require.False(t, repeatable["adds"])
	require.False(t, repeatable[toolstest.Echo])
}

// A list of several pages is one list.
func TestListHasAllPages(t *testing.T) {
	t.Parallel()
	listed, err := newProgram(t, nil, "server").List(t.Context())
	require.NoError(t, err)
	require.Greater(t, len(listed), 10)
	i := slices.IndexFunc(listed, func(tool conversation.Tool) bool { return tool.Name == toolstest.Echo })
	require.NotEqual(t, -1, i)
	require.Equal(t, "The tool echo.", listed[i].Description)
	require.JSONEq(t, `{"type":"object","properties":{"text":{"type":"string","description":"what to say"}},"required":["text"],"additionalProperties":false}`,
		string(listed[i].Schema))
}

func TestLargeAnswerFailsOnlyItsCall(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	largeAnswer(t, s)
}

func largeAnswer(t *testing.T, s *mcp.Set) {
	t.Helper()
	before := call(t, s, "pid")
	result := call(t, s, "large")
	require.True(t, result.IsError)
	require.Contains(t, result.Content, "larger than 16 MiB")
	require.Equal(t, before, call(t, s, "pid"), "it is the same program")
}

// An internal error is an answer: the model receives it, and the call is not made again.
func TestInternalErrorOfTheServer(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	before := call(t, s, "pid")
	require.Equal(t, tools.Result{
		Content: "The tool [redacted] reports error -32603: not [redacted] today. It is not known whether the tool did its work.", IsError: true,
	}, call(t, s, "fails"))
	require.Equal(t, before, call(t, s, "pid"), "the program is none the worse")
}

// The version changes when the server says that its tools did.
func TestVersion(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	require.Equal(t, "hello", call(t, s, toolstest.Echo).Content)
	before := s.Version()
	require.Equal(t, "done", call(t, s, "learn").Content)
	require.Eventually(t, func() bool { return s.Version() > before }, patience, time.Millisecond)
	require.Equal(t, "yes", call(t, s, "learnt").Content)
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cfg  mcp.Config
		want []string
	}{
		"Nothing": {mcp.Config{}, []string{"command is empty: write the program and its arguments as a list, such as [npx, -y, some-server], or give url"}},
		"Both": {mcp.Config{Command: []string{"x"}, URL: "http://localhost", ConnectTimeout: -1}, []string{
			"connect_timeout is -1ns", "url is given, and command too: give one of the two",
		}},
		"Program": {
			mcp.Config{
				Command: []string{"npx some\x00-server"}, Headers: map[string]secret.String{"X": "y"},
				Env: map[string]secret.String{"A B": "x", "K": key + "\x00"},
			},
			[]string{"looks like a line for a shell", "command[0] contains a zero byte", "env.A B is no name of a variable", "env.K contains a zero byte", "headers is for a server"},
		},
		"EmptyPart": {mcp.Config{Command: []string{" ", "x"}}, []string{"command[0] is empty"}},
		"Server": {
			mcp.Config{
				URL: "http://user:" + key + "@localhost/mcp", Dir: "/x", Env: map[string]secret.String{"K": "x"},
				Headers: map[string]secret.String{"A B": "x", "accept": "x", "K": key + "\n"},
			},
			[]string{"url contains a user name or password", "dir is for a program", "env is for a program", "headers.A B is no name of a header", "headers.accept cannot be set here", "headers.K contains a line break"},
		},
		"NoServer": {mcp.Config{URL: "localhost:8000?" + key}, []string{"url is no address of a server"}},
		"Fragment": {mcp.Config{URL: "http://localhost/mcp#x"}, []string{"url contains a fragment"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mcp.New(c.cfg)
			require.Error(t, err)
			require.NotContains(t, err.Error(), key)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.Len(t, strings.Split(err.Error(), "\n"), len(c.want), "%v", err)
		})
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := newProgram(t, nil, "server")
	call(t, s, toolstest.Echo)
	require.NoError(t, s.Close())
	err := failing(t, s, toolstest.Echo)
	require.Equal(t, conversation.Unavailable, err.Kind)
	require.ErrorContains(t, err, "the tools are closed")
	require.NoError(t, s.Close())
}

// The smallest set costs nothing until it is used.
func TestUnusedStartsNothing(t *testing.T) {
	t.Parallel()
	s, err := mcp.New(mcp.Config{Command: []string{"no-such-program-anywhere"}})
	require.NoError(t, err)
	require.Equal(t, "MCP server no-such-program-anywhere", s.String())
	require.NoError(t, s.Close())
}

func TestArgumentsMustBeAnObject(t *testing.T) {
	t.Parallel()
	s, err := mcp.New(mcp.Config{Command: []string{"no-such-program-anywhere"}})
	require.NoError(t, err)
	for _, arguments := range []string{`[]`, `"x"`, `{"text"`, `7`} {
		result, err := s.Call(t.Context(), tools.Call{Name: "x", Arguments: json.RawMessage(arguments)})
		require.NoError(t, err)
		require.Equal(t, tools.Result{Content: "The arguments are not a JSON object.", IsError: true}, result)
	}
}
