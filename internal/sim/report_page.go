package sim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-run/parley/conversation"
	htmlpage "github.com/parley-run/parley/internal/page"
)

// wantsPage reports whether the request comes from a browser: it names HTML before anything
// that stands for all types.
func wantsPage(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		kind, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "text/html", "application/xhtml+xml":
			return true
		case "application/json":
			return false
		}
	}
	return false
}

// getReport answers browsers with a page, and programs with JSON.
func (s *Simulator) getReport(r *http.Request) (any, error) {
	if !wantsPage(r) {
		return s.Report(), nil
	}
	return s.reportPage(s.Report()), nil
}

// isReport reports whether a browser asks for the page.
func isReport(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Path == "/simulator/report" && wantsPage(r)
}

// askBrowser has a browser ask for the key: it cannot send the header of programs. The user's
// name does not matter, and the password is the key.
func askBrowser(w http.ResponseWriter, r *http.Request) {
	if isReport(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="simulator: any name, the API key as password", charset="UTF-8"`)
	}
}

// answerPage writes a page that may load nothing and stand in no frame.
func (s *Simulator) answerPage(w http.ResponseWriter, p htmlpage.Page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", htmlpage.Policy+"; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept")
	if err := p.Write(w); err != nil { // the browser has gone, or a fault of the template
		s.cfg.Logger.Error("report page", "error", err)
	}
}

// reportPage is the report for reading.
func (s *Simulator) reportPage(r Report) htmlpage.Page {
	p := htmlpage.Page{
		Title: "Simulator report",
		Lead:  []string{fmt.Sprintf("Scenario %s, seed %d: over all %d conversations of %d simulations.", r.Scenario, r.Seed, len(r.Conversations), len(r.Simulations))},
		Foot:  "Scores are by rules of the simulator; the criteria were not read. Programs get this as JSON at the same address.",
	}
	p.Sections = []htmlpage.Section{r.overview(), r.simulations(), r.hints(), s.talks(r)}
	return p
}

func (r Report) overview() htmlpage.Section {
	status, reasons := map[string]int{}, map[string]int{}
	for _, c := range r.Conversations {
		status[c.Status]++
		if c.EndReason != "" {
			reasons[c.EndReason]++
		}
	}
	hints := htmlpage.Good
	if len(r.Hints) > 0 {
		hints = htmlpage.Bad
	}
	t := r.Totals
	facts := htmlpage.Facts{
		{Name: "Conversations", Value: strconv.Itoa(len(r.Conversations)), Detail: fmt.Sprintf("%d ended", status[statusEnded])},
		{Name: "Messages", Value: strconv.Itoa(t.AgentMessages + t.PersonaMessages), Detail: fmt.Sprintf("%d of the agent, %d of personas", t.AgentMessages, t.PersonaMessages)},
		{Name: "Calls", Value: strconv.Itoa(t.Starts + t.Responses + t.Ends), Detail: fmt.Sprintf("%d start, %d responses, %d end", t.Starts, t.Responses, t.Ends)},
		{Name: "Hints", Value: strconv.Itoa(len(r.Hints)), Detail: "calls that a careful worker avoids", Tone: hints},
	}
	return htmlpage.Section{Title: "Overview", Blocks: []htmlpage.Block{facts, htmlpage.Charts{
		bars("Conversations by status", status), bars("Ended conversations by reason", reasons), bars("Injected faults", r.Faults),
	}}}
}

func (r Report) simulations() htmlpage.Section {
	t := htmlpage.Table{Caption: "Simulations", Head: []htmlpage.Cell{{Text: "Simulation"}, {Text: "Id"}, {Text: "Status"}, {Text: "Conversations"}, {Text: "Evaluated", Number: true}, {Text: "Mean scores"}}}
	for _, s := range r.Simulations {
		t.Rows = append(t.Rows, []htmlpage.Cell{{Text: s.Name}, {Text: s.ID}, {Text: s.Status}, {Text: inWords(s.Conversations)}, {Text: strconv.Itoa(s.Evaluated), Number: true}, {Text: scores(s.Scores)}})
	}
	return htmlpage.Section{Title: "Simulations", Blocks: []htmlpage.Block{t}}
}

func (r Report) hints() htmlpage.Section {
	if len(r.Hints) == 0 {
		return htmlpage.Section{Title: "Hints", Text: []string{"None: the worker made no call that a careful worker avoids."}}
	}
	t := htmlpage.Table{Caption: "Hints, with the conversation", Head: []htmlpage.Cell{{Text: "Hint"}, {Text: "Conversation"}, {Text: "At"}}}
	for _, h := range r.Hints {
		t.Rows = append(t.Rows, []htmlpage.Cell{{Text: h.Text}, {Text: h.ConversationID, Link: "#" + htmlpage.ID(h.ConversationID)}, {Text: h.At.UTC().Format("15:04:05")}})
	}
	return htmlpage.Section{Title: "Hints", Blocks: []htmlpage.Block{t}}
}

// talks folds in the conversations with their messages.
func (s *Simulator) talks(r Report) htmlpage.Section {
	s.mu.RLock()
	defer s.mu.RUnlock()
	folds := make(htmlpage.Folds, 0, len(r.Conversations))
	for _, c := range r.Conversations {
		f := htmlpage.Fold{
			ID: c.ID, Title: c.Persona, Detail: strings.TrimSuffix(fmt.Sprintf("%s · %d messages · %s", c.Status, c.AgentMessages+c.PersonaMessages, c.EndReason), " · "),
			Facts: [][2]string{{"conversation", c.ID}, {"simulation", c.SimulationID}},
		}
		if len(c.Hints) > 0 {
			f.Tone = htmlpage.Bad
		}
		for _, h := range c.Hints {
			f.Facts = append(f.Facts, [2]string{"hint", h.Text()})
		}
		if len(c.Scores) > 0 {
			f.Facts = append(f.Facts, [2]string{"scores", scores(c.Scores)})
		}
		if t := s.st.talk[c.ID]; t != nil {
			for _, item := range t.items {
				m := item.message()
				said := htmlpage.Message{From: "persona", Side: "other", Text: m.Text()}
				if m.Role == conversation.RoleAssistant {
					said.From, said.Side = "agent", "agent"
				}
				f.Messages = append(f.Messages, said)
			}
		}
		folds = append(folds, f)
	}
	return htmlpage.Section{Title: "Conversations", Blocks: []htmlpage.Block{folds}}
}

func bars(title string, counts map[string]int) htmlpage.Chart {
	c := htmlpage.Chart{Title: title, Lying: true, Series: []htmlpage.Series{{Name: title}}}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		c.Labels = append(c.Labels, strings.ReplaceAll(name, "_", " "))
		c.Series[0].Values = append(c.Series[0].Values, float64(counts[name]))
	}
	return c
}

func inWords(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], strings.ReplaceAll(name, "_", " ")))
	}
	return strings.Join(parts, ", ")
}

func scores(all map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, fmt.Sprintf("%s %.2f", name, all[name]))
	}
	return strings.Join(parts, ", ")
}
