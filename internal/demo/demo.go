package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/localstack"
	"github.com/parley-run/parley/internal/localstack/build"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/workflows"
)

// DefaultConversations is how many there are unless told otherwise.
const DefaultConversations = 8

// Options says what to demonstrate.
type Options struct {
	// Conversations is how many there will be. Zero: DefaultConversations.
	Conversations int
	// Exit ends the demo when all conversations have ended. Otherwise everything
	// stays up, to be looked at, until the context is done.
	Exit bool
	// JSON writes the results as one object.
	JSON bool
	// Executor is who speaks for the agent. Empty: "auto".
	Executor string

	// Stack says which Temporal server to use. Namespace, search attributes, UI
	// and progress are set by Run.
	Stack localstack.Options
	// SimulatorPort is where the simulator listens, or on the next free port.
	// Zero: 3001. localstack.AnyPort: any.
	SimulatorPort int

	// Environ is the environment, as from os.Environ.
	Environ []string
	// RunWorker runs a worker until ctx is done, and lets it finish what it does.
	RunWorker func(ctx context.Context, w Worker) error

	// Starter is the command that people type for the CLI. Empty: "go run ./starter".
	Starter string
	// Stdout gets the results, Stderr everything else.
	Stdout, Stderr io.Writer
}

// A Worker is what the demo's worker needs to know.
type Worker struct {
	// Environ is the environment it is to read its configuration from, instead of a
	// file: the simulator as its platform, and the demo's Temporal server.
	Environ []string
	// Address and Namespace are those of the Temporal server.
	Address   string
	Namespace string
	TaskQueue string
	Executor  string
	// Log is where its log goes, so that progress and log do not mix on a terminal.
	Log io.Writer
}

// ErrInterrupted means that the context ended before the conversations did.
var ErrInterrupted = errors.New("demo: interrupted before all conversations had ended")

// ExitCode is what the process should end with.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrInterrupted):
		return 130 // as shells say for Ctrl-C
	}
	return 1
}

func (o Options) withDefaults() Options {
	o.Conversations = cmp.Or(o.Conversations, DefaultConversations)
	o.Executor = cmp.Or(o.Executor, "auto")
	o.Starter = cmp.Or(o.Starter, "go run ./starter")
	o.SimulatorPort = cmp.Or(o.SimulatorPort, defaultSimulatorPort)
	return o
}

// Run runs the demo. Its error says what went wrong with the stack or which
// conversations did not end; ExitCode turns it into the process's.
func Run(ctx context.Context, opts Options) (err error) {
	opts = opts.withDefaults()
	if opts.Conversations < 1 {
		return fmt.Errorf("demo: %d conversations: there must be at least one", opts.Conversations)
	}
	d := &demo{opts: opts, began: time.Now(), con: newConsole(opts.Stderr)}
	defer func() {
		d.con.Status("")
		if stopErr := d.stop(); err == nil {
			err = stopErr
		}
	}()
	err = d.run(ctx)
	if ctx.Err() != nil && !errors.Is(err, errUnended) {
		err = nil
		if !d.finished {
			err = ErrInterrupted
		}
	}
	return err
}

// A demo is one run.
type demo struct {
	opts  Options
	con   *console
	began time.Time

	practice *practice
	stack    *localstack.Stack
	worker   *runner
	client   *connect.Client
	operator *operate.Operator
	finished bool // every conversation has come to an end, good or bad
}

func (d *demo) run(ctx context.Context) error {
	d.con.Print("Parley demo: %s between practice personas and an agent, all on this machine.",
		plural(d.opts.Conversations, "conversation"))
	d.con.Print("")
	if err := d.start(ctx); err != nil {
		return err
	}
	result, err := d.watch(ctx)
	if err != nil {
		return err
	}
	d.finished = true
	result.UIURL, result.SimulatorURL, result.TemporalAddress = d.uiPage(), d.practice.URL, d.stack.Address
	if err := d.present(ctx, result); err != nil {
		return err
	}
	for _, c := range result.Conversations {
		if !c.ended() && c.Outcome != string(workflows.StateNeedsAttention) { // those have been told
			d.con.Print("  ! %s", c.complaint())
		}
	}
	if !d.opts.Exit {
		if err := d.linger(ctx); err != nil {
			return err
		}
	}
	return result.unended()
}

// start brings everything up.
func (d *demo) start(ctx context.Context) (err error) {
	d.con.Status("starting the practice personas")
	if d.practice, err = startPractice(ctx, d.opts.SimulatorPort, d.opts.Conversations); err != nil {
		return err
	}
	d.con.Done("Simulator", "%s · %s", d.practice.URL, plural(d.practice.personas(), "persona"))

	if err := d.startStack(ctx); err != nil {
		return err
	}
	w := d.workerConfig()
	if err := d.connect(ctx, w); err != nil {
		return err
	}
	d.con.Status("starting the worker")
	d.worker = startRunner(ctx, func(ctx context.Context) error { return d.opts.RunWorker(ctx, w) })
	d.con.Done("Worker", "task queue %s · %s", w.TaskQueue, d.speaker())
	return nil
}

func (d *demo) startStack(ctx context.Context) (err error) {
	so := d.opts.Stack
	so.SearchAttributes = workflows.SearchAttributes()
	so.UI = true
	so.Dial = func(o client.Options) (client.Client, error) {
		return connect.Dial(ctx, connection(d.opts.Environ, o.HostPort, o.Namespace))
	}
	so.OnProgress = func(p build.Progress) {
		switch p.Step {
		case build.StepReady, build.StepBuilt: // said below
		case build.StepFind:
			d.con.Print("  %s", p)
		case build.StepStart:
			d.con.Status(p.String())
		default:
			d.con.Status(fmt.Sprintf("the first time, the Temporal server is built, which takes minutes · %s%s", p, after(p.Elapsed)))
		}
	}
	if d.stack, err = localstack.Start(ctx, so); err != nil {
		return err
	}
	built := ""
	if d.stack.Built > 0 {
		built = " · built in " + d.stack.Built.Round(time.Second).String() + ", kept for the next time"
	}
	d.con.Done("Temporal", "%s · %s%s", d.stack.Address, d.stack.Server, built)
	if page := d.uiPage(); page != "" {
		d.con.Done("UI", "%s", page)
	}
	return nil
}

// connect connects the demo itself to the Temporal server.
func (d *demo) connect(ctx context.Context, w Worker) (err error) {
	d.client, err = connect.Dial(ctx, connection(w.Environ, w.Address, w.Namespace))
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if d.given() {
		d.con.Status("looking for the search attributes of the namespace")
		if _, err := connect.EnsureSearchAttributes(ctx, d.client, w.Namespace); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	d.operator = &operate.Operator{Client: d.client, Address: w.Address, Namespace: w.Namespace, TaskQueue: w.TaskQueue}
	return nil
}

// given means that the Temporal server was there before us.
func (d *demo) given() bool { return d.opts.Stack.Address != "" }

// linger keeps everything up until somebody has seen enough.
func (d *demo) linger(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-d.stack.Done():
		return d.stack.Err()
	case <-d.worker.done:
		return d.worker.died()
	}
}

// stop takes everything down, the last first.
func (d *demo) stop() error {
	var errs []error
	d.con.Mute()
	if d.worker != nil {
		d.con.Status("stopping the worker")
		errs = append(errs, d.worker.stop())
	}
	if d.client != nil {
		d.client.Close()
	}
	if d.stack != nil {
		d.con.Status("stopping the Temporal server")
		d.stack.Close()
	}
	if d.practice != nil {
		errs = append(errs, d.practice.stop())
	}
	d.con.Status("")
	return errors.Join(errs...)
}

func (d *demo) uiPage() string {
	if d.stack.UIURL == "" {
		return ""
	}
	return d.stack.UIURL + "/namespaces/" + d.stack.Namespace + "/workflows"
}
