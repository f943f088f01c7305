package runagent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/executors/internal/modelcall"
	"github.com/parley-run/parley/internal/joined"
	"github.com/parley-run/parley/internal/settings"
)

// streamSuffix ends the tags of entrypoints that stream.
const streamSuffix = "_stream"

// maxTimeout bounds the timeout that a task may request.
const maxTimeout = 30 * 24 * time.Hour

// A run holds the parameters of a run: the task's, and the configuration's for
// those it leaves out.
type run struct {
	agent, entrypoint string
	body              []byte // of the request
	timers            modelcall.Timers
	local             bool
	host              string // of a local agent, if the task names one
	port              int
	// talk means that there is no task: the answer must be a text.
	talk bool
}

func (r run) streams() bool { return strings.HasSuffix(r.entrypoint, streamSuffix) }

// A runRequest is the body of a run.
type runRequest struct {
	Entrypoint       string          `json:"entrypoint_tag"`
	Args             json.RawMessage `json:"input_args"`
	Kwargs           json.RawMessage `json:"input_kwargs"`
	TimeoutSeconds   int64           `json:"timeout_seconds"`
	Async            bool            `json:"async_execution"`
	UserID           string          `json:"user_id,omitempty"`
	PersistentMemory bool            `json:"persistent_memory,omitempty"`
}

// newRun returns the run for a request.
func (e *Executor) newRun(req executors.Request) (run, error) {
	var task conversation.Run
	if req.Task != nil {
		var err error
		if task, err = req.Task.Run(); err != nil {
			return run{}, err
		}
	}
	r := run{
		agent: cmp.Or(task.AgentID, e.cfg.AgentID), entrypoint: cmp.Or(task.Entrypoint, e.cfg.Entrypoint),
		local: e.cfg.Mode == ModeLocal || task.Local != nil && *task.Local,
		host:  task.Host, port: task.Port, talk: req.Task == nil,
	}
	limit, err := e.limit(req.Task, task)
	var f settings.Faults
	f.Include(err)
	if r.agent == "" {
		f.Add("agent_id", "give it in the task, or to the executor", "is missing")
	} else if err := checkID(r.agent); err != nil {
		f.Add("agent_id", "", "%v", err)
	}
	if r.entrypoint == "" {
		f.Add("entrypoint_tag", "give it in the task, or as entrypoint to the executor", "is missing")
	} else if err := checkTag(r.entrypoint); err != nil {
		f.Add("entrypoint_tag", "", "%v", err)
	}
	if err := checkHost(r.host); err != nil {
		f.Add("agent_host", "", "%v", err)
	}
	if r.port < 0 || r.port > 65535 {
		f.Add("agent_port", "write 1 to 65535", "is %d", r.port)
	}
	args, kwargs, err := e.arguments(req, task)
	f.Include(err)
	if err := f.Err(); err != nil {
		return run{}, &conversation.Error{
			Kind: conversation.Invalid, Op: "runagent: run an agent", Err: errors.New(joined.Line(err)),
			Remedy: "correct the task, or the executor's configuration",
		}
	}
	r.timers = modelcall.Timers{
		Total: limit, FirstToken: min(e.cfg.FirstTokenTimeout, limit), Gap: min(e.cfg.GapTimeout, limit),
	}
	r.body, err = json.Marshal(runRequest{
		Entrypoint: r.entrypoint, Args: args, Kwargs: kwargs,
		TimeoutSeconds:   int64((limit + time.Second - 1) / time.Second),
		UserID:           cmp.Or(task.UserID, e.cfg.UserID),
		PersistentMemory: task.PersistentMemory || e.cfg.PersistentMemory,
	})
	if err != nil {
		return run{}, &conversation.Error{
			Kind: conversation.Invalid, Op: "runagent: run an agent", Err: fmt.Errorf("the arguments are not JSON: %w", err),
			Remedy: "give args as a list and params as an object",
		}
	}
	return r, nil
}

// limit returns the timeout of a run: the task's, or else the configured one.
func (e *Executor) limit(task *conversation.Task, run conversation.Run) (time.Duration, error) {
	if run.TimeoutSeconds < 0 || int64(run.TimeoutSeconds) > int64(maxTimeout/time.Second) {
		return 0, fmt.Errorf("timeout_seconds is %d: write 1 to %d, or leave it out", run.TimeoutSeconds, int64(maxTimeout/time.Second))
	}
	if run.TimeoutSeconds > 0 {
		return time.Duration(run.TimeoutSeconds) * time.Second, nil
	}
	if task != nil && task.Timeout > 0 {
		return min(task.Timeout, maxTimeout), nil
	}
	return e.cfg.Timeout, nil
}

// arguments returns the positional and keyword arguments of the entrypoint.
func (e *Executor) arguments(req executors.Request, task conversation.Run) (args, kwargs json.RawMessage, err error) {
	args, kwargs = json.RawMessage("[]"), json.RawMessage("{}")
	if req.Task == nil {
		kwargs, err = e.keywords(req)
		return args, kwargs, err
	}
	// Decoded again with raw values: numbers must keep their digits.
	var exact struct {
		Args    json.RawMessage `json:"args"`
		Message string          `json:"message"`
	}
	_ = json.Unmarshal(req.Task.Payload, &exact) // Task.Run has reported faults
	if len(task.Args) > 0 {
		args = exact.Args
	}
	params := bytes.TrimSpace(task.Params)
	switch {
	case len(params) > 0 && string(params) != "null":
		if params[0] != '{' {
			return nil, nil, errors.New("params is no object: the entrypoint's keyword arguments are its fields")
		}
		kwargs = params
	case len(task.Args) == 0 && exact.Message != "":
		kwargs, err = json.Marshal(map[string]string{e.cfg.MessageKey: exact.Message})
	}
	return args, kwargs, err
}

// keywords returns a turn of a conversation as keyword arguments.
func (e *Executor) keywords(req executors.Request) (json.RawMessage, error) {
	type line struct {
		Role    conversation.Role `json:"role"`
		Content string            `json:"content"`
	}
	fresh := len(req.Messages) - min(max(req.New, 0), len(req.Messages))
	var texts []string
	history := []line{}
	for i, m := range req.Messages {
		text := modelcall.Content(m)
		history = append(history, line{m.Role, text})
		if i >= fresh && m.Role != conversation.RoleAssistant && text != "" {
			texts = append(texts, text)
		}
	}
	kwargs := map[string]any{e.cfg.MessageKey: strings.Join(texts, "\n\n")}
	if e.cfg.HistoryKey != "" {
		kwargs[e.cfg.HistoryKey] = history
	}
	return json.Marshal(kwargs)
}
