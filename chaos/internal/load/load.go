// Package load makes the work of a chaos run: senders of direct messages, who retry by
// message id, and operators. Both call the starter, as people and scripts do, and write
// an account of what they did and what they were told.
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
	"time"

	"github.com/parley-run/parley/chaos/internal/account"
)

// A Load is senders and operators that have not begun.
type Load struct {
	Starter string // the program
	Dir     string // with parley.yaml
	Env     []string
	Seed    uint64
	// Temporal is for what operators do without the starter.
	Temporal Temporal
	// AdoptAfter is the inbox's setting. Zero: it adopts nothing.
	AdoptAfter time.Duration

	Senders   *account.Writer
	Operators *account.Writer
	Schedules *account.Writer
	Pulse     Pulse

	mu         sync.Mutex
	names      int
	terminated time.Time // when a conversation was terminated last
}

// An act is a line of the operators' account.
type act struct {
	At           time.Time `json:"at"`
	Act          string    `json:"act"`
	Conversation string    `json:"conversation"`
	OK           bool      `json:"ok"`
	Detail       string    `json:"detail,omitempty"`
}

// run calls the starter. The code is that of its exit; -1: it did not run to its end.
func (l *Load) run(ctx context.Context, args ...string) (out []byte, code int, detail string) {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, l.Starter, append(args, "-o", "json")...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = l.Dir, l.Env, time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return stdout.Bytes(), 0, ""
	case errors.As(err, &exit):
		return stdout.Bytes(), exit.ExitCode(), last(stderr.String())
	}
	return nil, -1, err.Error()
}

func last(text string) string {
	const most = 300
	return text[max(0, len(text)-most):]
}

// A Conversation is what the starter lists.
type Conversation struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Open   bool   `json:"open"`
}

// List lists the conversations of these statuses.
func (l *Load) List(ctx context.Context, statuses string) ([]Conversation, error) {
	out, code, detail := l.run(ctx, "list", "--status", statuses, "--limit", "0")
	if code != 0 {
		return nil, fmt.Errorf("load: starter list: exit code %d: %s", code, detail)
	}
	var listed struct {
		Conversations []Conversation `json:"conversations"`
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		return nil, fmt.Errorf("load: starter list: %w", err)
	}
	return listed.Conversations, nil
}

func (l *Load) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(l.Seed, stream)) }

// Run runs senders and operators until ctx is done. open ends when no sender may begin
// another conversation.
func (l *Load) Run(ctx context.Context, open context.Context, senders int) {
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() { l.send(ctx, open, l.random(uint64(100+i))) })
	}
	wg.Go(func() { l.operate(open, l.random(1)) })
	wg.Go(func() { l.approve(ctx, l.random(2)) })
	wg.Go(func() { l.assignTasks(ctx, open, l.random(3)) })
	wg.Wait()
}
