package a2a

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	sdk "github.com/a2aproject/a2a-go/a2a"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

const (
	// maxID bounds the ids that are kept, because histories record them.
	maxID = 512
	// maxTime bounds a time that is kept.
	maxTime = 64
	// cancelTimeout bounds the request that cancels an abandoned task.
	cancelTimeout = 2 * time.Second
)

// A memory is the executor's state.
type memory struct {
	Context string `json:"context,omitempty"`
	// Task is the task that waits for an answer to its question.
	Task string `json:"task,omitempty"`
	// Question is the id of the message with the question.
	Question string `json:"question,omitempty"`
	// Asked is when the task asked it, as the agent writes times.
	Asked string `json:"asked,omitempty"`
	// Artifacts counts the artifacts of the task that earlier replies contained.
	Artifacts int `json:"artifacts,omitempty"`
}

// A place identifies the task for a later attempt.
type place struct {
	Task    string `json:"task"`
	Context string `json:"context,omitempty"`
}

// An exchange is one execution.
type exchange struct {
	*Executor
	req     executors.Request
	watch   *modelcall.Watch
	answer  *answer
	agent   *agent
	memory  memory // what the message continues
	calls   int
	reached bool   // the agent has accepted a request
	heard   bool   // it has answered with an event
	sent    string // the text that was sent

	context, task string
	running       bool   // the task continues if we disconnect
	question      string // id of the agent's question
	asked         string // when it was asked
	asks          bool   // the task waits for an answer
	total         int    // the task's artifacts in the latest snapshot
	recorded      bool
	moves         int // how often the task's id has changed
}

// run follows the task of an earlier attempt if it still exists, and else sends the
// new messages.
func (x *exchange) run(ctx context.Context) error {
	if err := x.readAgent(ctx); err != nil {
		return err
	}
	if !x.agent.streaming {
		x.watch.Pause()
	}
	x.memory = recall(x.req.State)
	var at place
	x.recorded = json.Unmarshal(x.req.Attach, &at) == nil && at.Task != "" && len(at.Task) <= maxID
	if x.recorded || x.delivered(ctx) {
		if !x.recorded {
			at = place{Task: x.memory.Task, Context: x.memory.Context}
		}
		if err := x.attach(ctx, at); !errors.Is(err, errGone) {
			return err
		}
		x.restart()
	}
	return x.sendNew(ctx)
}

// delivered reports whether an earlier attempt with an ambiguous result has answered
// the task's question: the task then has the message.
func (x *exchange) delivered(ctx context.Context) bool {
	if x.req.Attempt <= 1 || x.memory.Task == "" {
		return false
	}
	ev, err := x.call(ctx, opGet, func(d dialect) any { return d.get(x.memory.Task, 0) })
	if err != nil { // sending reports the cause
		return false
	}
	id := x.messageID()
	return slices.ContainsFunc(ev.History, func(m event) bool { return m.MessageID == id })
}

// recall reads the state, and ignores what it cannot read.
func recall(state json.RawMessage) (m memory) {
	if len(state) > 0 && json.Unmarshal(state, &m) != nil || m.Artifacts < 0 {
		return memory{}
	}
	return m
}

// sendNew sends the new messages. If the agent refuses what they continue, it has done
// nothing, and they are sent without the task, and then, as the whole conversation,
// without the context.
func (x *exchange) sendNew(ctx context.Context) error {
	for {
		err := x.send(ctx, x.memory)
		var failure *fault
		if x.task != "" || !errors.As(err, &failure) {
			return err
		}
		less, ok := x.memory.without(failure.Code)
		if !ok {
			return err
		}
		x.memory = less
	}
}

// without returns what is still continued after an error, if that may help.
func (m memory) without(code int) (memory, bool) {
	switch {
	case m == (memory{}):
		return m, false
	case code == codeTaskNotFound:
		return memory{}, true
	case m.Task != "" && slices.Contains(taskOver, code):
		return memory{Context: m.Context}, true
	}
	return memory{}, code == codeInvalidParams // the agent may not know the context
}

// taskOver are the codes by which agents refuse a message to a task that has ended.
var taskOver = []int{codeInvalidParams, codeInvalidRequest, codeUnsupported}

func (x *exchange) send(ctx context.Context, m memory) error {
	return x.inEither(func() error { return x.sendInOne(ctx, m) })
}

// sendInOne sends in the version of the agent's first route.
func (x *exchange) sendInOne(ctx context.Context, m memory) error {
	out := x.message(m)
	x.sent = out.text()
	params := func(d dialect) any { return d.send(out) }
	if x.agent.streaming {
		err := x.ask(ctx, opStream, params)
		var failure *fault
		if x.heard || !errors.As(err, &failure) || failure.Code != codeUnsupported && failure.Code != codeMethodNotFound {
			return x.finish(ctx, err)
		}
		streaming := x.agent
		x.agent = streaming.unstreamed() // contrary to its card
		x.watch.Pause()
		err = x.finish(ctx, x.ask(ctx, opSend, params))
		if errors.As(err, &failure) && failure.Code == codeUnsupported {
			x.agent = streaming // it is the message that is unsupported
		}
		return err
	}
	return x.finish(ctx, x.ask(ctx, opSend, params))
}

// finish polls the task of an answer that is not complete.
func (x *exchange) finish(ctx context.Context, err error) error {
	ended := errors.Is(err, errEnded)
	switch {
	case err == nil, !brokeOff(err), ctx.Err() != nil:
		return err
	case x.task != "":
		err = x.poll(ctx)
	}
	// An agent without tasks, or without this one, has said all it had to say.
	if ended && (x.task == "" || noTask(err)) && strings.TrimSpace(x.answer.whole()) != "" {
		x.running = false
		return nil
	}
	return err
}

// noTask reports whether the agent answered that it has no such task, or no tasks.
func noTask(err error) bool {
	var failure *fault
	return errors.As(err, &failure) && slices.Contains([]int{codeTaskNotFound, codeMethodNotFound, codeUnsupported}, failure.Code)
}

// brokeOff reports whether a stream ended for a reason outside of the answer.
func brokeOff(err error) bool {
	var (
		failure *fault
		refused *statusError
		state   *stateError
	)
	return !errors.As(err, &failure) && !errors.As(err, &refused) && !errors.As(err, &state) &&
		!errors.Is(err, modelcall.ErrTooLarge) && !errors.Is(err, modelcall.ErrWebPage) && !errors.Is(err, modelcall.ErrInvalidUTF8) &&
		!errors.Is(err, errNotJSON) && !errors.Is(err, errOffProtocol)
}

// errGone reports a task without an answer.
var errGone = errors.New("the task is gone")

// attach follows the task of an earlier attempt. It requests a snapshot, because
// the position in the task's stream is unknown.
func (x *exchange) attach(ctx context.Context, at place) error {
	x.task, x.context, x.running = at.Task, at.Context, true
	done, err := x.get(ctx)
	var state *stateError
	switch {
	case isTaskNotFound(err):
		return errGone
	case errors.As(err, &state) && state.state != sdk.TaskStateRejected: // the task ended with this error: a new task may succeed
		return errGone
	case err != nil:
		return err
	case !done:
		return x.poll(ctx)
	}
	if _, _, err := x.answer.reply(); errors.Is(err, modelcall.ErrNoAnswer) { // its answer is empty for good
		return errGone
	}
	return nil
}

// restart discards a task that is gone.
func (x *exchange) restart() {
	x.answer.restart()
	x.context, x.task, x.running, x.recorded, x.asks, x.question, x.asked, x.total = "", "", false, false, false, "", "", 0
}

// poll polls the task until it ends. It begins nothing, so it is no retry.
func (x *exchange) poll(ctx context.Context) error {
	if x.task == "" {
		return modelcall.ErrCutOff
	}
	for {
		if err := x.watch.Sleep(ctx, x.cfg.PollInterval); err != nil {
			return err
		}
		if done, err := x.get(ctx); done || err != nil {
			return err
		}
	}
}

// get gets the task, and reports whether the answer is complete.
func (x *exchange) get(ctx context.Context) (bool, error) {
	ev, err := x.call(ctx, opGet, func(d dialect) any { return d.get(x.task, newest) })
	if err != nil {
		return false, err
	}
	if ev.kind() == kindTask && ev.ID != "" {
		ev.ID = x.task // it is what was asked for
	}
	return x.take(ev)
}

// abandon cancels a task if the caller was cancelled. A caller that ended for
// another reason (a deadline, a worker's shutdown) will attach to it.
func (x *exchange) abandon(caller context.Context) {
	if !x.running || context.Cause(caller) != context.Canceled { //nolint:errorlint // a wrapped cause is another reason
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), cancelTimeout)
	defer cancel()
	_, _ = x.call(ctx, opCancel, func(d dialect) any { return d.cancel(x.task) }) // best effort: an uncancelled task ends by itself
}

// result returns the complete answer.
func (x *exchange) result() (executors.Result, error) {
	text, data, err := x.answer.reply()
	if err != nil {
		return executors.Result{}, err
	}
	message := conversation.Message{Role: conversation.RoleAssistant}
	if text != "" {
		message = conversation.Text(conversation.RoleAssistant, text)
	}
	for _, d := range data {
		message.Parts = append(message.Parts, conversation.Part{Type: conversation.PartData, Data: d})
	}
	return executors.Result{
		Message: message, State: x.state(), Usage: conversation.Usage{Calls: 1},
		Provider: x.cfg.Provider, Model: cmp.Or(x.cfg.Model, x.agent.name), FinishReason: executors.FinishStop,
	}, nil
}

// state returns what the next message continues. Nil: the next message carries the
// conversation.
func (x *exchange) state() json.RawMessage {
	m := memory{Context: cmp.Or(x.context, x.memory.Context)}
	if len(m.Context) > maxID {
		return nil
	}
	if x.asks && x.task != "" && len(x.task) <= maxID {
		m.Task, m.Artifacts = x.task, len(x.answer.artifacts)
		if x.task == x.memory.Task {
			m.Artifacts += x.memory.Artifacts
		}
		m.Artifacts = max(m.Artifacts, x.total)
		if len(x.question) <= maxID {
			m.Question = x.question
		}
		if len(x.asked) <= maxTime {
			m.Asked = x.asked
		}
	}
	if m == (memory{}) {
		return nil
	}
	out, _ := json.Marshal(m) // cannot fail for strings and a number
	if len(out) > wire.MaxToken {
		return nil
	}
	return out
}
