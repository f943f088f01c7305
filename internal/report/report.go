package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/records"
	"github.com/parley-run/parley/internal/summary"
)

// Schema names the form of the JSON document. Fields are only added under the same name.
const Schema = "parley.report/1"

// A Report is a summary of conversations with what it was made of. As JSON it is the baseline
// of later ones.
type Report struct {
	Schema  string    `json:"schema"`
	Created time.Time `json:"created"`
	// Version is that of the build that made it.
	Version string `json:"parley_version,omitempty"`
	Title   string `json:"title"`
	// Scope are the filters, in words.
	Scope []string      `json:"scope"`
	Rules summary.Rules `json:"rules"`
	// Summary's Coverage says over how many of how many conversations it speaks.
	Summary summary.Summary `json:"summary"`
	// EvaluationNote says why there are no evaluations, or not all.
	EvaluationNote string         `json:"evaluation_note,omitempty"`
	Conversations  []summary.Case `json:"conversations"`
	// Baseline and Comparison are set by [Report.Compare].
	Baseline   *Baseline           `json:"baseline,omitempty"`
	Comparison *summary.Comparison `json:"comparison,omitempty"`

	messages map[string][]records.Message // by the conversation's id
	unread   map[string]int               // by the reason
}

// A Baseline names the report that another is compared with.
type Baseline struct {
	Title   string    `json:"title"`
	Created time.Time `json:"created"`
	// Coverage is that of the baseline.
	Coverage summary.Coverage `json:"coverage"`
}

// New makes a report without conversations. [Report.Add] adds them, and [Report.Finish] sums
// them up.
func New(title string, scope []string, rules summary.Rules, at time.Time) *Report {
	return &Report{
		Schema: Schema, Created: at.UTC(), Title: title, Scope: scope, Rules: rules, Conversations: []summary.Case{},
		messages: map[string][]records.Message{}, unread: map[string]int{},
	}
}

// Add takes over one record. Its messages are kept for the HTML form if texts is set. One that
// could not be read only counts.
func (r *Report) Add(record records.Record, texts bool) {
	if record.Unreadable != "" {
		r.unread[record.Unreadable]++
		return
	}
	c := summary.CaseOf(record)
	r.Conversations = append(r.Conversations, c)
	if texts {
		r.messages[c.ID] = record.Messages
	}
}

// Finish computes the summary. coverage has what was not added.
func (r *Report) Finish(coverage summary.Coverage) {
	for _, reason := range slices.Sorted(maps.Keys(r.unread)) {
		coverage.Unread = append(coverage.Unread, summary.Count{Name: reason, N: r.unread[reason]})
	}
	r.Summary = summary.Of(r.Conversations, coverage, r.Rules)
}

// Compare compares the report with an earlier one, by the rules of the newer.
func (r *Report) Compare(baseline *Report, tolerance float64) {
	c := summary.Compare(baseline.Conversations, r.Conversations, r.Rules, tolerance)
	r.Comparison = &c
	r.Baseline = &Baseline{Title: baseline.Title, Created: baseline.Created, Coverage: baseline.Summary.Coverage}
}

// maxBaseline bounds a document that is read.
const maxBaseline = 256 << 20

// Read reads a report that [Report.JSON] wrote.
func Read(in io.Reader) (*Report, error) {
	var head struct {
		Schema string `json:"schema"`
	}
	data, err := io.ReadAll(io.LimitReader(in, maxBaseline+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxBaseline:
		return nil, fmt.Errorf("it has more than %d MiB", maxBaseline>>20)
	case json.Unmarshal(data, &head) != nil:
		return nil, fmt.Errorf("it is no JSON document: make it with `starter report --format json`")
	case head.Schema != Schema:
		return nil, fmt.Errorf("its schema is %q, not %q: make it with `starter report --format json` of this version", head.Schema, Schema)
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("it is not a report: %w", err)
	}
	return &r, nil
}

// Evaluate gives the conversations their evaluations, by id, before [Report.Finish].
func (r *Report) Evaluate(of func(summary.Case) []conversation.Evaluation) {
	for i := range r.Conversations {
		r.Conversations[i].Evaluations = of(r.Conversations[i])
	}
}
