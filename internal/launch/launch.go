// Package launch starts workflows: conversations, one per platform conversation,
// and inboxes, one per agent. It is the only place that chooses workflow ids,
// id policies and what the Temporal UI shows before a workflow has run.
package launch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/tracing"
	"github.com/parley-run/parley/workflows"
)

// A Launcher starts workflows on one task queue.
type Launcher struct {
	Client    client.Client
	TaskQueue string // empty: workflows.DefaultTaskQueue
	// ShowPersona puts the persona's description into the search attributes of conversations,
	// which Temporal never encrypts. Set it only if payloads are not encrypted either:
	// [Plain] tells.
	ShowPersona bool
}

// Plain reports whether a client with that data converter leaves payloads readable to
// Temporal. Nil is the SDK's own converter, which does. A codec of any kind does not.
func Plain(c converter.DataConverter) bool {
	if c == nil {
		return true
	}
	const probe = "parley"
	payload, err := c.ToPayload(probe)
	return err == nil && string(payload.GetMetadata()[converter.MetadataEncoding]) == converter.MetadataEncodingJSON &&
		string(payload.GetData()) == `"`+probe+`"`
}

// A Conversation is what is needed to start one.
type Conversation struct {
	Input workflows.ConversationInput
	// Persona is a few words about the other side, shown in lists.
	Persona string
	// Again allows a conversation whose workflow has completed to be run once
	// more. Without it only one that failed, was cancelled or terminated may. One
	// that is running is never started twice.
	Again bool
	// Once keeps one that failed from being run again too.
	Once bool
}

// Conversation starts the workflow of a conversation. Started is false if it runs
// already, or has run and Again is not set: that is no error. An error of kind Invalid
// is about this conversation: it can never be started as it is.
func (l Launcher) Conversation(ctx context.Context, c Conversation) (started bool, err error) {
	ref := c.Input.Ref
	if err := ref.Validate(); err != nil {
		return false, &conversation.Error{Kind: conversation.Invalid, Op: "start conversation", Err: err}
	}
	if err := c.Input.Start.CheckSize(); err != nil {
		return false, err
	}
	c.Input = c.Input.WithDefaults()
	c.Input.ShowPersona = l.ShowPersona
	if err := c.Input.Validate(); err != nil {
		return false, &conversation.Error{Kind: conversation.Invalid, Op: "start conversation", Err: err}
	}
	reuse := enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if c.Once {
		reuse = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	}
	if c.Again {
		reuse = enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	run, err := l.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       workflows.ConversationID(ref),
		TaskQueue:                l.taskQueue(),
		WorkflowIDReusePolicy:    reuse,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		// Otherwise the SDK answers with the existing run as if it had been started.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		// No retry policy and no execution timeout: a second run would pay for the
		// same replies again, and waiting for an operator is not a failure.
		StaticSummary:         printable.MarkdownClip(summary(ref, c.Persona), maxSummary),
		StaticDetails:         details(ref, c),
		TypedSearchAttributes: attributes(ref, c.Input.FirstState(), l.shown(c.Persona)),
	}, workflows.ConversationName, c.Input)
	var (
		already *serviceerror.WorkflowExecutionAlreadyStarted
		refused *serviceerror.InvalidArgument
	)
	switch {
	case errors.As(err, &already):
		return false, nil
	case errors.As(err, &refused):
		return false, &conversation.Error{
			Kind: conversation.Invalid, Op: fmt.Sprintf("start conversation %q", printable.Clip(ref.String(), 100)), Err: err,
			Remedy: "if it is about search attributes, run `starter setup`",
		}
	case err != nil:
		return false, fmt.Errorf("start conversation %q: %w", ref, err)
	}
	tracing.Started(ctx, run.GetRunID())
	return true, nil
}

// Inbox starts the inbox of an agent, or hands its settings to the one that is
// running.
func (l Launcher) Inbox(ctx context.Context, in workflows.InboxInput) error {
	in.Settings.Edition = workflows.Edition
	id := workflows.InboxID(in.Platform, in.Project, in.Agent)
	name := in.Settings.AgentName
	if name == "" {
		name = in.Agent
	}
	_, err := l.Client.SignalWithStartWorkflow(ctx, id, workflows.SignalConfigure, in.Settings, client.StartWorkflowOptions{
		ID:                    id,
		TaskQueue:             l.taskQueue(),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         printable.MarkdownClip(fmt.Sprintf("inbox of %s on %s", name, in.Platform), maxSummary),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			workflows.KeyPlatform.ValueSet(in.Platform),
			workflows.KeyProject.ValueSet(in.Project),
			workflows.KeyAgent.ValueSet(in.Agent),
			workflows.KeyStatus.ValueSet(string(workflows.InboxPolling)),
		),
	}, workflows.InboxName, in)
	if err != nil {
		return fmt.Errorf("start inbox %q: %w", id, err)
	}
	return nil
}

// Temporal refuses summaries of more than 400 bytes and details of more than 20,000.
const (
	maxSummary = 200
	maxDetail  = 2000
)

// shown is the persona as far as lists may show it.
func (l Launcher) shown(persona string) string {
	if !l.ShowPersona {
		return ""
	}
	return persona
}

func (l Launcher) taskQueue() string {
	if l.TaskQueue == "" {
		return workflows.DefaultTaskQueue
	}
	return l.TaskQueue
}

func summary(ref conversation.Ref, persona string) string {
	if persona == "" {
		return "conversation " + ref.ID
	}
	return persona
}

func details(ref conversation.Ref, c Conversation) string {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "- %s: %s\n", name, printable.MarkdownClip(value, maxDetail))
		}
	}
	row("platform", ref.Platform)
	row("project", ref.Project)
	row("simulation", ref.Simulation)
	row("agent", ref.Agent)
	row("conversation", ref.ID)
	row("executor", c.Input.Policy.Executor)
	if c.Input.Adopt {
		b.WriteString("- adopted: another worker had claimed it and left it\n")
	}
	return b.String()
}
