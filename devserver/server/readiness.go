package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// readyTimeout is generous: a loaded machine needs several seconds.
	readyTimeout = 60 * time.Second
	// readyPause separates two attempts.
	readyPause = 10 * time.Millisecond
)

// frontendReady returns once a client of the frontend can use all configured features.
func frontendReady(ctx context.Context, address string, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()

	err = eventually(ctx, func() error {
		reply, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{
			Service: workflowservice.WorkflowService_ServiceDesc.ServiceName,
		})
		if err == nil && reply.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
			err = fmt.Errorf("health is %s", reply.GetStatus())
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("frontend: %w", err)
	}
	for _, namespace := range cfg.Namespaces {
		if err := namespaceReady(ctx, conn, namespace, cfg.SearchAttributes); err != nil {
			return fmt.Errorf("namespace %q: %w", namespace, err)
		}
	}
	return nil
}

func namespaceReady(ctx context.Context, conn *grpc.ClientConn, namespace string, attributes map[string]enumspb.IndexedValueType) error {
	workflows := workflowservice.NewWorkflowServiceClient(conn)
	err := eventually(ctx, func() error {
		_, err := workflows.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
		return err
	})
	if err != nil {
		return err
	}
	if err := addSearchAttributes(ctx, operatorservice.NewOperatorServiceClient(conn), namespace, attributes); err != nil {
		return err
	}
	// A query shows whether visibility works and knows an attribute.
	queries := []string{""}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		queries = append(queries, fmt.Sprintf("`%s` IS NOT NULL", name))
	}
	for _, query := range queries {
		err := eventually(ctx, func() error {
			_, err := workflows.CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
				Namespace: namespace, Query: query,
			})
			return err
		})
		if err != nil {
			return fmt.Errorf("query %q: %w", query, err)
		}
	}
	return nil
}

// addSearchAttributes adds missing attributes to a namespace from an older file.
func addSearchAttributes(ctx context.Context, operator operatorservice.OperatorServiceClient, namespace string, want map[string]enumspb.IndexedValueType) error {
	if len(want) == 0 {
		return nil
	}
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, kind := range want {
		switch has, ok := have.GetCustomAttributes()[name]; {
		case !ok:
			missing[name] = kind
		case has != kind:
			return fmt.Errorf("search attribute %q is %s in this database and cannot become %s", name, has, kind)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	return err
}

// uiReady returns when the UI delivers its page and reaches the frontend.
func uiReady(ctx context.Context, url, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, path := range []string{"/", "/api/v1/namespaces/" + namespace} {
		err := eventually(ctx, func() error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+path, nil)
			if err != nil {
				return err
			}
			reply, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = reply.Body.Close() }()
			if reply.StatusCode != http.StatusOK {
				return fmt.Errorf("GET %s: %s", path, reply.Status)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("ui: %w", err)
		}
	}
	return nil
}

// eventually repeats attempt until it succeeds or ctx is done; then it returns the last
// error.
func eventually(ctx context.Context, attempt func() error) error {
	for {
		err := attempt()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(readyPause):
		}
	}
}
