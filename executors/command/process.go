package command

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/parley-run/parley/executors/wire"
)

// lingering is how long a program may live on after it has closed its output,
// and its output after its end.
const lingering = time.Second

// A process is one running program.
type process struct {
	cfg     Config
	logger  *slog.Logger
	secrets *secrets

	cmd     *exec.Cmd
	stdin   *os.File
	writing chan struct{} // holds a token while somebody writes

	ready chan struct{} // closed once requests may be sent
	dead  chan struct{} // closed once nothing more is to be expected of it
	gone  chan struct{} // closed once the whole process group is no more

	ended chan struct{} // closed once the program itself has ended

	mu      sync.Mutex
	calls   map[string]*call
	err     error // why it is dead, or about to be
	reaped  bool  // its id may be another's
	heard   time.Time
	lastErr string // the last line of its standard error
	isDead  bool
	isReady bool
}

// startProcess starts the program. It returns once the program runs, and does
// not wait until it is ready.
func startProcess(cfg Config, env []string, logger *slog.Logger, secrets *secrets) (*process, error) {
	path, err := find(cfg)
	if err != nil {
		return nil, err
	}
	p := &process{
		cfg: cfg, logger: logger, secrets: secrets,
		writing: make(chan struct{}, 1),
		ready:   make(chan struct{}), dead: make(chan struct{}), gone: make(chan struct{}), ended: make(chan struct{}),
		calls: make(map[string]*call),
	}
	p.cmd = exec.Command(path, cfg.Command[1:]...) //nolint:gosec // the configured program
	p.cmd.Args[0] = cfg.Command[0]
	p.cmd.Dir, p.cmd.Env = cfg.Dir, env
	p.cmd.SysProcAttr = ownGroup()
	pipes, err := connect(p.cmd)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
	p.stdin = pipes.stdin
	started := make(chan error)
	go p.live(pipes, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%w: %w", errStart, err)
	}
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

// What may be wrong with a program before it runs.
var (
	errNoProgram = errors.New("there is no such program")
	errStart     = errors.New("the program does not start")
)

// find returns the program's path.
func find(cfg Config) (string, error) {
	name := cfg.Command[0]
	if cfg.Dir != "" {
		if info, err := os.Stat(cfg.Dir); err != nil || !info.IsDir() {
			return "", fmt.Errorf("%w: dir, %s, is no directory", errNoProgram, cfg.Dir)
		}
	}
	if strings.ContainsRune(filepath.ToSlash(name), '/') && !filepath.IsAbs(name) {
		name = filepath.Join(cfg.Dir, name)
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%w: %s is not executable", errNoProgram, name)
	} else if err != nil {
		return "", fmt.Errorf("%w: %w", errNoProgram, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fmt.Errorf("%w: %w", errNoProgram, err)
	}
	return path, nil
}

// live starts the program, sees it to its end, and cleans up after it.
func (p *process) live(pipes *pipes, started chan<- error) {
	// Linux ends the program when the thread that started it ends: it must not
	// end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	pipes.started()
	if err != nil {
		pipes.close()
		started <- err
		return
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.readAnswers(pipes.stdout) })
	readers.Go(func() { p.readLog(pipes.stderr) })
	started <- nil

	err = p.end()
	close(p.ended)

	// What it has written is still to be read. Only somebody who has left the
	// group could keep its output open.
	timer := time.AfterFunc(lingering, pipes.close)
	readers.Wait()
	timer.Stop()
	pipes.close()
	p.die(p.exitError(err))
	if err := p.reason(); errors.Is(err, errClosed) || errors.Is(err, errGivenUp) {
		p.logger.Debug("program stopped", "pid", p.cmd.Process.Pid)
	} else {
		p.logger.Warn("program ended", "pid", p.cmd.Process.Pid, "error", p.secrets.clean(err.Error()))
	}
	close(p.gone)
}

// end waits for the program's end, and ends whom it has left behind.
func (p *process) end() error {
	keepsID := awaitEnd(p.cmd)
	var err error
	if !keepsID {
		err = p.cmd.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	killGroup(p.cmd)
	if keepsID {
		err = p.cmd.Wait()
	}
	p.reaped = true
	return err
}

func (p *process) exitError(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "the program ended: exit status 0"
	if err != nil {
		what = "the program ended: " + err.Error()
	}
	if p.lastErr != "" {
		what += ": " + p.lastErr
	}
	return errors.New(what)
}

// die notes why there is nothing more to expect of the program. The first reason
// is the right one.
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

// stop ends the program, for a reason, and whatever it has started: with SIGTERM,
// and when its time is up with SIGKILL. It does not wait.
func (p *process) stop(reason error) {
	p.mu.Lock()
	before := p.err
	if before == nil {
		p.err = reason
	}
	p.mu.Unlock()
	p.die(reason)
	if before != nil {
		return
	}
	_ = p.stdin.Close()
	p.signal(terminateGroup)
	go func() {
		timer := time.NewTimer(p.cfg.StopTimeout)
		defer timer.Stop()
		select {
		case <-p.ended:
		case <-timer.C:
			p.signal(killGroup)
		}
	}()
}

// signal sends a signal to the program's group, if it is still its own.
func (p *process) signal(send func(*exec.Cmd)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p.cmd)
	}
}

func (p *process) nowReady() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isReady {
		p.isReady = true
		close(p.ready)
	}
}

// maxLine is the longest line of an answer.
func (p *process) maxLine() int { return wire.MaxFrame(p.cfg.MaxReplyBytes) }
