package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/workflows"
)

// Ambiguous is why a conversation of ours waits for an operator: it is not known whether
// its last message was delivered. Empty: it does not wait, or for something else.
func (l *Lab) Ambiguous(ctx context.Context, ref conversation.Ref) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	value, err := l.Client.QueryWorkflow(ctx, workflows.ConversationID(ref), "", workflows.QueryStatus)
	var none *serviceerror.NotFound
	switch {
	case errors.As(err, &none):
		return "", nil // it has not begun
	case err != nil:
		return "", fmt.Errorf("lab: status of %s: %w", ref, err)
	}
	var status workflows.Status
	if err := value.Get(&status); err != nil {
		return "", fmt.Errorf("lab: status of %s: %w", ref, err)
	}
	if a := status.Attention; a != nil && a.Kind == conversation.Ambiguous {
		return a.Step + ": " + a.Reason, nil
	}
	return "", nil
}
