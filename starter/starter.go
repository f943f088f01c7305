package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/internal/assemble"
	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

// A starter is one invocation: its streams, its flags, and what the flags lead
// to, made when it is first needed.
type starter struct {
	environ        []string
	stdin          io.Reader
	stdout, stderr io.Writer
	dial           func(context.Context, connect.Options) (*connect.Client, error)

	flags globalFlags
	began bool // past the command line
	// examining: the configuration may be at fault, others have said so.
	examining bool

	client   *connect.Client
	settings *config.Config
	made     []*assemble.Assembly
}

func (s *starter) close() {
	for _, a := range s.made {
		_ = a.Close() // programs end with us in any case
	}
	if s.client != nil {
		s.client.Close()
	}
}

// bounded is the context of a command that should be over soon.
func (s *starter) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.flags.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.flags.timeout)
}

// lasting is the context of a command that takes as long as conversations do,
// unless told otherwise.
func (s *starter) lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.flags.timeoutGiven() {
		return s.bounded(ctx)
	}
	return context.WithCancel(ctx)
}

func (s *starter) source() config.Source {
	return config.Source{Path: s.flags.config, Lookup: connect.LookupIn(s.environ), TaskQueue: s.flags.taskQueue}
}

// configuration reads the configuration without making anything of it.
func (s *starter) configuration() (*config.Config, error) {
	if s.settings != nil {
		return s.settings, nil
	}
	c, err := config.Load(s.source())
	if err != nil {
		return nil, usage(err)
	}
	s.settings = c
	return c, nil
}

// assembly makes platforms and executors of the configuration.
func (s *starter) assembly() (*assemble.Assembly, error) {
	a, err := assemble.Load(s.source())
	if err != nil {
		return nil, usage(err)
	}
	s.settings = a.Config
	s.made = append(s.made, a)
	return a, nil
}

// speakers makes executors and tools alone: they can be looked at before there is
// a platform.
func (s *starter) speakers() (*assemble.Assembly, error) {
	c, loadErr := config.Load(s.source())
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

// taskQueue is where the workers should be. Commands that only look at Temporal
// do without a configuration, unless one is named.
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

// operator connects to Temporal.
func (s *starter) operator(ctx context.Context) (*operate.Operator, error) {
	queue, err := s.taskQueue()
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	var convert converter.DataConverter
	options := connect.Options{
		Environ: s.environ, Address: s.flags.address, Namespace: s.flags.namespace,
		// Histories are read with what the client reads payloads with.
		Change: func(o *client.Options) { convert = o.DataConverter },
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
	return &operate.Operator{
		Client: c, Address: c.Address, Namespace: c.Namespace, TaskQueue: queue, Converter: convert,
	}, nil
}

// say writes a remark to people, where it cannot be mistaken for output.
func (s *starter) say(format string, args ...any) {
	_, _ = io.WriteString(s.stderr, clean(fmt.Sprintf(format, args...))+"\n")
}

// confirm asks before something is done to many.
func (s *starter) confirm(question string) error {
	_, _ = io.WriteString(s.stderr, clean(question)+" [y/N] ")
	answer, err := bufio.NewReader(s.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	case "":
		if errors.Is(err, io.EOF) {
			s.say("")
			return usagef("nobody is there to answer: give --yes to go without asking")
		}
	}
	return errors.New("nothing was done")
}
