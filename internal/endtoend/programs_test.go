package endtoend_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/parley-run/parley"
	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/internal/testhook"
	"github.com/parley-run/parley/tools"
	"github.com/parley-run/parley/tools/function"
)

var programs = map[string]func(){
	"agent":  agentProgram,
	"echoes": echoesProgram,
	"tools":  toolsProgram,
	"worker": workerProgram,
}

// eachRequest reads what executors/command writes.
func eachRequest(answer func(modelstandin.AgentRequest) any) {
	in := bufio.NewReader(os.Stdin)
	for {
		raw, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var req modelstandin.AgentRequest
		if err := json.Unmarshal(raw, &req); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		_, _ = fmt.Println(modelstandin.JSON(answer(req)))
	}
}

// agentProgram answers as recalls does, and posts what it is asked to $ASKED. What
// it knows is in its state alone: the next request may go to another process.
func agentProgram() {
	eachRequest(func(req modelstandin.AgentRequest) any {
		var known []string
		_ = json.Unmarshal(req.State, &known) // none in the first turn
		asked := modelstandin.Asked{Lines: req.Lines(), Known: append(known, req.Lines()...)}
		if url := os.Getenv("ASKED"); url != "" {
			res, err := http.Post(url, "application/json", strings.NewReader(modelstandin.JSON(asked)))
			if err != nil {
				_, _ = fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			_ = res.Body.Close()
		}
		said := recalls(asked)
		return map[string]any{"id": req.ID, "message": said.Text, "state": append(asked.Known, "assistant: "+said.Text)}
	})
}

// echoesProgram fails as providers do that repeat the key they were given: in its
// answer and in its log.
func echoesProgram() {
	eachRequest(func(req modelstandin.AgentRequest) any {
		key := os.Getenv("AGENT_KEY")
		_, _ = fmt.Fprintln(os.Stderr, "calling the model with", key)
		return map[string]any{"id": req.ID, "error": map[string]any{
			"kind": "unauthorized", "message": "incorrect key " + key, "remedy": "do not use " + key,
		}}
	})
}

// workerProgram is a worker with tools of its own, look and book, whose calls go to
// $TOOLS. A lost call of look may be made again, one of book may not. Calls of book wait for approval if $ASK says so.
func workerProgram() {
	type arguments struct {
		N int `json:"n"`
	}
	call := func(ctx context.Context, args arguments) (string, error) {
		c := function.CallOf(ctx)
		body, err := json.Marshal(toolRequest{Name: c.Name, Key: c.Key, Attempt: c.Attempt, N: args.N})
		if err != nil {
			return "", err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, os.Getenv("TOOLS"), bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", &conversation.Error{Kind: conversation.Unavailable, Op: "tool", Err: err}
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	set, err := function.New(function.Config{Tools: []function.Tool{
		function.Of("look", "looks", call).Idempotent(), function.Of("book", "books", call),
	}})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var rules tools.Rules
	if ask := os.Getenv("ASK"); ask != "" {
		rules.Ask = []string{ask}
	}
	if hook, err := testhook.Parse(os.Getenv(testhook.Variable)); hook != nil || err != nil {
		serveHooked(hook, set, rules)
		return
	}
	parley.Main(parley.Options{Tools: map[string]parley.Tools{"desk": {Set: set, Rules: rules}}, HealthAddress: "off"})
}

// serveHooked is parley.Main with a hook, which programs that embed Parley do not have.
func serveHooked(hook func(string), set tools.Set, rules tools.Rules) {
	backends := assemble.Builtin()
	backends.Given = assemble.Given{Tools: map[string]assemble.GivenTools{"desk": {Set: set, Rules: rules}}}
	lookup := connect.LookupIn(os.Environ())
	err := process.Serve(context.Background(), process.Settings{
		Source: config.Source{Lookup: lookup}, Backends: backends, Temporal: connect.Options{Environ: os.Environ(), Lookup: lookup},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)), BeforeEffect: hook,
	})
	_, _ = fmt.Fprintln(os.Stderr, err)
	os.Exit(process.ExitCode(err))
}

// A toolRequest is what workerProgram's tools send.
type toolRequest struct {
	Name    string `json:"name"`
	Key     string `json:"key"`
	Attempt int    `json:"attempt"`
	N       int    `json:"n"`
}
