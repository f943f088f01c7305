// Package scripted is an executor that answers from a script, without a model,
// a key or a network. The same request always gets the same reply: the choice
// between wordings follows from the conversation's id and from what was said,
// never from the clock or from chance.
//
// It comes with a script of its own, a support desk, and takes any other as
// YAML or JSON; docs/executors.md describes the format. A script can also fail
// on purpose, so that a whole worker's behaviour under faults can be tried from
// configuration alone.
package scripted

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

//go:embed support.yaml
var builtin []byte

// maxScript bounds the size of a script.
const maxScript = 1 << 20

// Config says which script to play, and how fast.
type Config struct {
	// Path of the script's file. Empty, without a Script: the built-in one.
	Path string `yaml:"script"`
	// Script is the script itself; Path must be empty then.
	Script []byte `yaml:"-"`
	// Latency is how long each reply takes. Zero: what the script says.
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

// New reads the script. It reports every fault at once, each with its line.
func New(cfg Config) (*Executor, error) {
	source, data := "script (the built-in one)", builtin
	switch {
	case cfg.Path != "" && cfg.Script != nil:
		return nil, errors.New("scripted: script is given twice: leave out the path or the script itself")
	case cfg.Script != nil:
		source, data = "script", cfg.Script
	case cfg.Path != "":
		var err error
		source = "script " + cfg.Path
		if data, err = os.ReadFile(cfg.Path); err != nil {
			return nil, fmt.Errorf("scripted: script: %w", err)
		}
	}
	if cfg.Latency < 0 {
		return nil, fmt.Errorf("scripted: latency is %v: write 0 or more", cfg.Latency)
	}
	s, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("scripted: %s: %w", source, err)
	}
	latency := cfg.Latency
	if latency == 0 {
		latency = s.latency
	}
	return &Executor{script: s, latency: latency}, nil
}

// Name is the script's own name. Results carry it as their model.
func (e *Executor) Name() string { return e.script.name }

// Toolless says that a script calls no tools.
func (*Executor) Toolless() bool { return true }

// Execute answers from the script. It needs neither State nor New.
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

// speak takes its time over the text and tells it to onDelta word by word.
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
