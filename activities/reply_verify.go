package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-run/parley/conversation"
)

// A verification compares the conversation with the platform's transcript, beside what the
// reply does.
type verification struct {
	stop context.CancelFunc
	done <-chan struct{}
	park *Finding
}

// wait returns the finding once there is one. Nil: nothing is wrong, or it cannot be found
// out.
func (v *verification) wait() *Finding {
	<-v.done
	return v.park
}

// errDiffers is why a call was cancelled whose reply would be about another conversation.
var errDiffers = errors.New("the platform's transcript differs: the reply is not needed")

// verify begins to compare the newest messages of the conversation with the platform's
// transcript, if that was left to the reply: something between may have delivered the
// exchange before it twice. It calls differs when it has a finding. Call stop in the end.
func (r *replying) verify(ctx context.Context, in ReplyInput, messages []conversation.Message, differs func()) *verification {
	done := make(chan struct{})
	v := &verification{done: done, stop: func() {}}
	ours := external(messages)
	if in.Unverified <= 0 || in.OnlyCopy || in.Unverified > len(ours) || len(ours) > verifiedMessages {
		close(done)
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	v.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		p, err := r.platform(in.Ref)
		if err != nil {
			return
		}
		transcript, err := p.transcript(ctx, in.Ref)
		if err != nil {
			return
		}
		if diff := unlike(ours, transcript.Messages, len(ours)-in.Unverified); diff != "" {
			v.park = r.differs(diff)
			differs()
		}
	}()
	return v
}

// external are the messages that a platform has.
func external(messages []conversation.Message) []conversation.Message {
	var out []conversation.Message
	for _, m := range messages {
		if !m.Internal() {
			out = append(out, m)
		}
	}
	return out
}

// unlike is where the transcript is not ours, from a message on. Empty: nowhere, or the
// transcript is that of a replica that lags. Texts of the other side may have been cut: see
// MaxMessageBytes.
func unlike(ours, transcript []conversation.Message, from int) string {
	if len(transcript) < len(ours) {
		return ""
	}
	for i := from; i < len(ours); i++ {
		want, has := ours[i], transcript[i]
		if has.Role != want.Role || want.Role == conversation.RoleAssistant && plain(has) != plain(want) {
			return fmt.Sprintf("message %d is %s, expected %s", i+1, quoted(has), quoted(want))
		}
	}
	if len(transcript) > len(ours) {
		return fmt.Sprintf("it has %d messages, expected %d", len(transcript), len(ours))
	}
	return ""
}
