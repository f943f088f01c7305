package records

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/uilink"
	"github.com/parley-run/parley/workflows"
)

// A Conversation is one line of a list.
type Conversation struct {
	// ID is the workflow id, "<platform>/<project>/<conversation>".
	ID    string `json:"id"`
	RunID string `json:"run_id"`
	// Platform, Project, Simulation and Agent are as in conversation.Ref.
	Platform   string `json:"platform,omitempty"`
	Project    string `json:"project,omitempty"`
	Simulation string `json:"simulation,omitempty"`
	Agent      string `json:"agent,omitempty"`
	// Persona is a short description of the other side.
	Persona string `json:"persona,omitempty"`
	// Executors and Models are those that have replied.
	Executors []string `json:"executors,omitempty"`
	Models    []string `json:"models,omitempty"`
	// Tokens are input and output so far. Cost is money, in units of the currency of the
	// executor's prices. Zero without prices.
	Tokens int64   `json:"tokens,omitempty"`
	Cost   float64 `json:"cost,omitempty"`
	// UI is the address of the conversation in Temporal's web interface. Empty: the address
	// of the interface is not known.
	UI string `json:"ui,omitempty"`
	// Status is a workflows.State, StatusStranded, or for a workflow that did not complete
	// "failed", "timed_out", "terminated" or "cancelled".
	Status string `json:"status"`
	// Stranded says why no worker can run it. Nil: one can, as far as is known.
	Stranded *Stranded `json:"stranded,omitempty"`
	// Open is false once the workflow has closed.
	Open    bool                     `json:"open"`
	Turns   int                      `json:"turns"`
	Outcome conversation.OutcomeKind `json:"outcome,omitempty"`
	EndedBy conversation.EndedBy     `json:"ended_by,omitempty"`
	// Started is when the first run began.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Retrying are the steps of an open conversation that have failed and will be
	// retried.
	Retrying []workflows.Retrying `json:"retrying,omitempty"`
	// WaitsFor is set while its workers cannot read its payloads. Its status is then
	// StatusWaitsForKey.
	WaitsFor *KeyWait `json:"waits_for,omitempty"`
	// Seconds is the time from Started to Ended, or to now.
	Seconds float64 `json:"duration_seconds"`
}

// Duration is Seconds as a duration.
func (c Conversation) Duration() time.Duration {
	return time.Duration(c.Seconds * float64(time.Second))
}

// NeedsOperator reports whether an operator must act: the conversation needs attention,
// or it did not complete.
func (c Conversation) NeedsOperator() bool {
	switch c.Status {
	case string(workflows.StateNeedsAttention), StatusWaitsForKey, StatusStranded, "failed", "timed_out", "terminated", "cancelled":
		return true
	}
	return c.Outcome == conversation.OutcomeFailed || c.Outcome == conversation.OutcomeCancelled
}

// Result is the outcome in words, or the status if there is none.
func (c Conversation) Result() string {
	switch {
	case c.Outcome != "":
		return conversation.Outcome{Kind: c.Outcome, EndedBy: c.EndedBy}.String()
	case !c.Open && c.Status != string(workflows.StateClosed):
		return strings.ReplaceAll(c.Status, "_", " ")
	}
	return ""
}

func (c *Conversation) setTimes(started, ended time.Time) {
	c.Started, c.Ended = started, ended
	if ended.IsZero() {
		ended = time.Now()
	}
	if !started.IsZero() {
		c.Seconds = ended.Sub(started).Round(time.Millisecond).Seconds()
	}
}

// FromInfo reads what visibility and a description have in common.
func FromInfo(info *workflow.WorkflowExecutionInfo) Conversation {
	c := Conversation{
		ID:         info.GetExecution().GetWorkflowId(),
		RunID:      info.GetExecution().GetRunId(),
		Open:       info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		Platform:   Attribute[string](info, workflows.KeyPlatform.GetName()),
		Project:    Attribute[string](info, workflows.KeyProject.GetName()),
		Simulation: Attribute[string](info, workflows.KeySimulation.GetName()),
		Agent:      Attribute[string](info, workflows.KeyAgent.GetName()),
		Turns:      int(Attribute[int64](info, workflows.KeyTurns.GetName())),
		Outcome:    conversation.OutcomeKind(Attribute[string](info, workflows.KeyOutcome.GetName())),
		EndedBy:    conversation.EndedBy(Attribute[string](info, workflows.KeyEndedBy.GetName())),
		Persona:    Attribute[string](info, workflows.KeyPersona.GetName()),
		Executors:  Attribute[[]string](info, workflows.KeyExecutor.GetName()),
		Models:     Attribute[[]string](info, workflows.KeyModel.GetName()),
		Tokens:     Attribute[int64](info, workflows.KeyTokens.GetName()),
		Cost:       Attribute[float64](info, workflows.KeyCost.GetName()),
		Status:     status(info.GetStatus(), Attribute[string](info, workflows.KeyStatus.GetName())),
	}
	c.setTimes(TimeOf(info.GetStartTime()), TimeOf(info.GetCloseTime()))
	return c
}

// fromInfo is FromInfo with the address in the web interface.
func (r *Reader) fromInfo(info *workflow.WorkflowExecutionInfo) Conversation {
	c := FromInfo(info)
	c.UI = uilink.Conversation(r.UI, r.Namespace, c.ID, c.RunID)
	return c
}

// status prefers Temporal's own state: a terminated workflow could not record its
// status.
func status(execution enums.WorkflowExecutionStatus, attribute string) string {
	switch execution {
	case enums.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return attribute
	case enums.WORKFLOW_EXECUTION_STATUS_FAILED:
		return "failed"
	case enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed_out"
	case enums.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "terminated"
	case enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	}
	return string(workflows.StateClosed)
}

// TimeOf is zero for an absent time, where AsTime returns 1970.
func TimeOf(t interface{ AsTime() time.Time }) time.Time {
	at := t.AsTime()
	if at.Unix() <= 0 {
		return time.Time{}
	}
	return at
}

// Attribute reads a search attribute, which no codec encodes. One that cannot be decoded
// counts as absent.
func Attribute[T any](info *workflow.WorkflowExecutionInfo, name string) T {
	var value T
	if payload, ok := info.GetSearchAttributes().GetIndexedFields()[name]; ok {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &value)
	}
	return value
}

// DescribeRun asks the server about the newest run of a workflow. Unlike visibility the
// answer is never behind.
func (r *Reader) DescribeRun(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	d, err := r.Client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			return nil, Faultf(NotFound, err, "no workflow %q in namespace %q at %s", id, r.Namespace, r.Address)
		}
		return nil, r.Explain(fmt.Sprintf("describe %q", id), err)
	}
	return d, nil
}

// fromDescription adds what only a description has: the summary, whether a worker can run
// it, and the start of the chain's first run.
func (r *Reader) fromDescription(ctx context.Context, d *workflowservice.DescribeWorkflowExecutionResponse) Conversation {
	info := d.GetWorkflowExecutionInfo()
	c := r.fromInfo(info)
	if persona := r.summary(c.ID, d.GetExecutionConfig().GetUserMetadata().GetSummary()); persona != "" {
		c.Persona = persona // search attributes have it shorter, or not at all
	}
	c.Retrying = retrying(r.ConverterOf(c.ID), d.GetPendingActivities())
	if c.Stranded = r.StrandedOf(ctx, info); c.Stranded != nil {
		c.Status = StatusStranded
	} else {
		r.waitsForKey(ctx, &c, d)
	}
	if first := info.GetFirstRunId(); first != "" && first != c.RunID {
		// A first run that retention has removed leaves the start of this one.
		if f, err := r.Client.DescribeWorkflowExecution(ctx, c.ID, first); err == nil {
			c.setTimes(TimeOf(f.GetWorkflowExecutionInfo().GetStartTime()), c.Ended)
		}
	}
	return c
}

func (r *Reader) summary(id string, payload *common.Payload) string {
	var text string
	if payload != nil {
		_ = r.ConverterOf(id).FromPayload(payload, &text)
	}
	return printable.OfMarkdown(text)
}
