package activities

import "fmt"

// Keys are what another side recognises a request by that was made before: an
// executor, a tool, a platform. A key is the same for all attempts of one request and
// different for any other under the same workflow id. That takes in what other runs
// asked (a conversation that is begun anew, adopted or reset counts its turns from what
// the platform holds, so numbers come again) and what this run asked before it read the
// conversation anew.

// keyScope begins every key of one reading of a conversation in one run.
func keyScope(workflowID, run string, anew int) string {
	scope := workflowID
	if run != "" {
		scope += "/" + run
	}
	if anew > 0 {
		scope += fmt.Sprintf("/anew/%d", anew)
	}
	return scope
}

// replyKey names one request to an executor.
func replyKey(workflowID string, in ReplyInput) string {
	key := fmt.Sprintf("%s/reply/%d", keyScope(workflowID, in.Run, in.Reconciled), in.Turn)
	if in.Round > 0 {
		key += fmt.Sprintf("/%d", in.Round)
	}
	if in.Window > 0 { // another request: the first one's answer is known, and of no use
		key += fmt.Sprintf("/newest/%d", in.Window)
	}
	return key
}

// toolKey names one tool call.
func toolKey(workflowID string, in CallToolInput) string {
	return fmt.Sprintf("%s/tool/%d/%d", keyScope(workflowID, in.Run, in.Reconciled), in.Turn, in.Index)
}

// exchangeKey names one exchange. messages is how many of the input's are sent.
func exchangeKey(workflowID string, in ExchangeInput, messages int) string {
	return fmt.Sprintf("%s/exchange/%d/%d", keyScope(workflowID, in.Run, in.Reconciled), in.Before, messages)
}
