package command

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-run/parley/executors/wire"
	"github.com/parley-run/parley/internal/program"
)

// lingering is how long a program may run after it has closed its output.
const lingering = time.Second

// A process is one running program.
type process struct {
	cfg     Config
	logger  *slog.Logger
	secrets *secrets

	program *program.Process
	writing chan struct{} // holds a token during a write

	ready chan struct{} // closed when the program accepts requests
	dead  chan struct{} // closed when the program sends no more answers
	gone  chan struct{} // closed when the whole process group has exited

	mu         sync.Mutex
	calls      map[string]*call
	err        error // why dead is closed, or will be
	lastOutput time.Time
	isDead     bool
	isReady    bool
}

// startProcess starts the program. It does not wait until the program is ready.
func startProcess(cfg Config, env []string, logger *slog.Logger, lines *program.LineLog, secrets *secrets) (*process, error) {
	started, err := program.Start(program.Command{
		Args: cfg.Command, Dir: cfg.Dir, Env: env,
		Lines: lines, Says: "program says", Clean: secrets.logLine,
	})
	if err != nil {
		return nil, err
	}
	p := &process{
		cfg: cfg, logger: logger, secrets: secrets, program: started,
		writing: make(chan struct{}, 1),
		ready:   make(chan struct{}), dead: make(chan struct{}), gone: make(chan struct{}),
		calls: make(map[string]*call),
	}
	go p.live()
	if !cfg.Handshake {
		p.nowReady()
		return p, nil
	}
	go func() {
		timer := time.NewTimer(cfg.StartTimeout)
		defer timer.Stop()
		select {
		case <-p.ready:
		case <-p.dead:
		case <-timer.C:
			p.stop(fmt.Errorf("the program was not ready within %v (start_timeout)", cfg.StartTimeout))
		}
	}()
	return p, nil
}

// live reads the program's answers until the program has exited.
func (p *process) live() {
	p.readAnswers(p.program.Stdout)
	<-p.program.Gone()
	_ = p.program.Stdout.Close()
	p.die(p.program.Exit())
	if err := p.reason(); errors.Is(err, errClosed) || errors.Is(err, errGivenUp) {
		p.logger.Debug("program stopped", "pid", p.program.PID())
	} else {
		p.logger.Warn("program ended", "pid", p.program.PID(), "error", p.secrets.clean(err.Error()))
	}
	close(p.gone)
}

// die records why the program sends no more answers. The first reason stays.
func (p *process) die(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	if !p.isDead {
		p.isDead = true
		close(p.dead)
	}
}

// stopping reports whether the program gets no more requests.
func (p *process) stopping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

func (p *process) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// stop ends the program and its process group for a reason: with SIGTERM, and after
// the grace period with SIGKILL. It does not wait.
func (p *process) stop(reason error) {
	p.die(reason)
	p.program.Stop(0, p.cfg.StopTimeout)
}

func (p *process) nowReady() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isReady {
		p.isReady = true
		close(p.ready)
	}
}

// maxLine bounds a line of an answer.
func (p *process) maxLine() int { return wire.MaxFrame(p.cfg.MaxReplyBytes) }
