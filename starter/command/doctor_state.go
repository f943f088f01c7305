package command

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/operate"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/workflows"
)

// doctorLists is how many open conversations doctor reads for steps that fail.
const doctorLists = 100

// examineInboxes checks the inboxes of the configuration's agents and at others
// of its task queue.
func (s *starter) examineInboxes(ctx context.Context, o *operate.Operator, configured []workflows.InboxInput) []finding {
	ids, err := o.Inboxes(ctx, o.OfTaskQueue())
	if err != nil {
		return []finding{wrong("inboxes", err)}
	}
	names := make(map[string]string)
	var own []string
	for _, in := range configured {
		id := workflows.InboxID(in.Platform, in.Project, in.Agent)
		own = append(own, id)
		names[id] = in.Settings.AgentName
	}
	var found []finding
	for _, id := range union(own, ids) {
		platform, project, agent := splitInboxID(id)
		in, err := o.Inbox(ctx, platform, project, agent)
		if err != nil {
			found = append(found, wrong("inbox "+id, err))
			continue
		}
		if in.Name == "" {
			in.Name = names[id]
		}
		found = append(found, inboxFinding(in, time.Now()))
	}
	return found
}

// inboxFinding judges one inbox.
func inboxFinding(in operate.Inbox, now time.Time) finding {
	name := in.Name
	if name == "" {
		name = in.Agent
	}
	f := finding{Check: fmt.Sprintf("inbox of agent %s on %s", name, in.Platform), State: checkFine}
	switch {
	case in.State == string(workflows.InboxNeedsAttention):
		f.State, f.Detail = checkWrong, "has stopped claiming"
		f.Remedy = fmt.Sprintf("it checks about every minute whether it can continue; starter inbox resume %s makes it continue at once", name)
		if a := in.Attention; a != nil {
			f.Detail = fmt.Sprintf("has stopped claiming since %s: %s", clock(a.Since, now), a.Reason)
			if a.Remedy != "" {
				f.Remedy = a.Remedy + "; " + f.Remedy
			}
		}
		return f
	case in.State == string(workflows.InboxPaused):
		f.State, f.Detail, f.Remedy = checkSkipped, "is paused", "starter inbox resume "+name
		return f
	case in.State == operate.InboxAbsent:
		f.State, f.Detail = checkSkipped, "does not run; a starting worker starts it"
		return f
	case in.LastError != "":
		f.State, f.Detail = checkWrong, in.LastError
		return f
	}
	f.Detail = inboxCounts(in)
	in.Queued = 0 // waiting for capacity is no fault
	if remarks := inboxRemarks(in, now); len(remarks) > 0 {
		f.State, f.Detail = checkWrong, strings.Join(remarks, "; ")
	}
	if remark := reducedRemark(in, now); remark != "" {
		if f.State == checkFine {
			f.State, f.Detail = checkSkipped, inboxWaiting(in)
		}
		f.Detail = remark + "; " + f.Detail
		f.Remedy = "more may be open by itself once the platform answers well; if it stays so, lower max_open or see to the platform"
	}
	return f
}

// inboxCounts are the numbers of an inbox.
func inboxCounts(in operate.Inbox) string {
	return openOf(in) + " open, " + inboxWaiting(in)
}

func inboxWaiting(in operate.Inbox) string {
	text := fmt.Sprintf("%d waiting", in.Waiting)
	if in.Parked > 0 {
		text += fmt.Sprintf(", %d parked", in.Parked)
	}
	return text
}

// examineConversations counts the conversations that need an operator.
func examineConversations(ctx context.Context, o *operate.Operator) []finding {
	const name = "conversations"
	parked, err := o.Parked(ctx)
	if err != nil {
		return []finding{wrong(name, err)}
	}
	open := o.OfTaskQueue()
	open.Statuses = []string{records.StatusOpen}
	page, err := o.List(ctx, open, doctorLists)
	if err != nil {
		return []finding{parkedFinding(parked), wrong("steps", err)}
	}
	return append([]finding{parkedFinding(parked), strandedFinding(page), retryingFinding(page)}, examineKeys(ctx, o)...)
}

// retryingFinding counts the steps that failed and are retried. A retry may succeed,
// so this is no fault.
func retryingFinding(p records.Page) finding {
	f := finding{Check: "steps", State: checkFine, Detail: "none is retrying"}
	n := int64(0)
	newest := ""
	for _, c := range p.Conversations {
		for _, r := range c.Retrying {
			if n++; newest == "" {
				newest = fmt.Sprintf("%s: %s, %s", printable.ID(c.ID), r.Step, r)
			}
		}
	}
	if n == 0 {
		return f
	}
	f.State = checkSkipped
	f.Detail = plural(n, "is", "are") + " retrying; the newest: " + newest
	if p.Counts.Shown < p.Counts.Open {
		f.Detail = fmt.Sprintf("of the newest %d conversations ", p.Counts.Shown) + f.Detail
	}
	return f
}

func parkedFinding(p records.Parked) finding {
	f := finding{Check: "conversations", State: checkFine, Detail: "none needs an operator"}
	if p.Total == 0 {
		return f
	}
	f.State = checkWrong
	f.Detail = plural(p.Total, "needs", "need") + " an operator"
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(p.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", p.Kinds[kind], kindWords(kind)))
	}
	if p.Unanswered > 0 {
		kinds = append(kinds, fmt.Sprintf("%d whose query no worker answers", p.Unanswered))
	}
	if len(kinds) > 0 {
		of := ""
		if int64(p.Asked) < p.Total {
			of = fmt.Sprintf("of the newest %d: ", p.Asked)
		}
		f.Detail += " (" + of + strings.Join(kinds, ", ") + ")"
	}
	if a := p.Newest; a != nil {
		f.Detail += "; the newest: " + a.Reason
		f.Remedy = a.Remedy
	}
	f.Remedy = strings.TrimPrefix(f.Remedy+"; starter list --status needs_attention shows them, starter resume --all resumes them", "; ")
	return f
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// kindWords is a kind of error in words: "quota exhausted".
func kindWords(kind conversation.Kind) string {
	if kind == "" {
		return "of no kind"
	}
	var b strings.Builder
	for i, r := range string(kind) {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
