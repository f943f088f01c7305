package activities

import "fmt"

// A key is how the other side of a request (an executor, a tool, a platform) recognises
// one that was made before. It is the same for all attempts of one request and different
// for any other under the same workflow id. Turn numbers alone do not tell requests apart:
// a run that begins again, is adopted or was reset counts its turns from the platform's
// transcript, and so does a run after it has reconciled. So a key also names the run and
// how often that has reconciled.

// keyScope begins every key.
func keyScope(workflowID, run string, reconciled int) string {
	scope := workflowID
	if run != "" {
		scope += "/" + run
	}
	if reconciled > 0 {
		scope += fmt.Sprintf("/reconciled/%d", reconciled)
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
	if in.LimitBytes > 0 {
		key += fmt.Sprintf("/bytes/%d", in.LimitBytes)
	}
	if in.Part > 0 {
		key += fmt.Sprintf("/part/%d", in.Part)
	}
	if in.Anew {
		key += "/anew"
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
