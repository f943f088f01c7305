package connect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/parley-run/parley/workflows"
)

// ErrSearchAttributes: the namespace lacks search attributes and this process cannot add
// them. Without them no workflow of Parley can start.
var ErrSearchAttributes = errors.New("temporal: search attributes")

const (
	// usableWithin bounds the wait for added search attributes to become usable: servers
	// cache the list for about ten seconds.
	usableWithin = 30 * time.Second
	checkEvery   = 250 * time.Millisecond
)

// SearchAttributes is the state of Parley's search attributes in a namespace.
type SearchAttributes struct {
	// Missing are the names of those that it lacks.
	Missing []string
	// Addable is whether the server's operator service accepts calls of this process, so
	// that adding them may succeed.
	Addable bool
}

// Refused is the error of a namespace that lacks search attributes which this process
// cannot add. cause may be nil.
func (s SearchAttributes) Refused(namespace string, cause error) error {
	why := "the server's operator service refuses this client"
	if cause != nil {
		why = oneLine(cause)
	}
	return &Error{Reason: ErrSearchAttributes, Err: cause, Text: fmt.Sprintf(
		"namespace %q lacks search attributes (%s) and they cannot be added: %s", namespace, strings.Join(s.Missing, ", "), why),
		Remedy: "run as an operator: go run ./starter setup, or: " + commands(namespace, s.Missing)}
}

// CheckSearchAttributes reads which search attributes the namespace has. One with
// another type is an error.
func CheckSearchAttributes(ctx context.Context, c client.Client, namespace string) (SearchAttributes, error) {
	list, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if refused(err) {
		missing, err := unusable(ctx, c, namespace)
		return SearchAttributes{Missing: missing}, err
	}
	if err != nil {
		return SearchAttributes{}, fmt.Errorf("temporal: list search attributes: %w", err)
	}
	var missing, wrong []string
	for _, key := range workflows.SearchAttributes() {
		have, ok := list.GetCustomAttributes()[key.GetName()]
		switch {
		case !ok:
			missing = append(missing, key.GetName())
		case have != key.GetValueType():
			wrong = append(wrong, fmt.Sprintf("%s is of type %v and must be %v", key.GetName(), have, key.GetValueType()))
		}
	}
	if wrong != nil {
		return SearchAttributes{Missing: missing}, &Error{Reason: ErrSearchAttributes,
			Text:   fmt.Sprintf("search attributes of namespace %q: %s", namespace, strings.Join(wrong, ", ")),
			Remedy: "remove them: temporal operator search-attribute remove --name …"}
	}
	return SearchAttributes{Missing: missing, Addable: true}, nil
}

// EnsureSearchAttributes adds the search attributes that the namespace lacks, waits until
// they can be used, and returns their names.
func EnsureSearchAttributes(ctx context.Context, c client.Client, namespace string) ([]string, error) {
	have, err := CheckSearchAttributes(ctx, c, namespace)
	missing := have.Missing
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	add := make(map[string]enums.IndexedValueType)
	for _, key := range workflows.SearchAttributes() {
		if slices.Contains(missing, key.GetName()) {
			add[key.GetName()] = key.GetValueType()
		}
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: add,
	})
	var exists *serviceerror.AlreadyExists // another worker added them a moment ago
	if err != nil && !errors.As(err, &exists) {
		if Unanswered(err) {
			return nil, fmt.Errorf("temporal: add search attributes: %w", err)
		}
		return nil, have.Refused(namespace, err)
	}
	ctx, cancel := context.WithTimeout(ctx, usableWithin)
	defer cancel()
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		left, err := unusable(ctx, c, namespace)
		if err == nil && len(left) == 0 {
			return missing, nil
		}
		select {
		case <-ctx.Done():
			return missing, &Error{Reason: ErrSearchAttributes, Err: ctx.Err(), Remedy: "start again in a moment",
				Text: fmt.Sprintf("search attributes were added to namespace %q but are not usable yet: %s", namespace, strings.Join(left, ", "))}
		case <-tick.C:
		}
	}
}

// commands is what an operator can run instead.
func commands(namespace string, names []string) string {
	var b strings.Builder
	b.WriteString("temporal operator search-attribute create --namespace " + namespace)
	for _, key := range workflows.SearchAttributes() {
		if slices.Contains(names, key.GetName()) {
			fmt.Fprintf(&b, " --name %s --type %v", key.GetName(), key.GetValueType())
		}
	}
	return b.String()
}

// unusable lists the search attributes that a query cannot name. It needs only the right
// to list workflows.
func unusable(ctx context.Context, c client.Client, namespace string) ([]string, error) {
	var names []string
	for _, key := range workflows.SearchAttributes() {
		_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: namespace, Query: key.GetName() + " IS NOT NULL",
		})
		var invalid *serviceerror.InvalidArgument
		switch {
		case errors.As(err, &invalid):
			names = append(names, key.GetName())
		case err != nil:
			return names, fmt.Errorf("temporal: check search attribute %s: %w", key.GetName(), err)
		}
	}
	return names, nil
}

// refused reports that the operator service refuses this client, as on Temporal Cloud.
func refused(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unimplemented)
}
