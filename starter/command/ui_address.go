package command

import (
	"context"
	"fmt"

	"github.com/parley-run/parley/internal/connect"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/uilink"
	"github.com/parley-run/parley/workflows"
)

// uiVariable has the address of Temporal's web interface.
const uiVariable = "TEMPORAL_UI_ADDRESS"

// givenUI is the address of Temporal's web interface, if the caller has given one.
func (s *starter) givenUI() (string, error) {
	given, from := s.flags.uiAddress, "--ui-address"
	if given == "" {
		given, _ = connect.LookupIn(s.environ)(uiVariable)
		from = uiVariable
	}
	base, err := uilink.Base(given)
	if err != nil {
		return "", usagef("%s: %v", from, err)
	}
	return base, nil
}

// uiOf is the given address of the web interface, else the one that is found for the
// server. Empty: not known.
func uiOf(ctx context.Context, given, server string) string {
	if given != "" {
		return given
	}
	return uilink.Find(ctx, server)
}

// conversationsQuery finds Parley's conversations.
var conversationsQuery = fmt.Sprintf("WorkflowType = '%s'", workflows.ConversationName)

// examineUI says where the web interface shows the conversations.
func examineUI(o *operate.Operator) finding {
	f := finding{Check: "Temporal UI", State: checkFine, Detail: uilink.List(o.UI, o.Namespace, conversationsQuery)}
	if o.UI == "" {
		f.State, f.Detail = checkSkipped, "its address is not known"
		f.Remedy = "for links to conversations, give it with --ui-address or " + uiVariable
	}
	return f
}
