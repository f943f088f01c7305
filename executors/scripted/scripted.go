// Package scripted is an executor that answers from a script, without a model, a
// key or a network. The same request always gets the same reply: the choice between
// texts depends on the conversation's id and its messages, not on time or chance.
//
// It has a built-in script, a support desk, and reads others from YAML or JSON;
// docs/executors.md describes the format. A script can also fail on purpose, to
// test a worker's behaviour under faults from configuration alone.
package scripted

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
	"github.com/parley-run/parley/internal/settings"
)

//go:embed support.yaml
var builtin []byte

// maxScript bounds a script, in bytes.
const maxScript = 1 << 20

// Config selects the script and its speed.
type Config struct {
	// Path is the script's file. Empty, without a Script: the built-in one.
	Path string `yaml:"script"`
	// Script is the text of the script; Path must be empty then.
	Script []byte `yaml:"-"`
	// Latency is how long each reply takes. Zero: the script's own latency.
	Latency time.Duration `yaml:"latency"`
}

// An Executor plays one script. Create it with [New].
type Executor struct {
	script  script
	latency time.Duration
}

var (
	_ executors.Executor = (*Executor)(nil)
	_ executors.Toolless = (*Executor)(nil)
)

// New reads the script. It reports all faults at once, each with its line.
func New(cfg Config) (*Executor, error) {
	var f settings.Faults
	source, data := "", builtin
	switch {
	case cfg.Path != "" && cfg.Script != nil:
		f.Add("script", "leave out the path or the script itself", "is given twice")
	case cfg.Script != nil:
		data = cfg.Script
	case cfg.Path != "":
		var err error
		if data, err = readScript(cfg.Path); err != nil {
			f.Include(err)
			data = builtin
		}
		source = cfg.Path + ": "
	}
	if cfg.Latency < 0 {
		f.Add("latency", "write 0 or more", "is %v", cfg.Latency)
	}
	s, faults := parse(data)
	for _, fault := range faults {
		f.Add("script", "", "cannot be used: %s%s", source, fault)
	}
	if err := f.Err(); err != nil {
		return nil, fmt.Errorf("scripted: %w", err)
	}
	latency := cfg.Latency
	if latency == 0 {
		latency = s.latency
	}
	return &Executor{script: s, latency: latency}, nil
}

func readScript(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, settings.Fault("script", "", "cannot be read: %v", err)
	}
	return data, nil
}

// Name returns the script's name, which results carry as their model.
func (e *Executor) Name() string { return e.script.name }

// Toolless reports that a script calls no tools.
func (*Executor) Toolless() bool { return true }

// Execute answers from the script. It ignores State and New.
func (e *Executor) Execute(ctx context.Context, req executors.Request) (executors.Result, error) {
	if err := ctx.Err(); err != nil {
		return executors.Result{}, cancelled(ctx)
	}
	if f := e.script.failure(req); f != nil {
		return executors.Result{}, f.play(ctx, req)
	}
	reply := e.script.reply(req)
	if err := speak(ctx, reply.text, e.latency, req.OnDelta); err != nil {
		return executors.Result{}, err
	}
	return executors.Result{
		Message:      conversation.Text(conversation.RoleAssistant, reply.text),
		Provider:     "scripted",
		Model:        e.script.name,
		FinishReason: executors.FinishStop,
		End:          reply.end,
	}, nil
}

// speak passes the text to onDelta word by word, over the latency.
func speak(ctx context.Context, text string, latency time.Duration, onDelta func(string)) error {
	pieces := []string{text}
	if onDelta != nil {
		pieces = strings.SplitAfter(text, " ")
	}
	pause := latency / time.Duration(len(pieces))
	for _, piece := range pieces {
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		if onDelta != nil {
			onDelta(piece)
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		if ctx.Err() != nil {
			return cancelled(ctx)
		}
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return cancelled(ctx)
	}
}

func cancelled(ctx context.Context) error {
	return &conversation.Error{Kind: conversation.Unavailable, Op: "scripted: reply", Err: ctx.Err()}
}
