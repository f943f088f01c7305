// Command runagent_local runs the entrypoints of a real "runagent serve" through
// Parley's executor and tells what came of it, a JSON object for each check.
// run.py starts it: first while the agent is served, then after its end.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/runagent"
)

func main() {
	var (
		cacheDir = flag.String("cache-dir", "", "RunAgent's folder, with its registry")
		agent    = flag.String("agent", "", "the agent's id")
		port     = flag.Int("port", 0, "where it is served, on 127.0.0.1")
	)
	flag.Parse()
	d := driver{cacheDir: *cacheDir, agent: *agent, port: *port, out: json.NewEncoder(os.Stdout)}
	switch flag.Arg(0) {
	case "served":
		d.served()
	case "stopped":
		d.stopped()
	default:
		fmt.Fprintln(os.Stderr, "say served or stopped")
		os.Exit(2)
	}
}

type driver struct {
	cacheDir, agent string
	port            int
	out             *json.Encoder
}

// check prints one line. A fault is what is wrong.
func (d driver) check(name string, fault error) {
	line := map[string]any{"name": name, "ok": fault == nil, "detail": ""}
	if fault != nil {
		line["detail"] = fault.Error()
	}
	if err := d.out.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// executor finds the agent in RunAgent's registry, unless changed.
func (d driver) executor(change func(*runagent.Config)) *runagent.Executor {
	cfg := runagent.Config{Mode: runagent.ModeLocal, CacheDir: d.cacheDir, AgentID: d.agent}
	if change != nil {
		change(&cfg)
	}
	e, err := runagent.New(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return e
}

func (d driver) at(c *runagent.Config) { c.Host, c.Port = "127.0.0.1", d.port }

func (d driver) unvalidated(c *runagent.Config) {
	d.at(c)
	c.Validate = new(bool)
}

func task(payload string) executors.Request {
	return executors.Request{Turn: 1, Attempt: 1, Task: &conversation.Task{Type: "run_agent", Payload: json.RawMessage(payload)}}
}

func run(e executors.Executor, payload string) (executors.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return e.Execute(ctx, task(payload))
}

// gives holds the result against the one wanted.
func gives(e executors.Executor, payload, want string) error {
	res, err := run(e, payload)
	if err != nil {
		return err
	}
	if got := string(conversation.ResultOf(res.Message)); got != want {
		return fmt.Errorf("the result is %s, and not %s", got, want)
	}
	return nil
}

// fails holds the error against what is wanted of it.
func fails(err error, kind conversation.Kind, landed bool, texts ...string) error {
	var ce *conversation.Error
	if !errors.As(err, &ce) {
		return fmt.Errorf("no error with a kind: %v", err)
	}
	if ce.Kind != kind || ce.Ambiguous != landed {
		return fmt.Errorf("kind %s and may have landed %v, and not %s and %v: %w", ce.Kind, ce.Ambiguous, kind, landed, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			return fmt.Errorf("%q does not say %q", err, text)
		}
	}
	return nil
}

func (d driver) served() {
	const invalid = conversation.Invalid
	found, given, unvalidated := d.executor(nil), d.executor(d.at), d.executor(d.unvalidated)
	d.check("the registered agent passes its check", found.Check(context.Background()))
	d.check("the agent passes its check at the address given", given.Check(context.Background()))
	other := d.executor(func(c *runagent.Config) { d.at(c); c.AgentID = "another" })
	d.check("another agent does not", fails(other.Check(context.Background()), invalid, false, "it serves agent"))

	d.check("keyword arguments arrive, the agent found in the registry",
		gives(found, `{"entrypoint_tag": "answer", "params": {"topic": "tides", "n": 3}}`, `{"args":[],"kwargs":{"topic":"tides","n":3}}`))
	d.check("positional arguments arrive",
		gives(given, `{"entrypoint_tag": "answer", "args": [1, "two", null], "params": {"a": [true]}}`, `{"args":[1,"two",null],"kwargs":{"a":[true]}}`))
	d.check("the task's own address is used", gives(d.executor(func(c *runagent.Config) {
		c.CacheDir, c.AgentHosts = "/nowhere", []string{fmt.Sprintf("127.0.0.1:%d", d.port)}
	}),
		fmt.Sprintf(`{"entrypoint_tag": "greet", "params": {"message": "hi"}, "agent_port": %d}`, d.port), `"Grüße, you said: hi"`))
	d.check("null is a result", gives(found, `{"entrypoint_tag": "nothing"}`, `null`))
	d.check("numbers keep their digits", gives(found, `{"entrypoint_tag": "large"}`, `9007199254740993`))

	talk := d.executor(func(c *runagent.Config) { c.Entrypoint = "greet" })
	res, err := talk.Execute(context.Background(), executors.Request{
		Turn: 1, Attempt: 1, New: 1, Messages: []conversation.Message{conversation.Text(conversation.RoleUser, "hello")},
	})
	if got := res.Message.Text(); err == nil && got != "Grüße, you said: hello" {
		err = fmt.Errorf("it says %q", got)
	}
	d.check("a conversation is held", err)

	_, err = run(found, `{"entrypoint_tag": "fail"}`)
	d.check("an exception of the agent is final, and reported", fails(err, invalid, true, "the harbour is closed"))
	_, err = run(d.executor(func(c *runagent.Config) { c.RetryAgentErrors = true }), `{"entrypoint_tag": "fail"}`)
	d.check("or may be tried again", fails(err, conversation.Unavailable, true, "the harbour is closed"))
	_, err = run(found, `{"entrypoint_tag": "greet", "params": {"nonsense": 1}}`)
	d.check("so is a wrong argument", fails(err, invalid, true, "nonsense"))
	_, err = run(found, `{"entrypoint_tag": "tides"}`)
	d.check("an unknown entrypoint is reported with the existing ones", fails(err, invalid, false, "no entrypoint of that name", `"answer"`, `"words_stream"`))
	_, err = run(unvalidated, `{"entrypoint_tag": "tides"}`)
	d.check("or by the server", fails(err, invalid, false, "Entrypoint tides not found"))
	for _, tag := range []string{"answer", "words_stream"} {
		_, err = run(unvalidated, fmt.Sprintf(`{"agent_id": "another", "entrypoint_tag": %q}`, tag))
		d.check("another agent is reported, by "+tag, fails(err, invalid, false, "another agent is served there"))
	}
	_, err = run(found, `{"agent_id": "another", "entrypoint_tag": "answer"}`)
	d.check("an unregistered agent is reported with the registered ones", fails(err, invalid, false, "runagent_local.db", d.agent))
	_, err = run(found, `{"entrypoint_tag": "slow", "timeout_seconds": 1}`)
	d.check("a slow run is cancelled", fails(err, conversation.Unavailable, true, "within 1s (timeout)"))
	d.streams(found, unvalidated)
}

func (d driver) streams(found, unvalidated executors.Executor) {
	var deltas []string
	req := task(`{"entrypoint_tag": "words_stream", "params": {"topic": "tides"}}`)
	req.OnDelta = func(text string) { deltas = append(deltas, text) }
	res, err := found.Execute(context.Background(), req)
	if err == nil && (res.Message.Text() != "Good day! Müller here." || len(deltas) != 3) {
		err = fmt.Errorf("%q, in pieces %q", res.Message.Text(), deltas)
	}
	d.check("a stream of words is a text, and delivered piece by piece", err)
	d.check("a stream of other things is a list",
		gives(found, `{"entrypoint_tag": "mixed_stream"}`, `["tide ",{"metres":3.5},"rising"]`))
	_, err = run(found, `{"entrypoint_tag": "fail_stream"}`)
	d.check("an exception of a stream is final, and reported", fails(err, conversation.Invalid, true, "the harbour is closed"))
	_, err = run(unvalidated, `{"entrypoint_tag": "tides_stream"}`)
	d.check("an unknown stream does not start", fails(err, conversation.Invalid, false, "Entrypoint tides_stream not found"))

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req = task(`{"entrypoint_tag": "slow_stream"}`)
	req.OnDelta = func(string) { cancel() }
	begun := time.Now()
	_, err = found.Execute(ctx, req)
	fault := fails(err, conversation.Unavailable, true)
	if !errors.Is(err, context.Canceled) || time.Since(begun) > 10*time.Second {
		fault = fmt.Errorf("after %v: %w", time.Since(begun), err)
	}
	d.check("a stream is left at once", fault)
}

func (d driver) stopped() {
	const remedy = "start the agent with runagent serve"
	for _, e := range []*runagent.Executor{d.executor(nil), d.executor(d.at)} {
		d.check("an agent that is not served fails its check", fails(e.Check(context.Background()), conversation.Unavailable, false, remedy))
		for _, tag := range []string{"answer", "words_stream"} {
			_, err := run(e, fmt.Sprintf(`{"entrypoint_tag": %q}`, tag))
			d.check("an agent that is not served has not run, by "+tag, fails(err, conversation.Unavailable, false, remedy))
		}
	}
}
