// Command a2a_sdk talks to an agent made with the A2A SDK through Parley's executor
// and prints a JSON object for each check. run.py starts it, once per agent.
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
	"github.com/parley-run/parley/executors/a2a"
)

func main() {
	var d driver
	flag.StringVar(&d.url, "url", "", "the agent's address")
	flag.StringVar(&d.protocol, "protocol", a2a.ProtocolAuto, "the setting protocol")
	flag.StringVar(&d.streaming, "streaming", a2a.StreamingAuto, "the setting streaming")
	token := flag.String("token", "", "the token to attach by")
	flag.Parse()
	d.out = json.NewEncoder(os.Stdout)
	switch flag.Arg(0) {
	case "talk":
		d.talk()
	case "begin":
		d.begin()
	case "resume":
		d.resume(json.RawMessage(*token))
	default:
		fmt.Fprintln(os.Stderr, "say talk, begin or resume")
		os.Exit(2)
	}
}

type driver struct {
	url, protocol, streaming string
	out                      *json.Encoder
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

func (d driver) executor() *a2a.Executor {
	e, err := a2a.New(a2a.Config{URL: d.url, Protocol: d.protocol, Streaming: d.streaming, PollInterval: 50 * time.Millisecond, Timeout: 30 * time.Second})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return e
}

// request asks for the first reply of a conversation of this name.
func request(id, text string) executors.Request {
	return executors.Request{
		Conversation: conversation.Ref{Platform: "conformance", ID: id}, Turn: 1, Attempt: 1, IdempotencyKey: id + "/1",
		Messages: []conversation.Message{conversation.Text(conversation.RoleUser, text)}, New: 1,
	}
}

// next asks for the reply to a further message.
func next(req executors.Request, res executors.Result, text string) executors.Request {
	req.Messages = append(req.Messages, res.Message, conversation.Text(conversation.RoleUser, text))
	req.Turn++
	req.State = res.State
	req.IdempotencyKey = fmt.Sprintf("%s/%d", req.Conversation.ID, req.Turn)
	return req
}

func (d driver) talk() {
	ctx := context.Background()
	e := d.executor()
	d.check("the card passes its check", e.Check(ctx))
	request := func(id, text string) executors.Request { return request(d.streaming+id, text) }

	first := request("hello", "hello")
	res, err := e.Execute(ctx, first)
	d.check("a message is the reply", says(res, err, "hello, in turn 1"))
	res, err = e.Execute(ctx, next(first, res, "hello"))
	d.check("the context goes on", says(res, err, "hello, in turn 2"))

	d.task(e)

	first = request("ask", "ask")
	res, err = e.Execute(ctx, first)
	d.check("a question is the reply", says(res, err, "Which of them?"))
	res, err = e.Execute(ctx, next(first, res, "second"))
	d.check("the answer continues the task", says(res, err, "The second is on its way.\n\nDone."))

	res, err = e.Execute(ctx, request("status", "status"))
	d.check("a status message is the reply", says(res, err, "Only a status."))
	for text, want := range map[string]struct {
		kind conversation.Kind
		text string
	}{
		"fail":   {conversation.Unavailable, "“no luck”"},
		"reject": {conversation.Refused, "“not that”"},
		"login":  {conversation.Unauthorized, "“log in first”"},
		"crash":  {conversation.Unavailable, ""},
	} {
		_, err := e.Execute(ctx, request(text, text))
		d.check("what ends with "+text, fails(err, want.kind, want.text))
	}
	d.check("a cancelled reply cancels its task", d.cancel(e))
}

// task holds the reply of a task against what the agent does.
func (d driver) task(e *a2a.Executor) {
	const want = "Grüße, in pieces.\n\nlabel.pdf: https://shop.example/label.pdf"
	req := request(d.streaming+"task", "task")
	var pieces []string
	var tokens int
	req.OnDelta = func(piece string) { pieces = append(pieces, piece) }
	req.OnAttach = func(json.RawMessage) { tokens++ }
	res, err := e.Execute(context.Background(), req)
	d.check("a task's artifacts are the reply", says(res, err, want))
	if err != nil {
		return
	}
	streams := d.streaming == a2a.StreamingAuto
	d.check("the text comes in pieces", either(strings.Join(pieces, "") == want && (!streams || len(pieces) > 1), "the pieces are %q", pieces))
	d.check("the task's id is known once", either(tokens == 1, "%d tokens", tokens))
	data := ""
	for _, p := range res.Message.Parts {
		if p.Type == conversation.PartData {
			data += string(p.Data)
		}
	}
	d.check("data is kept", either(strings.ReplaceAll(data, " ", "") == `{"parcels":["p1","p2"]}`, "the data is %s", data))
}

func (d driver) cancel(e *a2a.Executor) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req := request(d.streaming+"cancel", "slow")
	var at struct{ Task string }
	req.OnAttach = func(token json.RawMessage) {
		_ = json.Unmarshal(token, &at) // a fault shows in what follows
		cancel()
	}
	if _, err := e.Execute(ctx, req); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the result is %w", err)
	}
	state, err := d.state()
	if err == nil && !strings.Contains(strings.Join(state.Cancelled, " "), at.Task) {
		err = fmt.Errorf("task %q is not among the cancelled, %v", at.Task, state.Cancelled)
	}
	return err
}

// begin prints the token of a task, and waits to be killed.
func (d driver) begin() {
	req := request("attach", "slow")
	req.OnAttach = func(token json.RawMessage) {
		fmt.Println(string(token))
	}
	_, err := d.executor().Execute(context.Background(), req)
	fmt.Fprintln(os.Stderr, "the reply came before the end:", err)
	os.Exit(1)
}

func (d driver) resume(token json.RawMessage) {
	req := request("attach", "slow")
	req.Attempt, req.Attach = 2, token
	res, err := d.executor().Execute(context.Background(), req)
	d.check("another process takes over the task of one that was killed", says(res, err, "At last."))
	state, err := d.state()
	for id, n := range state.Runs {
		if n != 1 {
			err = fmt.Errorf("message %s was worked on %d times", id, n)
		}
	}
	d.check("the agent worked once on each message", err)
}

type state struct {
	Runs      map[string]int
	Cancelled []string
}

func (d driver) state() (s state, err error) {
	res, err := http.Get(d.url + "/state")
	if err != nil {
		return s, err
	}
	defer func() { _ = res.Body.Close() }()
	return s, json.NewDecoder(res.Body).Decode(&s)
}

func either(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func says(res executors.Result, err error, want string) error {
	if err != nil {
		return err
	}
	return either(res.Message.Text() == want, "the reply is %q, and not %q", res.Message.Text(), want)
}

func fails(err error, kind conversation.Kind, text string) error {
	if !conversation.IsKind(err, kind) || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("the error is not %s with %q: %w", kind, text, err)
	}
	return nil
}
