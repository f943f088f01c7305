// Command litellm asks models behind LiteLLM's proxy through Parley's executors, and
// prints a JSON object for each check. It is also the provider behind the proxy. run.py
// starts it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/anthropic"
	"github.com/parley-run/parley/executors/openai"
	"github.com/parley-run/parley/secret"
)

func main() {
	proxy := flag.String("proxy", "", "the proxy's address")
	listen := flag.String("listen", "", "where the proxy expects its provider")
	flag.Parse()
	server := http.Server{Addr: *listen, Handler: http.HandlerFunc(provide), ReadHeaderTimeout: time.Minute}
	go func() { exit(server.ListenAndServe()) }()
	out := json.NewEncoder(os.Stdout)
	for _, stream := range []bool{false, true} {
		for _, d := range dialects(*proxy, secret.String(os.Getenv("PROXY_KEY")), stream) {
			for _, c := range cases {
				fault := c.check(d)
				line := map[string]any{"name": fmt.Sprintf("%s, stream %v: %s", d.name, stream, c.name), "ok": fault == nil, "detail": ""}
				if fault != nil {
					line["detail"] = fault.Error()
				}
				exit(out.Encode(line))
			}
		}
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A dialect asks the proxy in one of the APIs that it serves.
type dialect struct {
	name string
	// make returns the executor of a model. Key is the proxy's if it is empty.
	make func(model string, key secret.String) (executors.Executor, error)
}

func dialects(proxy string, proxyKey secret.String, stream bool) []dialect {
	config := func(base, model string, key secret.String) executors.ModelConfig {
		if key == "" {
			key = proxyKey
		}
		return executors.ModelConfig{Model: model, BaseURL: base, APIKey: key, Stream: &stream, Timeout: 30 * time.Second}
	}
	return []dialect{
		{"chat", func(model string, key secret.String) (executors.Executor, error) {
			return openai.New(openai.Config{ModelConfig: config(proxy+"/v1", model, key)})
		}},
		{"messages", func(model string, key secret.String) (executors.Executor, error) {
			return anthropic.New(anthropic.Config{ModelConfig: config(proxy, model, key)})
		}},
	}
}

// A check asks a model once.
type check struct {
	name, model string
	key         secret.String
	// Either text is the reply, or the error has one of the kinds, and the words in its
	// reason or remedy.
	text  string
	kinds []conversation.Kind
	words string
	calls string // arguments of the tool call
}

const onItsWay = "It is on its way."

var cases = []check{
	{name: "a mocked answer", model: "mock", text: onItsWay},
	{name: "a mocked rate limit", model: "mock-limited", kinds: []conversation.Kind{conversation.RateLimited}, words: "mock rate limit"},
	{name: "a mocked overlong request", model: "mock-long", kinds: []conversation.Kind{conversation.ContextTooLong}},
	{name: "a mocked fault of the server", model: "mock-broken", kinds: []conversation.Kind{conversation.Unavailable}, words: "mock internal server error"},
	{name: "an answer", model: "talk", text: onItsWay},
	{name: "thoughts between tags", model: "think", text: onItsWay},
	{name: "thoughts in a field", model: "reasoning", text: onItsWay},
	{name: "a tool call keeps its digits", model: "tool", calls: `{"number":9007199254740993}`},
	{name: "an answer that reached its limit", model: "length", text: "It is on"},
	{name: "an overlong request", model: "long", kinds: []conversation.Kind{conversation.ContextTooLong}},
	{name: "an empty account", model: "poor", kinds: []conversation.Kind{conversation.QuotaExhausted}, words: "current quota"},
	{name: "a rate limit", model: "limited", kinds: []conversation.Kind{conversation.RateLimited}},
	{name: "the provider refuses the proxy's key", model: "locked", kinds: []conversation.Kind{conversation.Unauthorized}},
	{name: "an overloaded provider", model: "busy", kinds: []conversation.Kind{conversation.Unavailable}},
	{name: "a filtered request", model: "filtered", kinds: []conversation.Kind{conversation.Refused}},
	{name: "a provider that is away", model: "away", kinds: []conversation.Kind{conversation.Unavailable}},
	{name: "a model that is not there", model: "unknown", kinds: []conversation.Kind{conversation.Invalid}, words: "check model"},
	// A proxy without a database looks a key that is not its own up in it, and says so.
	{name: "a key that is not the proxy's", model: "mock", key: "sk-not-the-key", kinds: []conversation.Kind{conversation.Unauthorized}, words: "check api_key"},
}

func (c check) check(d dialect) error {
	e, err := d.make(c.model, c.key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req := executors.Request{
		Conversation: conversation.Ref{Platform: "conformance", ID: c.model}, Turn: 1, Attempt: 1, IdempotencyKey: c.model, New: 1,
		Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "Where is my order?")},
	}
	if c.calls != "" {
		req.Tools = []conversation.Tool{{Name: "find_order", Schema: json.RawMessage(`{"type":"object","properties":{"number":{"type":"integer"}}}`)}}
	}
	res, err := e.Execute(ctx, req)
	if len(c.kinds) > 0 {
		return c.failed(res, err)
	}
	if err != nil {
		return err
	}
	if calls := res.Message.ToolCalls(); c.calls != "" {
		if len(calls) != 1 || calls[0].Name != "find_order" || strings.ReplaceAll(string(calls[0].Arguments), " ", "") != c.calls {
			return fmt.Errorf("it calls %+v, not find_order with %s", calls, c.calls)
		}
		return nil
	}
	if got := res.Message.Text(); got != c.text {
		return fmt.Errorf("the reply is %q, not %q", got, c.text)
	}
	return nil
}

func (c check) failed(res executors.Result, err error) error {
	var e *conversation.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("the reply is %q, the error %v: an error of a kind was due", res.Message.Text(), err)
	}
	for _, kind := range c.kinds {
		if e.Kind == kind && strings.Contains(e.Error()+" "+e.Remedy, c.words) {
			return nil
		}
	}
	return fmt.Errorf("%s: %v (%s), not %v with %q", e.Kind, e, e.Remedy, c.kinds, c.words)
}
