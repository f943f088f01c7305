package mcp

import (
	"context"
	"log/slog"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/program"
)

// stopPatience is how long a program may run after its standard input is closed,
// before SIGTERM, and again as long before SIGKILL.
const stopPatience = time.Second

// A process is a running program.
type process struct {
	*program.Process
	clean  func(string) string
	logger *slog.Logger
}

// startProcess starts the program.
func startProcess(cfg Config, env []string, clean func(string) string) (*process, error) {
	logger := cfg.Logger.With("tools", cfg.Name)
	started, err := program.Start(program.Command{
		Args: cfg.Command, Dir: cfg.Dir, Env: env,
		Logger: logger, Says: "tool server says", Clean: func(line []byte) string { return clean(string(line)) },
	})
	if err != nil {
		out := &conversation.Error{Kind: conversation.Unavailable, Err: err, Remedy: program.Remedy(err)}
		if out.Remedy != "" {
			out.Kind = conversation.Invalid
		}
		return nil, out
	}
	p := &process{Process: started, clean: clean, logger: logger}
	go p.logEnd()
	return p, nil
}

func (p *process) logEnd() {
	<-p.Gone()
	if p.Stopped() {
		p.logger.Debug("tool server stopped", "pid", p.PID())
	} else {
		p.logger.Warn("tool server ended", "pid", p.PID(), "error", p.Exit().Error())
	}
}

// stop ends the program and its process group. It does not wait.
func (p *process) stop() { p.Stop(stopPatience, stopPatience) }

// write writes a line, or stops when ctx is done. It stops a program that has
// received half a line, because it could not read the next one. N is how many bytes the
// program may have received.
func (p *process) write(ctx context.Context, line []byte) (n int, err error) {
	n, err = p.Write(ctx, line)
	if err != nil && (n > 0 || ctx.Err() == nil) {
		p.stop()
	}
	return n, err
}
