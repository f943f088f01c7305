package a2a

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	sdk "github.com/a2aproject/a2a-go/a2a"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/executors/wire"
)

const (
	// maxID bounds ids that are kept: they are recorded in histories.
	maxID = 512
	// cancelTimeout bounds what is done for a task that nobody wants any more.
	cancelTimeout = 2 * time.Second
)

// A memory is what the conversation keeps of the agent.
type memory struct {
	Context string `json:"context,omitempty"`
	// Task is the one that waits for an answer to its question.
	Task string `json:"task,omitempty"`
	// Question is the id of the message that asks it.
	Question string `json:"question,omitempty"`
	// Artifacts is how many of the task's artifacts have been passed on.
	Artifacts int `json:"artifacts,omitempty"`
}

// A place is where a later attempt finds the task.
type place struct {
	Task    string `json:"task"`
	Context string `json:"context,omitempty"`
}

// An exchange is one execution.
type exchange struct {
	*Executor
	req    executors.Request
	watch  *modelcall.Watch
	answer *answer
	agent  *agent
	memory memory // what the message continues
	calls  int
	asked  bool // the agent has taken a request

	context, task string
	running       bool   // the task goes on without us
	question      string // the id of what the agent asks
	asks          bool   // the task waits for an answer
	total         int    // the task's artifacts, where it has been seen as a whole
	recorded      bool
}

// run follows the task that an earlier attempt has begun, if there is one still,
// and else says what is new.
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
	if x.recorded || x.landed(ctx) {
		if !x.recorded {
			at = place{Task: x.memory.Task, Context: x.memory.Context}
		}
		if err := x.attach(ctx, at); !errors.Is(err, errGone) {
			return err
		}
		x.restart()
	}
	return x.say(ctx)
}

// landed reports whether an earlier attempt, of which nothing has come back, has
// answered the task's question: the task knows the message then.
func (x *exchange) landed(ctx context.Context) bool {
	if x.req.Attempt <= 1 || x.memory.Task == "" {
		return false
	}
	ev, err := x.call(ctx, methodGet, sdk.TaskQueryParams{ID: sdk.TaskID(x.memory.Task)})
	if err != nil { // sending tells what it means
		return false
	}
	id := messageID(modelcall.CallKey(x.req))
	return slices.ContainsFunc(ev.History, func(m event) bool { return m.MessageID == id })
}

// recall reads what the last reply left. What cannot be read is as good as
// nothing.
func recall(state json.RawMessage) (m memory) {
	if len(state) > 0 && json.Unmarshal(state, &m) != nil || m.Artifacts < 0 {
		return memory{}
	}
	return m
}

// say sends what is new. An agent that does not know what it continues gets to
// know.
func (x *exchange) say(ctx context.Context) error {
	err := x.send(ctx, x.memory)
	var said *fault
	if !errors.As(err, &said) || x.task != "" {
		return err
	}
	switch {
	case said.Code == codeTaskNotFound && x.memory != (memory{}):
		x.memory = memory{}
	case (said.Code == codeInvalidParams || said.Code == codeInvalidRequest) && x.memory.Task != "": // it may have ended meanwhile
		x.memory = memory{Context: x.memory.Context}
	default:
		return err
	}
	return x.send(ctx, x.memory)
}

func (x *exchange) send(ctx context.Context, m memory) error {
	params := x.request(m)
	if x.agent.streaming {
		err := x.stream(ctx, params, x.take)
		var said *fault
		switch {
		case err == nil:
			return nil
		case x.task != "" && brokeOff(err) && ctx.Err() == nil:
			x.answer.restart()
			return x.poll(ctx)
		case x.task != "" || !errors.As(err, &said) || said.Code != codeUnsupported && said.Code != codeMethodNotFound:
			return err
		}
		x.cards.set(nil) // the agent does not stream, whatever its card says
		x.watch.Pause()
	}
	ev, err := x.call(ctx, methodSend, params)
	if err != nil {
		return err
	}
	if done, err := x.take(ev); done || err != nil {
		return err
	}
	return x.poll(ctx)
}

// brokeOff reports whether a stream ended for no fault of the answer.
func brokeOff(err error) bool {
	var (
		said    *fault
		refused *statusError
		state   *stateError
	)
	return !errors.As(err, &said) && !errors.As(err, &refused) && !errors.As(err, &state) &&
		!errors.Is(err, modelcall.ErrTooLarge) && !errors.Is(err, modelcall.ErrWebPage) && !errors.Is(err, modelcall.ErrInvalidUTF8) &&
		!errors.Is(err, errNotJSON) && !errors.Is(err, errOffProtocol)
}

// errGone is a task that gives no answer any more.
var errGone = errors.New("the task is gone")

// attach follows a task that an earlier attempt has begun. How far its stream had
// come nobody knows, so it is asked for as a whole.
func (x *exchange) attach(ctx context.Context, at place) error {
	x.task, x.context, x.running = at.Task, at.Context, true
	done, err := x.look(ctx)
	var state *stateError
	switch {
	case isTaskNotFound(err):
		return errGone
	case errors.As(err, &state) && state.state != sdk.TaskStateRejected: // it has ended so: another one may do better
		return errGone
	case err != nil:
		return err
	case !done:
		return x.poll(ctx)
	}
	if _, _, err := x.answer.reply(); errors.Is(err, modelcall.ErrNoAnswer) { // it would stay as empty
		return errGone
	}
	return nil
}

// restart forgets a task that is gone.
func (x *exchange) restart() {
	x.answer.restart()
	x.context, x.task, x.running, x.recorded, x.asks, x.question, x.total = "", "", false, false, false, "", 0
}

// poll asks for the task until it is done. That is waiting: nothing is begun
// anew.
func (x *exchange) poll(ctx context.Context) error {
	if x.task == "" {
		return modelcall.ErrCutOff
	}
	for {
		if err := x.sleep(ctx); err != nil {
			return err
		}
		if done, err := x.look(ctx); done || err != nil {
			return err
		}
	}
}

// sleep waits until the agent may be asked again. Meanwhile nothing is due from
// it.
func (x *exchange) sleep(ctx context.Context) error {
	x.watch.Pause()
	timer := time.NewTimer(x.cfg.PollInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		x.watch.Alive(true)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look asks how the task stands.
func (x *exchange) look(ctx context.Context) (bool, error) {
	historyLength := newest
	ev, err := x.call(ctx, methodGet, sdk.TaskQueryParams{ID: sdk.TaskID(x.task), HistoryLength: &historyLength})
	if err != nil {
		return false, err
	}
	return x.take(ev)
}

// abandon cancels a task that the caller has cancelled. A caller that ended for
// another cause (a deadline, a worker that shuts down) means to attach to it
// again.
func (x *exchange) abandon(caller context.Context) {
	if !x.running || context.Cause(caller) != context.Canceled { //nolint:errorlint // any other cause is another reason
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(caller), cancelTimeout)
	defer cancel()
	_, _ = x.call(ctx, methodCancel, sdk.TaskIDParams{ID: sdk.TaskID(x.task)}) // best effort: it ends by itself
}

// result is the complete answer.
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

// state is what the next message continues. Nil: it has to tell the conversation.
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
	}
	if m == (memory{}) {
		return nil
	}
	out, _ := json.Marshal(m) // strings and a number: it cannot fail
	if len(out) > wire.MaxToken {
		return nil
	}
	return out
}
