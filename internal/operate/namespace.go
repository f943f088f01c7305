package operate

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A NamespaceInfo is what a namespace keeps.
type NamespaceInfo struct {
	// Retention is how long closed workflows are kept.
	Retention time.Duration
	// Archives is set if closed workflows are copied to an archive.
	Archives bool
}

// NamespaceInfo reads the settings of the operator's namespace.
func (o *Operator) NamespaceInfo(ctx context.Context) (NamespaceInfo, error) {
	d, err := o.Client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: o.Namespace})
	if err != nil {
		return NamespaceInfo{}, o.Explain(fmt.Sprintf("describe namespace %q", o.Namespace), err)
	}
	c := d.GetConfig()
	return NamespaceInfo{
		Retention: c.GetWorkflowExecutionRetentionTtl().AsDuration(),
		Archives: c.GetHistoryArchivalState() == enums.ARCHIVAL_STATE_ENABLED ||
			c.GetVisibilityArchivalState() == enums.ARCHIVAL_STATE_ENABLED,
	}, nil
}

// SetRetention changes how long the namespace keeps closed workflows.
func (o *Operator) SetRetention(ctx context.Context, d time.Duration) error {
	_, err := o.Client.WorkflowService().UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: o.Namespace, Config: &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: durationpb.New(d)},
	})
	return o.Explain(fmt.Sprintf("set the retention of namespace %q", o.Namespace), err)
}
