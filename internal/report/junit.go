package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/summary"
)

type junitSuites struct {
	XMLName xml.Name   `xml:"testsuites"`
	Name    string     `xml:"name,attr"`
	Suite   junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string       `xml:"name,attr"`
	ClassName string       `xml:"classname,attr"`
	Time      string       `xml:"time,attr"`
	Failure   *junitResult `xml:"failure"`
	Error     *junitResult `xml:"error"`
	Skipped   *junitResult `xml:"skipped"`
	Out       string       `xml:"system-out,omitempty"`
}

type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// JUnit writes one test case for each conversation. What the rules count as a failure fails,
// and what is undecided is skipped. If not all conversations could be read, a case of its own
// has the error: a part must not pass as the whole.
func (r *Report) JUnit(w io.Writer) error {
	suite := junitSuite{
		Name: xmlLine(r.Title), Tests: len(r.Conversations), Failures: r.Summary.Failed, Skipped: r.Summary.Undecided,
		Timestamp:  r.Created.UTC().Format("2006-01-02T15:04:05"),
		Properties: []junitProperty{{"coverage", xmlLine(r.Summary.Coverage.String())}, {"failures", xmlLine(strings.Join(r.Rules.Failures, ", "))}},
	}
	total := 0.0
	for _, c := range r.Conversations {
		total += c.Seconds
		suite.Cases = append(suite.Cases, r.junitCase(c))
	}
	if !r.Summary.Coverage.Whole() {
		suite.Tests++
		suite.Errors++
		suite.Cases = append(suite.Cases, junitCase{
			Name: "all conversations are read", ClassName: "parley", Time: "0",
			Error: &junitResult{Message: xmlLine(sentence(r.Summary.Coverage.String())), Type: "incomplete"},
		})
	}
	suite.Time = junitTime(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(junitSuites{Name: suite.Name, Suite: suite}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (r *Report) junitCase(c summary.Case) junitCase {
	out := junitCase{Name: xmlLine(persona(c.Persona, c.Scenario) + " [" + c.ID + "]"), ClassName: xmlLine(classOf(c)), Time: junitTime(c.Seconds)}
	var said []string
	if c.Link != "" {
		said = append(said, c.Link)
	}
	for _, e := range c.Evaluations {
		said = append(said, fmt.Sprintf("%s: %s %s", e.Objective, percent(e.Score), e.Reason))
	}
	out.Out = xmlText(strings.Join(said, "\n"))
	switch r.Rules.Class(c) {
	case summary.Failed:
		out.Failure = &junitResult{Message: xmlLine(strings.TrimSuffix(c.Result()+": "+c.Reason, ": ")), Type: xmlLine(c.Key()), Text: xmlText(c.Reason)}
	case summary.Undecided:
		out.Skipped = &junitResult{Message: xmlLine("undecided: " + c.Result())}
	}
	return out
}

// classOf groups cases: by simulation, else by agent.
func classOf(c summary.Case) string {
	parts := []string{c.Platform}
	for _, p := range []string{c.Simulation, c.Agent} {
		if p != "" {
			parts = append(parts, p)
			break
		}
	}
	return strings.Join(parts, ".")
}

func junitTime(seconds float64) string {
	return fmt.Sprintf("%.3f", time.Duration(seconds*float64(time.Second)).Seconds())
}

// xmlText leaves only characters that XML 1.0 can have. The encoder escapes the rest.
func xmlText(s string) string {
	return strings.Map(func(r rune) rune {
		if r == 0xFFFE || r == 0xFFFF || r < ' ' && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, printable.Text(s))
}

func xmlLine(s string) string { return strings.Join(strings.Fields(xmlText(s)), " ") }
