package modelcall

import "github.com/parley-run/parley/conversation"

// TurnStart returns the index of the last message that is neither a tool call nor a tool
// result, or 0. The calls behind it are those of the current turn, whose provider state
// goes back to the provider; that of earlier turns does not.
func TurnStart(conv []conversation.Message) int {
	for i := len(conv) - 1; i > 0; i-- {
		if !conv[i].Internal() {
			return i
		}
	}
	return 0
}
