package localstack

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// dialTimeout bounds the check of a server that should be running.
const dialTimeout = 10 * time.Second

// useGiven uses a running server, once it has answered.
func useGiven(ctx context.Context, opts Options) (*Stack, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := check(ctx, opts, opts.Address); err != nil {
		return nil, fmt.Errorf("use the Temporal server at %s: %w", opts.Address, err)
	}
	return &Stack{Address: opts.Address, Namespace: opts.Namespace, Server: "Temporal server"}, nil
}

// check asks a server for its namespace.
func check(ctx context.Context, opts Options, address string) error {
	c, err := opts.Dial(client.Options{
		HostPort:          address,
		Namespace:         opts.Namespace,
		Logger:            silent{},
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: dialTimeout},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{
		Namespace: opts.Namespace,
	}); err != nil {
		return fmt.Errorf("namespace %q: %w", opts.Namespace, err)
	}
	return nil
}

// silent keeps the SDK from logging what is returned as an error.
type silent struct{}

var _ log.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
