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

// ErrSearchAttributes: the namespace lacks search attributes and they cannot be
// added from here. Without them no workflow of ours can start.
var ErrSearchAttributes = errors.New("temporal: search attributes")

const (
	// usableWithin bounds the wait for search attributes to become usable after
	// they were added: servers learn of them by a cache of about ten seconds.
	usableWithin = 30 * time.Second
	lookEvery    = 250 * time.Millisecond
)

// SearchAttributes says what a namespace has of Parley's search attributes.
type SearchAttributes struct {
	// Missing are the names of those that it lacks.
	Missing []string
	// Addable is whether the operator's service is open to us, so that adding them may
	// succeed.
	Addable bool
}

// Refused is the error of a namespace that lacks some which cannot be added from
// here. cause may be nil.
func (s SearchAttributes) Refused(namespace string, cause error) error {
	why := "the operator's service is closed to us"
	if cause != nil {
		why = oneLine(cause)
	}
	return &Error{Reason: ErrSearchAttributes, Err: cause, Text: fmt.Sprintf(
		"temporal: namespace %q lacks search attributes (%s) and they cannot be added: %s (have somebody who may run: go run ./starter setup, or: %s)",
		namespace, strings.Join(s.Missing, ", "), why, commands(namespace, s.Missing))}
}

// CheckSearchAttributes says what the namespace has, for a worker that starts as for
// whoever asks whether one could. A search attribute that is there with another type
// is an error.
func CheckSearchAttributes(ctx context.Context, c client.Client, namespace string) (SearchAttributes, error) {
	list, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if notForUs(err) {
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
		text := fmt.Sprintf("temporal: search attributes of namespace %q: %s (remove them: temporal operator search-attribute remove --name …)",
			namespace, strings.Join(wrong, ", "))
		return SearchAttributes{Missing: missing}, &Error{Reason: ErrSearchAttributes, Text: text}
	}
	return SearchAttributes{Missing: missing, Addable: true}, nil
}

// EnsureSearchAttributes adds to the namespace what it lacks, and returns once it
// can be used. It returns the names of what it added.
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
	var exists *serviceerror.AlreadyExists // another worker has just been quicker
	if err != nil && !errors.As(err, &exists) {
		if Unanswered(err) {
			return nil, fmt.Errorf("temporal: add search attributes: %w", err)
		}
		return nil, have.Refused(namespace, err)
	}
	ctx, cancel := context.WithTimeout(ctx, usableWithin)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		left, err := unusable(ctx, c, namespace)
		if err == nil && len(left) == 0 {
			return missing, nil
		}
		select {
		case <-ctx.Done():
			return missing, fmt.Errorf("temporal: search attributes were added to namespace %q but are not usable yet: %s (start again in a moment)",
				namespace, strings.Join(left, ", "))
		case <-tick.C:
		}
	}
}

// commands is what somebody can run instead.
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

// unusable lists those that a query cannot name. It needs no more rights than to
// list workflows.
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
			return names, fmt.Errorf("temporal: look for search attribute %s: %w", key.GetName(), err)
		}
	}
	return names, nil
}

// notForUs reports that the operator's service is closed to us, as on Temporal
// Cloud.
func notForUs(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unimplemented)
}
