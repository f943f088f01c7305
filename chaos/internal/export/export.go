// Package export writes down what Temporal has of a chaos run, through its public
// interface: an account like those of the other parties.
package export

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/parley-run/parley/chaos/internal/account"
)

// A Run is a line of workflows.jsonl.
type Run struct {
	ID     string `json:"id"`
	Run    string `json:"run"`
	Type   string `json:"type"`
	Status string `json:"status"` // of Temporal: Running, Completed, …
	// Shown is the value of the search attribute ParleyStatus: what operators see.
	Shown   string    `json:"shown,omitempty"`
	Started time.Time `json:"started"`
	File    string    `json:"file"` // the history
	// Heartbeats are the newest of pending activities, by the activity's type.
	Heartbeats map[string]time.Time `json:"heartbeats,omitempty"`
}

// All writes every run of the namespace into dir.
func All(ctx context.Context, c client.Client, namespace, dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "histories"), 0o700); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	to, err := account.Open(filepath.Join(dir, "workflows.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	var page []byte
	for number := 0; ; {
		var res *workflowservice.ListWorkflowExecutionsResponse
		err := patiently(ctx, func(ctx context.Context) (err error) {
			res, err = c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, PageSize: 100, NextPageToken: page})
			return err
		})
		if err != nil {
			return fmt.Errorf("export: list: %w", err)
		}
		for _, info := range res.GetExecutions() {
			number++
			var r Run
			err := patiently(ctx, func(ctx context.Context) (err error) {
				r, err = one(ctx, c, info, dir, number)
				return err
			})
			if err != nil {
				return err
			}
			if err := to.Write(r); err != nil {
				return err
			}
		}
		if page = res.GetNextPageToken(); len(page) == 0 {
			return nil
		}
	}
}

// patiently tries again for some minutes: a machine may be slow, and what is not exported
// cannot be judged.
func patiently(ctx context.Context, do func(context.Context) error) error {
	const attempts = 10
	for n := 1; ; n++ {
		attempt, cancel := context.WithTimeout(ctx, time.Minute)
		err := do(attempt)
		cancel()
		if err == nil || n == attempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(n) * time.Second):
		}
	}
}

func one(ctx context.Context, c client.Client, info *workflow.WorkflowExecutionInfo, dir string, number int) (Run, error) {
	e := info.GetExecution()
	r := Run{
		ID: e.GetWorkflowId(), Run: e.GetRunId(), Type: info.GetType().GetName(), Status: info.GetStatus().String(),
		Started: info.GetStartTime().AsTime(), File: filepath.Join("histories", fmt.Sprintf("%05d.json", number)),
	}
	if p := info.GetSearchAttributes().GetIndexedFields()["ParleyStatus"]; p != nil {
		_ = json.Unmarshal(p.GetData(), &r.Shown)
	}
	if r.Status == "Running" {
		desc, err := c.DescribeWorkflowExecution(ctx, r.ID, r.Run)
		if err != nil {
			return r, fmt.Errorf("export: describe %s: %w", r.ID, err)
		}
		r.Heartbeats = map[string]time.Time{}
		for _, a := range desc.GetPendingActivities() {
			r.Heartbeats[a.GetActivityType().GetName()] = a.GetLastHeartbeatTime().AsTime()
		}
	}
	all := &history.History{}
	events := c.GetWorkflowHistory(ctx, r.ID, r.Run, false, 0)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return r, fmt.Errorf("export: history of %s: %w", r.ID, err)
		}
		all.Events = append(all.Events, event)
	}
	data, err := protojson.Marshal(all)
	if err != nil {
		return r, fmt.Errorf("export: history of %s: %w", r.ID, err)
	}
	if err := os.WriteFile(filepath.Join(dir, r.File), data, 0o600); err != nil {
		return r, fmt.Errorf("export: %w", err)
	}
	return r, nil
}
