package budget

import (
	"errors"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/executors"
)

// Estimate is what a call will probably use, rather more than less. The reply is empty
// before the call.
func Estimate(req executors.Request, reply conversation.Message) conversation.Usage {
	const bytesPerToken, instructions, usualReply = 4, 500, 500
	size := 0
	for _, m := range req.Messages {
		size += m.Size()
	}
	return conversation.Usage{
		InputTokens:  int64(size/bytesPerToken + instructions),
		OutputTokens: int64(max(usualReply, reply.Size()/bytesPerToken)),
	}
}

// Unmetered reports whether a call has cost tokens that its provider does not report: it
// was answered, or failed with a usage that counts a call, after the provider had begun to
// answer. A call that was refused has cost none.
func Unmetered(err error, u conversation.Usage) bool {
	if Tokens(u) > 0 {
		return false
	}
	if err == nil {
		return true
	}
	var ce *conversation.Error
	switch conversation.KindOf(err) {
	case conversation.RateLimited, conversation.QuotaExhausted, conversation.Unauthorized, conversation.ContextTooLong:
		return false
	}
	return errors.As(err, &ce) && u.Calls > 0
}
