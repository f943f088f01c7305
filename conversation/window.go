package conversation

// Window returns about limit messages at most: the first, and the newest. It cuts before
// a message of the user, so that a tool call stays with its result and a reply with what
// it answers; without such a place it keeps more. Zero or less keeps all.
func Window(messages []Message, limit int) []Message {
	if limit <= 0 || len(messages) <= limit {
		return messages
	}
	start := len(messages) - max(limit-1, 1)
	for start > 1 && messages[start].Role != RoleUser {
		start--
	}
	if start <= 1 {
		return messages
	}
	out := make([]Message, 0, len(messages)-start+1)
	return append(append(out, messages[0]), messages[start:]...)
}
