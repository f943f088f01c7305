// Package lab is what the benchmarks run on: a local Temporal server, platforms with
// personas that take a fixed time, and workers, each a process of its own.
package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/build"
	"github.com/parley-run/parley/internal/localstack/child"
	"github.com/parley-run/parley/internal/program/group"
	"github.com/parley-run/parley/workflows"
)

// A Lab is a Temporal server and the programs that are measured on it.
type Lab struct {
	// Dir holds configurations, logs and programs.
	Dir string
	// Out receives the progress.
	Out    io.Writer
	Stack  *localstack.Stack
	Client client.Client

	worker string // the program
	self   string // this program, which is the bare worker too
	names  atomic.Int64
}

// New builds the worker and starts the server. out receives the progress.
func New(ctx context.Context, dir string, out io.Writer) (*Lab, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l := &Lab{Dir: dir, Out: out, worker: filepath.Join(dir, "worker"), self: self}
	text, err := exec.CommandContext(ctx, "go", "build", "-o", l.worker, "github.com/parley-run/parley/worker").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("lab: go build worker: %w\n%s", err, text)
	}
	// Every run has the same server with the same settings, whatever else is installed.
	l.Stack, err = localstack.Start(ctx, localstack.Options{
		Port: localstack.AnyPort, NoTemporalCLI: true, SearchAttributes: workflows.SearchAttributes(),
		OnProgress: build.Lines(out, 10*time.Second, time.Now),
	})
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l.Client, err = client.DialContext(ctx, client.Options{HostPort: l.Stack.Address, Namespace: l.Stack.Namespace, Logger: quiet{}})
	if err != nil {
		l.Stack.Close()
		return nil, fmt.Errorf("lab: %w", err)
	}
	return l, nil
}

// Close stops the server. Workers must have been stopped.
func (l *Lab) Close() {
	l.Client.Close()
	l.Stack.Close()
}

// Name is a name that nothing in this lab has yet.
func (l *Lab) Name(kind string) string { return kind + "-" + strconv.FormatInt(l.names.Add(1), 10) }

// A Process is a worker under measurement.
type Process struct {
	Name string
	PID  int
	// Log is the file with the process's output.
	Log string

	cmd     *exec.Cmd
	running *child.Process
	health  string
}

// run starts a program whose output goes to a file.
func (l *Lab) run(name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{Name: name, Log: filepath.Join(l.Dir, name+".log"), cmd: cmd}
	log, err := os.Create(p.Log)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, l.Dir
	if p.running, err = child.Start(cmd); err != nil {
		return nil, fmt.Errorf("lab: start %s: %w", name, err)
	}
	_ = log.Close() // the process has its own
	p.PID = cmd.Process.Pid
	return p, nil
}

// Stop ends the process in order, and kills it after a minute.
func (p *Process) Stop() { p.running.Stop(time.Minute) }

// Kill ends the process at once, without a signal that it could handle.
func (p *Process) Kill() {
	if !p.running.Ended() {
		group.Kill(p.cmd)
	}
	<-p.running.Done()
}

// Ended is an error with the end of the log, if the process has ended by itself.
func (p *Process) Ended() error {
	if p == nil || !p.running.Ended() {
		return nil
	}
	return fmt.Errorf("%s has ended (%v); %s", p.Name, p.running.Err(), p.logged())
}

// logged is the end of the log, and where the rest is.
func (p *Process) logged() string {
	const most = 2000
	log, err := os.ReadFile(p.Log)
	if err != nil {
		return "its log: " + err.Error()
	}
	return fmt.Sprintf("%s ends with:\n%s", p.Log, bytes.TrimSpace(log[max(0, len(log)-most):]))
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
