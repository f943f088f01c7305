package mcp

import (
	"bufio"
	"context"
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
	"syscall"
	"time"

	"github.com/parley-run/parley/conversation"
)

const (
	// A program is to end by itself once its standard input is closed. After this
	// long comes SIGTERM, and after as long again SIGKILL.
	stopPatience = time.Second
	// lingering is how long the output of a program that has ended is read:
	// somebody who has left its group may keep it open.
	lingering = time.Second
)

// A process is a running program. Its pipes are our own and not os/exec's: with
// these, a write can be given up and a read that nothing will come of ended.
type process struct {
	cmd    *exec.Cmd
	stdin  *os.File
	stdout *os.File
	clean  func(string) string
	logger *slog.Logger

	ended chan struct{} // closed once the program itself has ended
	gone  chan struct{} // closed once all of its group is, and its words are read

	stopping sync.Once

	mu      sync.Mutex
	reaped  bool // its id may be another's
	stopped bool // it was we who ended it
	lastErr string
	exit    error // to be read after ended
}

// startProcess starts the program.
func startProcess(cfg Config, env []string, clean func(string) string) (*process, error) {
	path, err := find(cfg)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(path, cfg.Command[1:]...), clean: clean, ended: make(chan struct{}), gone: make(chan struct{})} //nolint:gosec // the configured program
	p.cmd.Args[0] = cfg.Command[0]
	p.cmd.Dir, p.cmd.Env, p.cmd.SysProcAttr = cfg.Dir, env, ownGroup()
	p.logger = cfg.Logger.With("tools", cfg.Name)

	var ours, theirs []*os.File
	for range 3 {
		var r, w *os.File
		if r, w, err = os.Pipe(); err != nil {
			break
		}
		if len(ours) == 0 {
			r, w = w, r // standard input goes the other way
		}
		ours, theirs = append(ours, r), append(theirs, w)
	}
	if err == nil {
		p.stdin, p.stdout = ours[0], ours[1]
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs[0], theirs[1], theirs[2]
		started := make(chan error)
		go p.live(ours[2], theirs, started)
		err = <-started
	} else {
		closeAll(theirs)
	}
	if err != nil {
		closeAll(ours)
		return nil, notStarted(err)
	}
	return p, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// live starts the program, sees it to its end, and cleans up after it.
func (p *process) live(stderr *os.File, theirs []*os.File, started chan<- error) {
	// Linux ends the program when the thread that started it ends: it must not
	// end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	closeAll(theirs) // it has its own by now, or never will
	started <- err
	if err != nil {
		return
	}
	var reader sync.WaitGroup
	reader.Go(func() { p.log(stderr) })

	keepsID := awaitEnd(p.cmd)
	if !keepsID {
		err = p.cmd.Wait()
	}
	p.mu.Lock()
	killGroup(p.cmd) // whom it has left behind
	if keepsID {
		err = p.cmd.Wait()
	}
	p.reaped, p.exit = true, err
	p.mu.Unlock()
	close(p.ended)

	time.AfterFunc(lingering, func() { closeAll([]*os.File{p.stdout, stderr}) })
	reader.Wait()
	closeAll([]*os.File{p.stdin, stderr})
	p.mu.Lock()
	stopped := p.stopped
	p.mu.Unlock()
	close(p.gone)
	if stopped {
		p.logger.Debug("tool server stopped", "pid", p.cmd.Process.Pid)
	} else {
		p.logger.Warn("tool server ended", "pid", p.cmd.Process.Pid, "error", p.reason().Error())
	}
}

// log puts the program's standard error into the log, line by line. The rest of a
// very long line is dropped.
func (p *process) log(stderr *os.File) {
	r := bufio.NewReader(stderr)
	skip := false
	for {
		line, more, err := r.ReadLine()
		if err != nil {
			return
		}
		if text := p.clean(string(line)); text != "" && !skip {
			p.mu.Lock()
			p.lastErr = text
			p.mu.Unlock()
			p.logger.Info("tool server says", "pid", p.cmd.Process.Pid, "line", text)
		}
		skip = more
	}
}

// reason says why nothing more is to be expected of the program. It waits for
// the end of one that is about to end.
func (p *process) reason() error {
	<-p.gone
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "the program ended: exit status 0"
	if p.exit != nil {
		what = "the program ended: " + p.exit.Error()
	}
	if p.lastErr != "" {
		what += ": " + p.lastErr
	}
	return errors.New(what)
}

// stop ends the program and whatever it has started. It does not wait.
func (p *process) stop() {
	p.stopping.Do(func() {
		p.mu.Lock()
		select {
		case <-p.ended:
		default:
			p.stopped = true
		}
		p.mu.Unlock()
		_ = p.stdin.Close()
		go func() {
			for _, send := range []func(*exec.Cmd){terminateGroup, killGroup} {
				timer := time.NewTimer(stopPatience)
				defer timer.Stop()
				select {
				case <-p.ended:
					return
				case <-timer.C:
					p.signal(send)
				}
			}
		}()
	})
}

// signal sends a signal to the program's group, if it is still its own.
func (p *process) signal(send func(*exec.Cmd)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p.cmd)
	}
}

// write writes a line, or gives up when ctx is done. A program that has got half
// of one is stopped: the next would make no sense to it.
func (p *process) write(ctx context.Context, line []byte) error {
	gaveUp := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = p.stdin.SetWriteDeadline(time.Unix(1, 0))
		close(gaveUp)
	})
	n, err := p.stdin.Write(line)
	if !stop() {
		<-gaveUp
		_ = p.stdin.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case n > 0 || ctx.Err() == nil:
		p.stop()
	}
	return err
}

// find returns the program's path.
func find(cfg Config) (string, error) {
	name := cfg.Command[0]
	if cfg.Dir != "" {
		if info, err := os.Stat(cfg.Dir); err != nil || !info.IsDir() {
			return "", noProgram(fmt.Errorf("dir, %s, is no directory", cfg.Dir))
		}
	}
	if strings.ContainsRune(filepath.ToSlash(name), '/') && !filepath.IsAbs(name) {
		name = filepath.Join(cfg.Dir, name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", noProgram(err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", noProgram(err)
	}
	return path, nil
}

func noProgram(err error) error {
	return &conversation.Error{
		Kind: conversation.Invalid, Err: fmt.Errorf("there is no such program: %w", err),
		Remedy: "check command and dir, and that the program is installed",
	}
}

func notStarted(err error) error {
	out := &conversation.Error{Kind: conversation.Unavailable, Err: fmt.Errorf("the program does not start: %w", err)}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOEXEC) {
		out.Kind = conversation.Invalid
		out.Remedy = "check command: a script needs a first line such as #!/usr/bin/env python3, and the right to be executed"
	}
	return out
}
