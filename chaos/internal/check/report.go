package check

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// shown bounds how many violations are printed with a story.
const shown = 5

// Print prints the table, and the story of each conversation in which a promise was
// broken.
func (r *Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "RULE\tCHECKED\tBROKEN")
	for _, rule := range r.Rules {
		_, _ = fmt.Fprintf(t, "%s\t%d\t%d\n", rule.Name, rule.Checked, rule.Broken)
	}
	_, _ = fmt.Fprintln(t, "\nFIGURE\t\t")
	for _, f := range r.Figures {
		_, _ = fmt.Fprintf(t, "%s\t%s\t\n", f.Name, f.Value)
	}
	_ = t.Flush()
	told := map[string]bool{}
	for _, v := range r.Violations {
		_, _ = fmt.Fprintf(w, "\nVIOLATION: %s\n  %s\n  %s\n", v.Rule, v.Conversation, v.Text)
		if v.Conversation == "" || told[v.Conversation] || len(told) == shown {
			continue
		}
		told[v.Conversation] = true
		for _, line := range r.Story(v.Conversation) {
			_, _ = fmt.Fprintln(w, "    "+line)
		}
	}
	if len(r.Violations) == 0 {
		_, _ = fmt.Fprintln(w, "\nno violation")
	}
}

// A moment is a line of a story.
type moment struct {
	at   time.Time
	text string
}

// Story is everything that is known of one conversation, in the order of time.
func (r *Report) Story(id string) []string {
	a := r.accounts
	var all []moment
	add := func(at time.Time, format string, args ...any) {
		all = append(all, moment{at, fmt.Sprintf(format, args...)})
	}
	mine := map[string]bool{}
	for _, w := range a.Workflows {
		if w.ID != id {
			continue
		}
		add(w.Started, "temporal   run %s begins; now %s %s", w.Run, w.Status, w.Shown)
		for _, s := range w.Steps {
			tellStep(s, add)
			for _, t := range s.answers() {
				mine[t] = true
			}
		}
		for _, u := range w.Updates {
			add(u.Accepted, "temporal   update %s %s accepted", u.Name, u.ID)
		}
	}
	for _, p := range a.Payments {
		if mine[p.Token] {
			add(p.At, "model      answers [#%s] %v key %.8s", p.Token, p.Calls, p.Key)
		} else if mine[p.Previous] {
			add(p.At, "model      answers [#%s] %v key %.8s, which is recorded nowhere here", p.Token, p.Calls, p.Key)
		}
	}
	for _, e := range a.Effects {
		if mine[e.Token] {
			add(e.At, "tools      %s done for [#%s] call %d", e.Tool, e.Token, e.N)
		}
	}
	if t := a.Platform[id[strings.LastIndex(id, "/")+1:]]; t != nil {
		for _, c := range t.Calls {
			add(c.At, "platform   %s: %d %s", c.Op, c.Status, c.Detail)
		}
		for i, m := range t.Items {
			add(m.Created, "platform   message %d, %s: %.90q", i+1, m.Role, m.text())
		}
	}
	for _, x := range a.Acts {
		if x.Conversation == id {
			add(x.At, "operator   %s, done: %v %s", x.Act, x.OK, strings.TrimSpace(x.Detail))
		}
	}
	for _, d := range a.Sent {
		if d.Conversation == id {
			add(d.At, "sender     %s: exit code %d %.90q %.90q", d.Message, d.Code, d.Reply, d.Detail)
		}
	}
	for _, d := range a.Doubled {
		if strings.Contains(d.Target+d.Body, id[strings.LastIndex(id, "/")+1:]) || slices.ContainsFunc(tokensIn(d.Body), func(t string) bool { return mine[t] }) {
			add(d.At, "network    POST %s on %s delivered twice", d.Target, d.Link)
		}
	}
	slices.SortStableFunc(all, func(x, y moment) int { return x.at.Compare(y.at) })
	return withFaults(all, a.Faults)
}

func tellStep(s Step, add func(time.Time, string, ...any)) {
	name := strings.TrimPrefix(s.Name, "conversation.")
	add(s.Scheduled, "temporal   turn %d %s scheduled", s.Input.Turn, name)
	if !s.Closed.IsZero() {
		add(s.Closed, "temporal   turn %d %s %s, attempt %d %s %.160s", s.Input.Turn, name, s.Ended, s.Attempt, s.Failure, s.Result.Raw)
	}
}

// withFaults adds the faults of the time to a story.
func withFaults(all []moment, faults []Fault) []string {
	if len(all) == 0 {
		return nil
	}
	first, last := all[0].at, all[len(all)-1].at.Add(time.Second)
	for _, f := range faults {
		if f.At.Before(first) || f.At.After(last) {
			continue
		}
		text := fmt.Sprintf("fault      %s %s", f.Kind, f.Target)
		if f.Link != "" {
			text += ">" + f.Link
		}
		switch {
		case f.Kind == "setting" || f.Kind == "skip" || f.Kind == "ready":
			continue
		case f.Kind == "start" && f.Seconds != 0:
			text += fmt.Sprintf(", its wall clock %+.0f s", f.Seconds)
		case f.Seconds > 0:
			text += fmt.Sprintf(" for %.1f s", f.Seconds)
		}
		if f.Effect != "" {
			text += ", right before " + f.Effect
		}
		all = append(all, moment{f.At, text})
	}
	slices.SortStableFunc(all, func(x, y moment) int { return x.at.Compare(y.at) })
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = clock(m.at) + "  " + m.text
	}
	return out
}
