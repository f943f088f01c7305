package workflows

import "go.temporal.io/sdk/temporal"

// Search attributes of conversations that wait for an operator. Metrics and lists read them.
var (
	// KeyReason is the kind of error that the conversation is parked for: one at most.
	KeyReason = temporal.NewSearchAttributeKeyKeywordList("ParleyReason")
	// KeySince is since when it has been parked, or has waited for an approval.
	KeySince = temporal.NewSearchAttributeKeyTime("ParleySince")
)

// addWait adds what a conversation in state s waits for, and since when.
func (r *run) addWait(a *attributes, s State) {
	reason, since := KeyReason.ValueUnset(), KeySince.ValueUnset()
	switch {
	case s == StateNeedsAttention && r.attention != nil:
		reason, since = KeyReason.ValueSet([]string{string(r.attention.Kind)}), KeySince.ValueSet(r.attention.Since)
	case s == StateNeedsApproval:
		if waiting := r.approvals.waiting(); len(waiting) > 0 {
			since = KeySince.ValueSet(waiting[0].Since)
		}
	}
	a.set(KeyReason, reason)
	a.set(KeySince, since)
}
