// Package program runs programs that speak on their standard input and output.
// Each has a process group of its own and sees of our environment only what it is
// meant to see; what it writes to its standard error is for the log. With a
// program that ends, or is stopped, go all of its children.
package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/parley-run/parley/internal/program/group"
)

const (
	// lingering is how long the output of a program that has ended is read:
	// somebody who has left its group may keep it open.
	lingering = time.Second
	// maxLine is how much of a line of the log is kept.
	maxLine = 4 << 10
)

// A Command says which program to run.
type Command struct {
	// Args are the program and its arguments. No shell sees them.
	Args []string
	// Dir is where it runs. Empty: where this process does.
	Dir string
	// Env is the whole of its environment: see [Environment].
	Env []string
	// Logger gets the lines of its standard error, as many as a [LineLog] lets pass.
	Logger *slog.Logger
	// Says is the message of those lines.
	Says string
	// Clean makes such a line fit for the log and for errors. Empty: it is left
	// out.
	Clean func(line []byte) string
}

// A Process is a running program.
type Process struct {
	// Stdout is what the program writes. Whoever starts it has to read that to its
	// end, and to close it. A second after the program's end it is closed in any
	// case.
	Stdout *os.File

	stdin  *os.File
	stderr *os.File
	cmd    *exec.Cmd
	lines  *LineLog
	says   string
	clean  func([]byte) string

	ended chan struct{} // closed once the program itself has ended
	gone  chan struct{} // closed once all of its group is, and its log is read

	stopping sync.Once

	mu        sync.Mutex
	reaped    bool // its id may be another's
	stopped   bool // it was we who ended it
	lastWords []byte
	exit      error // to be read after gone
}

// running are the programs of this process, for [KillAll].
var running sync.Map // of *Process

// KillAll ends all programs and whatever they have started, at once. It is for a
// process that is about to exit without an orderly end: the kernel may end the
// programs then, but not their children.
func KillAll() {
	running.Range(func(p, _ any) bool {
		p.(*Process).signal(group.Kill)
		return true
	})
}

// Start starts a program. Errors wrap [ErrNone] or [ErrStart].
func Start(c Command) (*Process, error) {
	path, err := Find(c.Args[0], c.Dir)
	if err != nil {
		return nil, err
	}
	p := &Process{
		cmd:   exec.Command(path, c.Args[1:]...), //nolint:gosec // the configured program
		lines: NewLineLog(c.Logger), says: c.Says, clean: c.Clean,
		ended: make(chan struct{}), gone: make(chan struct{}),
	}
	p.cmd.Args[0] = c.Args[0]
	p.cmd.Dir, p.cmd.Env = c.Dir, c.Env
	group.Own(p.cmd)
	theirs, err := p.connect()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	started := make(chan error)
	go p.live(theirs, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	return p, nil
}

// live starts the program, sees it to its end, and cleans up after it.
func (p *Process) live(theirs []*os.File, started chan<- error) {
	// Linux ends the program when the thread that started it ends: it must not
	// end before.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	closeAll(theirs) // it has its own by now, or never will
	if err != nil {
		closeAll(p.ours())
		started <- err
		return
	}
	running.Store(p, true)
	defer running.Delete(p)
	var reader sync.WaitGroup
	reader.Go(func() { p.log(p.stderr) })
	started <- nil

	p.end()
	close(p.ended)

	// What it has written is still to be read. Only somebody who has left the
	// group could keep its output open.
	time.AfterFunc(lingering, func() { closeAll(p.ours()) })
	reader.Wait()
	closeAll([]*os.File{p.stdin, p.stderr})
	close(p.gone)
}

// end waits for the program's end, and ends whom it has left behind.
func (p *Process) end() {
	keepsID := group.AwaitEnd(p.cmd)
	var err error
	if !keepsID {
		err = p.cmd.Wait()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	group.Kill(p.cmd)
	if keepsID {
		err = p.cmd.Wait()
	}
	p.reaped, p.exit = true, err
}

// log puts the program's standard error into the log, line by line. The rest of a
// very long line is dropped.
func (p *Process) log(stderr io.Reader) {
	defer p.lines.Close()
	r := bufio.NewReaderSize(stderr, maxLine)
	skip := false
	for {
		line, more, err := r.ReadLine()
		if err != nil {
			return
		}
		if !skip {
			if len(bytes.TrimSpace(line)) > 0 {
				p.mu.Lock()
				p.lastWords = append(p.lastWords[:0], line...)
				p.mu.Unlock()
			}
			p.lines.Line(slog.LevelInfo, p.says, func() string { return p.clean(line) }, "pid", p.PID())
		}
		skip = more
	}
}

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed once the program itself has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Gone is closed once the whole process group is no more, and its log is read.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Exit says how the program ended, and what its last words were. It waits until
// the program is gone.
func (p *Process) Exit() error {
	<-p.gone
	p.mu.Lock()
	defer p.mu.Unlock()
	what := "the program ended: exit status 0"
	if p.exit != nil {
		what = "the program ended: " + p.exit.Error()
	}
	if words := p.clean(p.lastWords); words != "" {
		what += ": " + words
	}
	return errors.New(what)
}

// Stopped reports whether it was Stop that ended the program.
func (p *Process) Stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// Stop ends the program and whatever it has started. Its standard input is closed
// at once. After patience comes SIGTERM, and after grace SIGKILL. It does not wait,
// and only the first call counts.
func (p *Process) Stop(patience, grace time.Duration) {
	p.stopping.Do(func() {
		p.mu.Lock()
		p.stopped = !p.reaped
		p.mu.Unlock()
		_ = p.stdin.Close()
		go func() {
			if p.endsWithin(patience) {
				return
			}
			p.signal(group.Terminate)
			if !p.endsWithin(grace) {
				p.signal(group.Kill)
			}
		}()
	})
}

func (p *Process) endsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		return false
	}
}

// signal sends a signal to the program's group, if it is still its own.
func (p *Process) signal(send func(*exec.Cmd)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p.cmd)
	}
}

// Write writes to the program's standard input, or gives up when ctx is done: then
// the error is [os.ErrDeadlineExceeded]. What is written in part leaves a program
// with something it can make nothing of. One write at a time.
func (p *Process) Write(ctx context.Context, data []byte) (int, error) {
	gaveUp := make(chan struct{})
	settled := context.AfterFunc(ctx, func() {
		defer close(gaveUp)
		_ = p.stdin.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := p.stdin.Write(data)
	if !settled() {
		<-gaveUp // it must not spoil the next write
		_ = p.stdin.SetWriteDeadline(time.Time{})
	}
	return n, err
}
