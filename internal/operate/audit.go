package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// An AuditQuery chooses acts. Its zero value chooses all.
type AuditQuery struct {
	// records.Filter chooses what was acted on. Its statuses and outcomes are of no effect.
	records.Filter
	// Subject is the workflow id of one conversation or inbox. Schedule is the name of one
	// schedule.
	Subject, Schedule string
	// Since is the earliest time, and Until is after the latest. Zero: no bound.
	Since, Until time.Time
	// By and Actions choose acts with one of these operators, and with one of these
	// actions. Empty: all.
	By      []string
	Actions []Action
	// Limit is how many acts are wanted, the newest. Zero: all.
	Limit int
	// Executions bounds how many histories are read. Zero: all.
	Executions int
}

// An Audit is a part of the acts that match a query, the newest first.
type Audit struct {
	Acts []Act `json:"acts"`
	// Read is how many histories were read, of Executions that may have such acts.
	Read       int   `json:"read"`
	Executions int64 `json:"executions"`
	// Next is the Until of the query for the acts before these. Zero: there are no more.
	Next time.Time `json:"next,omitzero"`
	// Incomplete means that the bound on histories was reached: older acts, and acts in what
	// was not read, may be missing.
	Incomplete bool `json:"incomplete,omitempty"`
}

// auditBatch is how many histories are read before the acts are counted.
const auditBatch = 16 * records.Parallel

// Audit lists acts. No index knows which executions have any: it reads histories, those of
// open executions first and then the newest closed ones, until no other can have an act
// that is newer than those that were found.
func (o *Operator) Audit(ctx context.Context, q AuditQuery) (Audit, error) {
	query := q.visibility()
	total, err := o.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	if err != nil {
		return Audit{}, o.Explain("count", err)
	}
	out := Audit{Acts: []Act{}, Executions: total.GetCount()}
	var batch []runRef
	read := func() error {
		acts, err := o.actsOf(ctx, batch)
		if err != nil {
			return err
		}
		out.Read += len(batch)
		batch = batch[:0]
		out.Acts = sortedActs(append(out.Acts, slices.DeleteFunc(acts, func(a Act) bool { return !q.matches(a) })...))
		return nil
	}
	var failed error
	err = o.EachExecution(ctx, query, 0, func(kind string, c records.Conversation) bool {
		if q.Executions > 0 && out.Read+len(batch) >= q.Executions {
			out.Incomplete = true
			return false
		}
		if batch = append(batch, runRef{kind, c.ID, c.RunID}); len(batch) < auditBatch {
			return true
		}
		if failed = read(); failed != nil {
			return false
		}
		// What comes later has closed before: it has no act that is newer.
		return q.Limit <= 0 || c.Open || len(out.Acts) < q.Limit || c.Ended.After(out.Acts[q.Limit-1].At)
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		err = read()
	}
	if err != nil {
		return Audit{}, err
	}
	out.Executions = max(out.Executions, int64(out.Read))
	out.cut(q.Limit)
	return out, nil
}

// cut keeps the newest acts. Those of one moment stay together, so that the next page
// begins before it.
func (a *Audit) cut(limit int) {
	if limit <= 0 || len(a.Acts) <= limit {
		return
	}
	for limit < len(a.Acts) && a.Acts[limit].At.Equal(a.Acts[limit-1].At) {
		limit++
	}
	if limit < len(a.Acts) {
		a.Acts, a.Next = a.Acts[:limit], a.Acts[limit-1].At
	}
}

func (q AuditQuery) matches(a Act) bool {
	switch {
	case a.At.Before(q.Since), !q.Until.IsZero() && !a.At.Before(q.Until):
		return false
	case q.Subject != "" && a.Subject() != q.Subject, q.Schedule != "" && a.Schedule != q.Schedule:
		return false
	case len(q.By) > 0 && !slices.ContainsFunc(q.By, func(by string) bool { return sameOperator(a.By, by) }):
		return false
	}
	return len(q.Actions) == 0 || slices.Contains(q.Actions, a.Action)
}

// sameOperator also compares without the host: anna is anna@laptop.
func sameOperator(has, wanted string) bool {
	name, _, _ := strings.Cut(has, "@")
	return has == wanted || name == wanted
}

// visibility is the query for the executions that were open in the time. Runs that
// continued as new have acts of their own.
func (q AuditQuery) visibility() string {
	var terms []string
	add := func(format string, args ...any) { terms = append(terms, fmt.Sprintf(format, args...)) }
	switch {
	case q.Subject != "":
		add("(WorkflowId = %s OR WorkflowId STARTS_WITH %s)", records.Quote(q.Subject), records.Quote(workflows.ActPrefix(q.Subject)))
	case q.Schedule != "":
		add("WorkflowId STARTS_WITH %s", records.Quote(workflows.ActPrefix(workflows.ActRecord{Schedule: q.Schedule}.Subject())))
	default:
		add("WorkflowType IN (%s, %s, %s)", records.Quote(workflows.ConversationName), records.Quote(workflows.InboxName), records.Quote(workflows.ActName))
	}
	for _, f := range []struct{ key, value string }{
		{workflows.KeyPlatform.GetName(), q.Platform}, {workflows.KeyProject.GetName(), q.Project},
		{workflows.KeyAgent.GetName(), q.Agent}, {workflows.KeySimulation.GetName(), q.Simulation},
	} {
		if f.value != "" {
			add("%s = %s", f.key, records.Quote(f.value))
		}
	}
	if text := strings.TrimSpace(q.Query); text != "" {
		add("(%s)", text)
	}
	if !q.Since.IsZero() {
		add("(ExecutionStatus = 'Running' OR CloseTime >= '%s')", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		add("StartTime < '%s'", q.Until.UTC().Format(time.RFC3339Nano))
	}
	return strings.Join(terms, " AND ")
}

// Erased finds the workflow id of a conversation of which only the record of an act is
// left, by that id or by the conversation's own. Empty: there is none.
func (o *Operator) Erased(ctx context.Context, name string) (string, error) {
	var found string
	query := fmt.Sprintf("WorkflowType = %s", records.Quote(workflows.ActName))
	err := o.EachExecution(ctx, query, 0, func(_ string, c records.Conversation) bool {
		subject, ok := strings.CutPrefix(c.ID, "act/")
		for range 2 { // the action, and the record's own id
			subject = subject[:max(0, strings.LastIndexByte(subject, '/'))]
		}
		if ok && (subject == name || strings.HasSuffix(subject, "/"+name)) && !strings.HasPrefix(subject, "schedule/") {
			found = subject
		}
		return found == ""
	})
	return found, err
}
