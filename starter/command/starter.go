package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/payloads"
	"github.com/parley-run/parley/workflows"
)

// A starter is one invocation: its streams, its flags, and what they lead to, made on
// first use.
type starter struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	dial           func(context.Context, connect.Options) (*connect.Client, error)

	flags globalFlags
	began bool // past the command line
	// examining: doctor runs, which reports faults of the configuration itself.
	examining bool

	client   *connect.Client
	settings *config.Config
	keys     *payloads.Ring // nil: not read, or none
	made     []*assemble.Assembly
}

func (s *starter) close() {
	for _, a := range s.made {
		_ = a.Close() // programs end with this process in any case
	}
	if s.client != nil {
		s.client.Close()
	}
}

// bounded is the context of a command that should end soon.
func (s *starter) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.flags.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.flags.timeout)
}

// lasting is the context of a command that lasts as long as its conversations, or
// --timeout.
func (s *starter) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.flags.timeoutGiven() {
		return s.bounded(ctx)
	}
	return context.WithCancel(ctx)
}

func (s *starter) source() config.Source {
	return config.Source{Path: s.flags.config, Lookup: connect.LookupIn(s.environ), TaskQueue: s.flags.taskQueue}
}

// configuration reads the configuration without building anything.
func (s *starter) configuration() (*config.Config, error) {
	if s.settings != nil {
		return s.settings, nil
	}
	c, err := assemble.Read(s.source())
	if err != nil {
		return nil, usage(err)
	}
	s.settings = c
	return c, nil
}

// assembly builds platforms and executors of the configuration.
func (s *starter) assembly() (*assemble.Assembly, error) {
	a, err := assemble.Load(s.source())
	if err != nil {
		return nil, usage(err)
	}
	s.settings = a.Config
	s.made = append(s.made, a)
	for _, exposed := range a.Config.Exposed() {
		if !s.examining { // doctor lists them
			s.say("starter: warning: %v", exposed)
		}
	}
	return a, nil
}

// speakers builds executors and tools only: they can be checked without a platform.
func (s *starter) speakers() (*assemble.Assembly, error) {
	c, loadErr := assemble.Read(s.source())
	if c == nil {
		return nil, usage(loadErr)
	}
	backends := assemble.Builtin()
	backends.Process.LookupEnv = s.source().Lookup
	a, err := assemble.Build(&config.Config{Path: c.Path, Dir: c.Dir, TaskQueue: c.TaskQueue, Executors: c.Executors, Tools: c.Tools}, backends)
	if err != nil {
		return nil, usage(err)
	}
	s.made = append(s.made, a)
	return a, nil
}

// taskQueue is the workers' task queue. Commands that only read from Temporal need no
// configuration, unless one is named.
func (s *starter) taskQueue() (string, error) {
	if s.flags.taskQueue != "" {
		return s.flags.taskQueue, nil
	}
	c, err := s.configuration()
	switch {
	case err == nil:
		return c.TaskQueue, nil
	case s.flags.config != "" && !s.examining:
		return "", err
	}
	return workflows.DefaultTaskQueue, nil
}

// ring has the keys of the configuration. Nil: payloads are not encrypted. Other faults of
// the configuration do not matter here, but a file that cannot be read might say so.
func (s *starter) ring(ctx context.Context) (*payloads.Ring, error) {
	if s.keys != nil {
		return s.keys, nil
	}
	c, err := s.settings, error(nil)
	if c == nil {
		c, err = assemble.Read(s.source())
	}
	if c == nil {
		if s.examining {
			return nil, nil
		}
		return nil, usage(err)
	}
	ring, err := assemble.OpenRing(ctx, c, s.source().Lookup, nil)
	if err != nil {
		return nil, usage(err)
	}
	s.keys = ring
	return ring, nil
}

// operator connects to Temporal.
func (s *starter) operator(ctx context.Context) (*operate.Operator, error) {
	queue, err := s.taskQueue()
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	ring, err := s.ring(ctx)
	if err != nil {
		return nil, err
	}
	ui, err := s.givenUI()
	if err != nil {
		return nil, err
	}
	options := connect.Options{
		Environ: s.environ, Address: s.flags.address, Namespace: s.flags.namespace,
		Warn: func(text string) { s.say("starter: warning: %s", text) },
	}
	if ring != nil {
		options.Change = ring.Secure
	}
	if s.flags.timeoutGiven() {
		options.Timeout = s.flags.timeout
	}
	c, err := s.dial(ctx, options)
	if errors.Is(err, connect.ErrConfig) {
		return nil, usage(err)
	}
	if err != nil {
		return nil, err
	}
	s.client = c
	return &operate.Operator{Reader: &records.Reader{
		Client: c, Address: c.Address, Namespace: c.Namespace, TaskQueue: queue, Converter: c.Converter,
		UI: uiOf(ctx, ui, c.Address),
	}}, nil
}

// say writes a remark to standard error.
func (s *starter) say(format string, args ...any) {
	_, _ = io.WriteString(s.stderr, clean(fmt.Sprintf(format, args...))+"\n")
}

// confirm asks before an action on many conversations.
func (s *starter) confirm(question string) error {
	_, _ = io.WriteString(s.stderr, printable.Line(question)+" [y/N] ")
	answer, err := bufio.NewReader(s.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if errors.Is(err, io.EOF) {
			s.say("")
			return usagef("there is no terminal to ask at: give --yes to proceed without a question")
		}
	}
	return errors.New("nothing was changed")
}
