package command

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/demo"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/process"
)

// devDrain is how long the demo's worker may drain: the Temporal server that would keep
// the rest stops with it.
const devDrain = 5 * time.Second

// devOptions are the flags of --dev, and those of the others that it uses.
type devOptions struct {
	Conversations int
	Exit          bool
	Output        string // text or json

	// Address and Namespace name a Temporal server that runs already. Without an
	// address, here or in TEMPORAL_ADDRESS, one is started.
	Address   string
	Namespace string
	// Executor answers for the agent. Empty: "auto".
	Executor string
	// Level is that of the worker's log. Nil: warnings and errors.
	Level slog.Leveler
	// Environ is the environment, as from os.Environ.
	Environ []string
}

// register adds the flags that only --dev has.
func (o *devOptions) register(f *pflag.FlagSet) {
	f.IntVar(&o.Conversations, "dev-conversations", demo.DefaultConversations, "")
	f.BoolVar(&o.Exit, "exit", false, "")
	f.StringVar(&o.Output, "output", "text", "")
}

// validate reports every fault at once.
func (o devOptions) validate() error {
	var faults []string
	if o.Conversations < 1 {
		faults = append(faults, fmt.Sprintf("--dev-conversations is %d: write 1 or more", o.Conversations))
	}
	if o.Output != "text" && o.Output != "json" {
		faults = append(faults, fmt.Sprintf("--output is %q: write text or json", o.Output))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(faults, "\n"))
}

// runDev runs the demo: a Temporal server, practice personas and this worker. The
// process is to end with devExitCode of its error.
func runDev(ctx context.Context, o devOptions, stdout, stderr io.Writer) error {
	if err := o.validate(); err != nil {
		return err
	}
	address, namespace := o.Address, o.Namespace
	if address == "" {
		address = o.lookup("TEMPORAL_ADDRESS")
	}
	if namespace == "" && address != "" {
		namespace = o.lookup("TEMPORAL_NAMESPACE")
	}
	return demo.Run(ctx, demo.Options{
		Conversations: o.Conversations,
		Exit:          o.Exit,
		JSON:          o.Output == "json",
		Executor:      o.Executor,
		Environ:       o.Environ,
		Stack:         localstack.Options{Address: address, Namespace: namespace},
		RunWorker:     o.work,
		Stdout:        stdout,
		Stderr:        stderr,
	})
}

// devExitCode is what the process should end with after runDev.
func devExitCode(err error) int { return demo.ExitCode(err) }

// work is the worker process without a file, a health page and long patience.
func (o devOptions) work(ctx context.Context, w demo.Worker) error {
	level := o.Level
	if level == nil {
		level = slog.LevelWarn
	}
	settings, stop, err := traced(ctx, process.Settings{
		Source: config.Source{
			Lookup: w.Lookup,
			// A parley.yaml in this folder is about other platforms.
			ReadFile:  func(path string) ([]byte, error) { return nil, fmt.Errorf("%s: %w", path, fs.ErrNotExist) },
			Executor:  w.Executor,
			TaskQueue: w.TaskQueue,
		},
		Temporal: connect.Options{Lookup: w.Lookup, Environ: w.Environ, Address: w.Address, Namespace: w.Namespace},
		Drain:    devDrain,
		Logger:   slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: level})),
	}, w.Lookup, w.Log)
	if err != nil {
		return err
	}
	defer stop()
	return process.Serve(ctx, settings)
}

// lookup is the value of a variable, or empty.
func (o devOptions) lookup(name string) (value string) {
	for _, variable := range o.Environ {
		if v, ok := strings.CutPrefix(variable, name+"="); ok {
			value = v
		}
	}
	return value
}
