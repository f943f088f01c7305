// Package program runs programs that communicate over their standard input and output.
// Each has a process group of its own and receives only the intended part of this
// process's environment; its standard error goes to the log. All of its children end
// with it.
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
	// lingering is how long the output of a program that has exited is read: a process
	// that has left its group may keep it open.
	lingering = time.Second
	// maxLine bounds a line in the log.
	maxLine = 4 << 10
)

// A Command describes a program to run.
type Command struct {
	// Args are the program and its arguments, without a shell.
	Args []string
	// Dir is its working directory. Empty: this process's.
	Dir string
	// Env is the whole of its environment: see [Environment].
	Env []string
	// Logger receives the lines of its standard error, as many as a [LineLog] permits.
	Logger *slog.Logger
	// Lines, if not nil, takes the place of a LineLog for this program alone: what is
	// started again and again has one log. The caller closes it.
	Lines *LineLog
	// Says is the message of those lines.
	Says string
	// Clean makes such a line safe for the log and for errors. Empty: the line is
	// dropped.
	Clean func(line []byte) string
}

// A Process is a running program.
type Process struct {
	// Stdout is the program's output. The caller of Start must read it to its end and
	// close it. It is closed a second after the program's exit in any case.
	Stdout *os.File

	stdin  *os.File
	stderr *os.File
	cmd    *exec.Cmd
	lines  *LineLog
	// ownLines means that lines ends with this process.
	ownLines bool
	says     string
	clean    func([]byte) string

	ended chan struct{} // closed once the program itself has exited
	gone  chan struct{} // closed once all of its group has exited, and its log is read

	stopping sync.Once

	mu        sync.Mutex
	reaped    bool // its id may belong to another process
	stopped   bool // Stop ended it
	lastWords []byte
	exit      error // read after gone
}

// running are the programs of this process, for [KillAll].
var running sync.Map // of *Process

// KillAll kills all programs and their children at once. It is for a process that is
// about to exit without an orderly end: the kernel may kill the programs then, but not
// their children.
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
		lines: c.Lines, says: c.Says, clean: c.Clean,
		ended: make(chan struct{}), gone: make(chan struct{}),
	}
	if p.lines == nil {
		p.lines, p.ownLines = NewLineLog(c.Logger), true
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

// live starts the program, waits for its exit, and cleans up.
func (p *Process) live(theirs []*os.File, started chan<- error) {
	// Linux kills the program when the thread that started it ends: the thread must not
	// end earlier.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	closeAll(theirs) // the program has its own copies by now, or did not start
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

	// Its output is still to be read. Only a process that has left the group could keep
	// it open.
	time.AfterFunc(lingering, func() { closeAll(p.ours()) })
	reader.Wait()
	closeAll([]*os.File{p.stdin, p.stderr})
	close(p.gone)
}

// end waits for the program's exit, and kills its remaining children.
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

// log writes the program's standard error to the log, line by line. The rest of a very
// long line is dropped.
func (p *Process) log(stderr io.Reader) {
	if p.ownLines {
		defer p.lines.Close()
	}
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

// Ended is closed once the program itself has exited.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Gone is closed once the whole process group has exited, and its log is read.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Exit says how the program exited, with its last lines. It waits until the program is
// gone.
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

// Stopped reports whether Stop ended the program.
func (p *Process) Stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// Stop ends the program and its children. It closes the program's standard input at
// once, sends SIGTERM after patience, and SIGKILL after grace. It does not wait, and
// only the first call counts.
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

// Write writes to the program's standard input until ctx is done: then the error is
// [os.ErrDeadlineExceeded]. A partial write leaves the program with an incomplete
// request. One write at a time.
func (p *Process) Write(ctx context.Context, data []byte) (int, error) {
	gaveUp := make(chan struct{})
	settled := context.AfterFunc(ctx, func() {
		defer close(gaveUp)
		_ = p.stdin.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := p.stdin.Write(data)
	if !settled() {
		<-gaveUp // it must not affect the next write
		_ = p.stdin.SetWriteDeadline(time.Time{})
	}
	return n, err
}
