package endtoend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/command"
	"github.com/parley-run/parley/executors/gemini"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/executors/scripted"
	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/localstack/localstacktest"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/internal/rig"
	"github.com/parley-run/parley/internal/sim"
	"github.com/parley-run/parley/secret"
)

const firstWords = "My word is apricot-17."

// forgetful is a persona that tells a word at first and asks for it in every
// further message. It leaves after four replies, or at once when the agent does
// not know the word.
type forgetful struct{}

func (forgetful) Reply(_ context.Context, turn sim.PersonaTurn) (string, bool, error) {
	replies := 0
	for _, m := range turn.Messages {
		if m.Role != conversation.RoleAssistant {
			continue
		}
		replies++
		if !strings.Contains(m.Text(), "apricot-17") {
			return "You have forgotten it.", true, nil
		}
	}
	switch replies {
	case 0:
		return firstWords, false, nil
	case 4:
		return "Thanks, bye.", true, nil
	}
	return fmt.Sprintf("What was my word? (%d)", replies), false, nil
}

// recalls is the agent: it knows nothing but the messages it has been sent.
func recalls(asked modelstandin.Asked) modelstandin.Said {
	word, heard := "no word", 0
	for _, line := range asked.Known {
		if text, ok := strings.CutPrefix(line, "user: "); ok {
			heard++
			if said, ok := strings.CutPrefix(text, "My word is "); ok {
				word = strings.TrimSuffix(said, ".")
			}
		}
	}
	return modelstandin.Said{Text: recalled(word, heard)}
}

func recalled(word string, turn int) string { return fmt.Sprintf("Your word is %s (%d).", word, turn) }

// scriptedRecall is the same agent as a script. A script hears only what was said
// last: this one knows the word by heart.
const scriptedRecall = `name: recall
fallback: "Your word is apricot-17 ({{turn}})."
`

// A speaker is a backend and what it was asked.
type speaker struct {
	executors.Executor
	asked func() []modelstandin.Asked
}

// standin is a speaker in front of a stand-in.
func standin[E executors.Executor](t *testing.T, dialect modelstandin.Dialect, create func(url string) (E, error)) speaker {
	t.Helper()
	s := modelstandin.Start(t, dialect, recalls)
	e, err := create(s.URL)
	require.NoError(t, err)
	return speaker{e, s.Asked}
}

// program is a speaker that is a program on its own.
func program(t *testing.T) speaker {
	t.Helper()
	var (
		mu  sync.Mutex
		all []modelstandin.Asked
	)
	// The program says there what it was asked.
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var asked modelstandin.Asked
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, asked)
	}))
	t.Cleanup(server.Close)
	e, err := command.New(command.Config{
		Command: []string{os.Args[0]}, Send: wire.SendNew,
		Env: map[string]secret.String{asProgram: "agent", "ASKED": secret.String(server.URL)},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return speaker{e, func() []modelstandin.Asked {
		mu.Lock()
		defer mu.Unlock()
		return all
	}}
}

// The same conversation through every backend there is. A backend that comes new
// is one row.
func TestEveryBackend(t *testing.T) {
	t.Parallel()
	const model, key = "standin-1", secret.String("test-key")
	for name, row := range map[string]struct {
		start func(*testing.T) speaker
		// keeps means that the other side keeps the conversation: it is sent only what
		// is new. Otherwise it is sent everything, each time.
		keeps bool
		calls bool // a model is asked, and what it takes is counted
	}{
		"scripted": {start: func(t *testing.T) speaker {
			e, err := scripted.New(scripted.Config{Script: []byte(scriptedRecall)})
			require.NoError(t, err)
			return speaker{e, nil}
		}},
		"openai responses": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			store := true
			return standin(t, modelstandin.Responses{}, func(url string) (*openai.Executor, error) {
				return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1"}, API: openai.APIResponses, Store: &store})
			})
		}},
		"openai responses, nothing stored": {calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Responses{}, func(url string) (*openai.Executor, error) {
				return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1"}, API: openai.APIResponses})
			})
		}},
		"openai chat": {calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Chat{}, func(url string) (*openai.Executor, error) {
				return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1"}})
			})
		}},
		"anthropic": {calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Messages{}, func(url string) (*anthropic.Executor, error) {
				return anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url}})
			})
		}},
		"gemini": {calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Generate{}, func(url string) (*gemini.Executor, error) {
				return gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url}})
			})
		}},
		"http JSON": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Agent{}, func(url string) (*agent.Executor, error) {
				return agent.New(agent.Config{URL: url + "/reply", BearerToken: key, Send: wire.SendNew})
			})
		}},
		"http events": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Agent{}, func(url string) (*agent.Executor, error) {
				return agent.New(agent.Config{URL: url + "/reply", BearerToken: key, Send: wire.SendNew, Stream: true})
			})
		}},
		"http, everything sent": {calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.Agent{Forgets: true}, func(url string) (*agent.Executor, error) {
				return agent.New(agent.Config{URL: url + "/reply", BearerToken: key})
			})
		}},
		"a2a": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.A2A{}, func(url string) (*a2a.Executor, error) {
				return a2a.New(a2a.Config{URL: url, BearerToken: key})
			})
		}},
		"a2a events": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.A2A{Stream: true}, func(url string) (*a2a.Executor, error) {
				return a2a.New(a2a.Config{URL: url, BearerToken: key})
			})
		}},
		"a2a 1.0, tasks": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.A2A{Version: "1.0", Stream: true, Tasks: true}, func(url string) (*a2a.Executor, error) {
				return a2a.New(a2a.Config{URL: url, BearerToken: key})
			})
		}},
		"a2a 1.0, polled": {keeps: true, calls: true, start: func(t *testing.T) speaker {
			return standin(t, modelstandin.A2A{Version: "1.0", Tasks: true}, func(url string) (*a2a.Executor, error) {
				return a2a.New(a2a.Config{URL: url, BearerToken: key, PollInterval: 10 * time.Millisecond})
			})
		}},
		"command":         {keeps: true, calls: true, start: program},
		"runagent":        {calls: true, start: deployed(false)},
		"runagent stream": {calls: true, start: deployed(true)},
		"iii":             {keeps: true, calls: true, start: onEngine},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := row.start(t)
			r := rig.New(t, localstacktest.Client(t), rig.Options{
				Sim: sim.Config{Player: forgetful{}}, Setup: sim.Setup{Conversations: 1}, Executor: s.Executor,
			})
			r.StartWorker(t)
			ref := r.Waiting(t)[0].Ref
			out, err := r.Outcome(t, r.Start(t, ref))
			require.NoError(t, err)
			require.Equal(t, "ended by persona", out.String())
			require.Equal(t, 4, out.Turns)
			require.Equal(t, 9, out.Messages)
			said := []string{
				"user: " + firstWords,
				"assistant: " + recalled("apricot-17", 1), "user: What was my word? (1)",
				"assistant: " + recalled("apricot-17", 2), "user: What was my word? (2)",
				"assistant: " + recalled("apricot-17", 3), "user: What was my word? (3)",
				"assistant: " + recalled("apricot-17", 4), "user: Thanks, bye.",
			}
			require.Equal(t, said, texts(t, r, ref), "each message, once, in order")
			r.RequireOnce(t)
			if !row.calls {
				return
			}
			require.EqualValues(t, 4, out.Usage.Calls)
			asked := s.asked()
			require.Len(t, asked, 4, "a request for each turn, and none besides")
			for i, a := range asked {
				want := said[:2*i+1]
				require.Equal(t, want, a.Known, "turn %d", i+1)
				if row.keeps && i > 0 {
					want = said[2*i : 2*i+1]
				}
				require.Equal(t, want, a.Lines, "turn %d", i+1)
			}
		})
	}
}
