package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/parley-run/parley/iii"
	"github.com/parley-run/parley/internal/iiitest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/runagenttest"
)

// keyedRunAgent is the settings of a RunAgent that lets nobody in without the key.
// One that fails does so at each run, and repeats the key.
func keyedRunAgent(t *testing.T, fails bool) string {
	t.Helper()
	server := runagenttest.Start(t, recallingAgent(&asks{}))
	server.RequireKey(testKeys["RUNAGENT_KEY"])
	if fails {
		body := modelstandin.JSON(map[string]any{"detail": "Incorrect API key provided: " + testKeys["RUNAGENT_KEY"]})
		server.Fail(slices.Repeat([]runagenttest.Fault{{Status: http.StatusUnauthorized, Body: body}}, 100)...)
	}
	return fmt.Sprintf(`type: runagent, url: "%s", api_key: "${RUNAGENT_KEY}", agent_id: a-1, history_key: history`, server.URL())
}

// keyedEngine is the settings of an engine that lets in who has both keys. The
// agent of one that fails repeats them.
func keyedEngine(t *testing.T, fails bool) string {
	t.Helper()
	bearer, query := "Bearer "+testKeys["ENGINE_KEY"], testKeys["ENGINE_QUERY"]
	engine := iiitest.Start(t, iiitest.Options{Era: iii.EraC, Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != bearer || r.URL.Query().Get("token") != query {
			return errors.New("who are you?")
		}
		return nil
	}})
	chat := recallingChat(&asks{})
	if fails {
		chat = func(context.Context, iii.Invocation) (any, error) {
			return nil, errors.New("Agent support denied: " + bearer + ", " + query)
		}
	}
	serveChat(t, iii.Options{URL: engine.URL() + "?token=" + query, Headers: http.Header{"Authorization": {bearer}}}, chat)
	return fmt.Sprintf(`type: iii, url: "%s", agent_id: support, headers: {Authorization: "Bearer ${ENGINE_KEY}"}, query: {token: "${ENGINE_QUERY}"}`, engine.URL())
}

// keyedTools is the address of a tool server that lets nobody in without the key.
// One that fails answers 401 and repeats it.
func keyedTools(t *testing.T, fails bool) string {
	t.Helper()
	bearer := "Bearer " + testKeys["TOOLS_BEARER"]
	tools := echoingTools("server", bearer)
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return tools }, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := r.Header.Get("Authorization")
		if fails || given != bearer {
			http.Error(w, "Incorrect API key provided: "+given, http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		for session := range tools.Sessions() { // the worker is killed before it ends them
			_ = session.Close()
		}
	})
	return server.URL
}

// toolsProgram is a tool server that does nothing without its key.
func toolsProgram() {
	key := os.Getenv("TOOL_KEY")
	_, _ = fmt.Fprintln(os.Stderr, "program was given", key)
	if key != testKeys["TOOL_KEY"] {
		os.Exit(1)
	}
	if err := echoingTools("program", key).Run(context.Background(), &sdk.StdioTransport{}); err != nil {
		os.Exit(1)
	}
}

// echoingTools fail and repeat the key that they were given, one in a result and
// one in an error of the protocol. What a tool says that works is passed on as it is.
func echoingTools(name, key string) *sdk.Server {
	s := sdk.NewServer(&sdk.Implementation{Name: name, Version: "1"}, nil)
	type nothing struct{}
	sdk.AddTool(s, &sdk.Tool{Name: name + "_tells"}, func(context.Context, *sdk.CallToolRequest, nothing) (*sdk.CallToolResult, any, error) {
		return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: name + " was given " + key}}}, nil, nil
	})
	s.AddTool(&sdk.Tool{Name: name + "_refuses", InputSchema: map[string]any{"type": "object"}}, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: name + " refuses " + key}
	})
	return s
}

// callsThenRecalls is recalls that first calls all the tools there are, once in a
// conversation.
func callsThenRecalls(asked modelstandin.Asked) modelstandin.Said {
	called := slices.ContainsFunc(asked.Known, func(line string) bool { return strings.HasPrefix(line, "result ") })
	if called || len(asked.Tools) == 0 {
		return recalls(asked)
	}
	said := modelstandin.Said{}
	for _, name := range asked.Tools {
		said.Calls = append(said.Calls, modelstandin.Call{ID: "call-" + name, Name: name, Arguments: "{}"})
	}
	return said
}
