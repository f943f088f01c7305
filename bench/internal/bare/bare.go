// Package bare is the least that a conversation on Temporal can be: a workflow that runs
// the same activities as ours, one after another, with a client of the platform that
// retries nothing, marks nothing and checks nothing. It is the limit that ours is
// measured against, and no way to run an agent.
package bare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/pause"
	"github.com/parley-run/parley/internal/process"
	"github.com/parley-run/parley/platforms"
	"github.com/parley-run/parley/platforms/onerun"
)

// Name is the workflow's.
const Name = "Bare"

// Options are the activities'. They send no heartbeats, so there is no timeout for these.
var options = workflow.ActivityOptions{StartToCloseTimeout: 5 * time.Minute}

// Converse is the workflow.
func Converse(ctx workflow.Context, ref conversation.Ref) error {
	ctx = workflow.WithActivityOptions(ctx, options)
	var about string
	if err := workflow.ExecuteActivity(ctx, "Claim", ref).Get(ctx, &about); err != nil {
		return err
	}
	var said answer
	if err := workflow.ExecuteActivity(ctx, "Exchange", ref, "").Get(ctx, &said); err != nil {
		return err
	}
	for !said.Ended {
		var reply string
		if err := workflow.ExecuteActivity(ctx, "Reply", ref, said.Text).Get(ctx, &reply); err != nil {
			return err
		}
		if err := workflow.ExecuteActivity(ctx, "Exchange", ref, reply).Get(ctx, &said); err != nil {
			return err
		}
	}
	return nil
}

type answer struct {
	Text  string
	Ended bool
}

type activities struct {
	platform *onerun.Platform
	model    time.Duration
	reply    string
}

// Claim claims the conversation and reads what the platform says about it.
func (a *activities) Claim(ctx context.Context, ref conversation.Ref) (string, error) {
	if err := a.platform.Claim(ctx, ref); err != nil {
		return "", err
	}
	about, err := a.platform.Context(ctx, ref)
	return about.Scenario, err
}

// Exchange sends a message, or none, and returns the persona's.
func (a *activities) Exchange(ctx context.Context, ref conversation.Ref, text string) (answer, error) {
	var send platforms.Send
	if text != "" {
		send.Messages = []conversation.Message{conversation.Text(conversation.RoleAssistant, text)}
	}
	reply, err := a.platform.Send(ctx, ref, send)
	if err != nil {
		return answer{}, err
	}
	out := answer{Ended: reply.Ended}
	for _, m := range reply.Messages {
		out.Text += m.PlainText()
	}
	return out, nil
}

// Reply is the model.
func (a *activities) Reply(ctx context.Context, _ conversation.Ref, _ string) (string, error) {
	return a.reply, pause.For(ctx, a.model)
}

// Main is the worker's process: it works until it gets a signal.
func Main(args []string) error {
	f := pflag.NewFlagSet("bare worker", pflag.ContinueOnError)
	address := f.String("temporal-address", "", "")
	queue := f.String("task-queue", "", "")
	url := f.String("platform", "", "")
	model := f.Duration("model", 0, "")
	reply := f.String("reply", "", "")
	most := f.Int("max-activities", 0, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	c, err := client.Dial(client.Options{HostPort: *address})
	if err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	defer c.Close()
	platform, err := onerun.New(onerun.Config{BaseURL: *url, APIKey: os.Getenv("ONERUN_API_KEY")})
	if err != nil {
		return fmt.Errorf("bare: %w", err)
	}
	// As many activities and pollers as ours has.
	pollers := worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: 5, MaximumNumberOfPollers: process.DefaultMaxPollers,
	})
	w := worker.New(c, *queue, worker.Options{
		MaxConcurrentActivityExecutionSize: cmp.Or(*most, process.DefaultMaxActivities),
		WorkflowTaskPollerBehavior:         pollers,
		ActivityTaskPollerBehavior:         pollers,
	})
	w.RegisterWorkflowWithOptions(Converse, workflow.RegisterOptions{Name: Name})
	w.RegisterActivity(&activities{platform: platform, model: *model, reply: *reply})
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	stop := make(chan any, 1)
	go func() { stop <- <-interrupted }()
	if err := w.Run(stop); err != nil {
		return errors.Join(errors.New("bare: the worker has stopped"), err)
	}
	return nil
}
