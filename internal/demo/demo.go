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
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/uilink"
	"github.com/parley-run/parley/workflows"
)

// DefaultConversations is the number of conversations by default.
const DefaultConversations = 8

// Options configures the demo.
type Options struct {
	// Conversations is their number. Zero: DefaultConversations.
	Conversations int
	// Exit ends the demo when all conversations have ended. Otherwise everything keeps
	// running until the context is done.
	Exit bool
	// JSON writes the results as one object.
	JSON bool
	// Executor is the agent's executor. Empty: "auto".
	Executor string

	// Stack configures the Temporal server. Run sets namespace, search attributes, UI and
	// progress.
	Stack localstack.Options
	// SimulatorPort is the simulator's port; if it is in use, the next free one is taken.
	// Zero: 3001. localstack.AnyPort: any.
	SimulatorPort int

	// Environ is the environment, as from os.Environ.
	Environ []string
	// RunWorker runs a worker until ctx is done, and drains it.
	RunWorker func(ctx context.Context, w Worker) error

	// Starter is the CLI's command as an operator types it. Empty: "go run ./starter".
	Starter string
	// Stdout receives the results, Stderr everything else.
	Stdout, Stderr io.Writer
}

// A Worker holds the settings of the demo's worker.
type Worker struct {
	// Environ is the worker's environment. It configures the worker in place of a file:
	// the simulator as its platform, and the demo's Temporal server.
	Environ []string
	// Address and Namespace are those of the Temporal server.
	Address   string
	Namespace string
	TaskQueue string
	Executor  string
	// Log receives the worker's log, so that progress and log do not mix on a terminal.
	Log io.Writer
}

// ErrInterrupted means that the context ended before the conversations did.
var ErrInterrupted = errors.New("demo: interrupted before all conversations had ended")

// ExitCode is the exit code of the process for an error of Run.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, ErrInterrupted):
		return 130 // the convention of shells for Ctrl-C
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

// Run runs the demo. Its error says what failed in the stack, or which conversations did
// not end; ExitCode turns it into the process's exit code.
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
	page     *page
	finished bool // every conversation has ended, well or not
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
	result.PageURL = d.page.URL
	result.UIURL, result.SimulatorURL, result.SimulatorKey, result.TemporalAddress = d.uiPage(), d.practice.URL, d.practice.key, d.stack.Address
	if err := d.present(ctx, result); err != nil {
		return err
	}
	for _, c := range result.Conversations {
		if !c.ended() && c.Outcome != string(workflows.StateNeedsAttention) { // the others were reported
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

// start starts all parts.
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
	if d.page, err = startPage(ctx, d.operator); err != nil {
		return err
	}
	d.con.Done("Page", "%s", d.page.URL)
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
		case build.StepReady, build.StepBuilt: // reported below
		case build.StepFind:
			d.con.Print("  %s", p)
		case build.StepStart:
			d.con.Status(p.String())
		default:
			d.con.Status(fmt.Sprintf("the first run builds the Temporal server, which takes minutes · %s%s", p, after(p.Elapsed)))
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
		d.con.Status("check the search attributes of the namespace")
		if _, err := connect.EnsureSearchAttributes(ctx, d.client, w.Namespace); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	d.operator = &operate.Operator{Reader: &records.Reader{Client: d.client, Address: w.Address, Namespace: w.Namespace, TaskQueue: w.TaskQueue, UI: d.stack.UIURL}}
	return nil
}

// given means that the demo uses a Temporal server which it did not start.
func (d *demo) given() bool { return d.opts.Stack.Address != "" }

// linger keeps everything running until the context is done.
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

// stop stops all parts, the last first.
func (d *demo) stop() error {
	var errs []error
	d.con.Mute()
	if d.worker != nil {
		d.con.Status("stopping the worker")
		errs = append(errs, d.worker.stop())
	}
	if d.page != nil {
		errs = append(errs, d.page.stop())
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
	return uilink.List(d.stack.UIURL, d.stack.Namespace, "WorkflowType = '"+workflows.ConversationName+"'")
}
