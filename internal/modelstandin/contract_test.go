package modelstandin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/a2a"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/executortest"
	"github.com/parley-run/parley/executors/gemini"
	agent "github.com/parley-run/parley/executors/http"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/internal/modelstandin"
	"github.com/parley-run/parley/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	model = "standin-1"
	key   = secret.String("pk-very-secret-key-0123456789")
)

type row struct {
	dialect modelstandin.Dialect
	create  func(url string, client *http.Client) (executors.Executor, error)
	tools   bool
}

// Every backend passes the contract suite in front of its stand-in, with tools where it
// offers any. A stand-in must not be less strict than the contract.
func TestContract(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	rows := map[string]row{
		"openai chat": {modelstandin.Chat{}, func(url string, c *http.Client) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1", HTTPClient: c}})
		}, true},
		"openai chat, whole": {modelstandin.Chat{}, func(url string, c *http.Client) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1", Stream: &no, HTTPClient: c}})
		}, true},
		"openai responses": {modelstandin.Responses{}, func(url string, c *http.Client) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1", HTTPClient: c}, API: openai.APIResponses})
		}, true},
		"openai responses, stored": {modelstandin.Responses{}, func(url string, c *http.Client) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1", HTTPClient: c}, API: openai.APIResponses, Store: &yes})
		}, true},
		"openai responses, stored, whole": {modelstandin.Responses{}, func(url string, c *http.Client) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url + "/v1", Stream: &no, HTTPClient: c}, API: openai.APIResponses, Store: &yes})
		}, true},
		"anthropic": {modelstandin.Messages{}, func(url string, c *http.Client) (executors.Executor, error) {
			return anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url, HTTPClient: c}})
		}, true},
		"anthropic, whole": {modelstandin.Messages{}, func(url string, c *http.Client) (executors.Executor, error) {
			return anthropic.New(anthropic.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url, Stream: &no, HTTPClient: c}})
		}, true},
		"gemini": {modelstandin.Generate{}, func(url string, c *http.Client) (executors.Executor, error) {
			return gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url, HTTPClient: c}})
		}, true},
		"gemini, whole": {modelstandin.Generate{}, func(url string, c *http.Client) (executors.Executor, error) {
			return gemini.New(gemini.Config{ModelConfig: executors.ModelConfig{Model: model, APIKey: key, BaseURL: url, Stream: &no, HTTPClient: c}})
		}, true},
		"http": {modelstandin.Agent{}, func(url string, c *http.Client) (executors.Executor, error) {
			return agent.New(agent.Config{URL: url + "/reply", BearerToken: key, Model: model, HTTPClient: c})
		}, false},
		"http events": {modelstandin.Agent{}, func(url string, c *http.Client) (executors.Executor, error) {
			return agent.New(agent.Config{URL: url + "/reply", BearerToken: key, Model: model, Stream: true, HTTPClient: c})
		}, false},
	}
	for _, version := range []string{"0.3", "1.0"} {
		for _, stream := range []bool{false, true} {
			for _, tasks := range []bool{false, true} {
				name := fmt.Sprintf("a2a %s, stream %v, tasks %v", version, stream, tasks)
				rows[name] = row{modelstandin.A2A{Stream: stream, Version: version, Tasks: tasks}, func(url string, c *http.Client) (executors.Executor, error) {
					return a2a.New(a2a.Config{URL: url, BearerToken: key, Model: model, HTTPClient: c, PollInterval: time.Millisecond})
				}, false}
			}
		}
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			with := func(mind modelstandin.Mind) func(*testing.T) executors.Executor {
				return func(t *testing.T) executors.Executor {
					transport := &http.Transport{}
					t.Cleanup(transport.CloseIdleConnections)
					// The contract's cases make one attempt; the workflow retries.
					service := modelstandin.StartLenient(t, modelstandin.Lenient{Load: true}, row.dialect, mind)
					t.Cleanup(func() { require.Empty(t, service.Refused()) })
					e, err := row.create(service.URL, &http.Client{Transport: transport})
					require.NoError(t, err)
					return e
				}
			}
			f := executortest.Fixture{
				Model: true, Secrets: []string{key.Reveal()},
				New: with(func(modelstandin.Asked) modelstandin.Said { return modelstandin.Said{Text: "Good day! Müller here."} }),
				Stall: with(func(modelstandin.Asked) modelstandin.Said {
					return modelstandin.Said{By: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
				}),
			}
			if row.tools {
				f.Calls = func(t *testing.T, calls []executortest.ToolCall) executors.Executor {
					return with(caller(calls))(t)
				}
			}
			executortest.Run(t, f)
		})
	}
}

// caller makes the calls, and repeats the results once it has received any.
func caller(calls []executortest.ToolCall) modelstandin.Mind {
	return func(asked modelstandin.Asked) modelstandin.Said {
		var said modelstandin.Said
		for _, line := range asked.Known {
			if result, ok := strings.CutPrefix(line, "result "); ok {
				said.Text = strings.TrimPrefix(said.Text+"\n"+result, "\n")
			}
		}
		if said.Text == "" {
			for _, c := range calls {
				said.Calls = append(said.Calls, modelstandin.Call(c))
			}
		}
		return said
	}
}
