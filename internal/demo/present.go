package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
	"github.com/parley-run/parley/internal/records"
)

// personaWidth is the width of a persona's description in a table.
const personaWidth = 46

// present writes the results.
func (d *demo) present(ctx context.Context, r Result) error {
	if d.opts.JSON {
		enc := json.NewEncoder(printable.JSON(d.opts.Stdout))
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return fmt.Errorf("demo: write the result: %w", err)
		}
		if !d.opts.Exit {
			d.con.Print("Everything stays up. Ctrl-C stops it.")
		}
		return nil
	}
	var b strings.Builder
	writeTable(&b, r)
	if c, ok := finest(r.Conversations); ok {
		// The sample transcript is optional.
		if record, err := d.operator.Show(ctx, c.WorkflowID); err == nil {
			writeTranscript(&b, c, record.Messages)
		}
	}
	writeSummary(&b, r, time.Since(d.began))
	d.writeNext(&b, r)
	if _, err := io.WriteString(d.opts.Stdout, printable.Text(b.String())); err != nil {
		return fmt.Errorf("demo: write the result: %w", err)
	}
	return nil
}

func writeTable(w io.Writer, r Result) {
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"persona", "outcome", "turns", "duration"})
	for _, c := range r.Conversations {
		t.AppendRow(table.Row{clip(printable.Line(c.Persona), personaWidth), c.words(), c.Turns, c.duration()})
	}
	t.SetColumnConfigs([]table.ColumnConfig{
		{Name: "turns", Align: text.AlignRight},
		{Name: "duration", Align: text.AlignRight},
	})
	fmt.Fprintf(w, "\n%s\n", t.Render())
}

// textWidth is the width of a transcript's text beside its speaker.
const textWidth = 68

func writeTranscript(w io.Writer, c Conversation, messages []records.Message) {
	fmt.Fprintf(w, "\nOne of them, %s:\n\n", c.WorkflowID)
	for _, m := range messages {
		who := "agent"
		if m.Role == conversation.RoleUser {
			who = "persona"
		}
		for line := range strings.SplitSeq(text.WrapSoft(printable.Text(m.Text), textWidth), "\n") {
			fmt.Fprintf(w, "  %7s │ %s\n", who, strings.TrimRight(line, " "))
			who = ""
		}
	}
	fmt.Fprintf(w, "  %7s ╵ %s\n", "", c.words())
}

func writeSummary(w io.Writer, r Result, took time.Duration) {
	ended := 0
	speakers := make(map[string]bool)
	var names []string
	for _, c := range r.Conversations {
		if c.ended() {
			ended++
		}
		name := printable.Line(c.executor)
		if c.model != "" && c.model != name {
			name += " (" + printable.Line(c.model) + ")"
		}
		if name != "" && !speakers[name] {
			speakers[name] = true
			names = append(names, name)
		}
	}
	fmt.Fprintf(w, "\n%d of %d ended, in %s.", ended, len(r.Conversations), seconds(took))
	if len(names) > 0 {
		fmt.Fprintf(w, " The agent was played by %s.", strings.Join(names, ", "))
	}
	if u := r.usage(); u.InputTokens+u.OutputTokens > 0 {
		fmt.Fprintf(w, " It took %d input and %d output tokens.", u.InputTokens, u.OutputTokens)
	}
	fmt.Fprintln(w)
}

// writeNext suggests what to read next, while everything keeps running.
func (d *demo) writeNext(w io.Writer, r Result) {
	if d.opts.Exit {
		fmt.Fprintf(w, "\nWithout --exit everything keeps running\n")
	} else {
		fmt.Fprintf(w, "\nLook around\n")
	}
	if !d.opts.Exit {
		fmt.Fprintf(w, "  All of them   %s\n", r.PageURL)
	}
	if r.UIURL != "" {
		fmt.Fprintf(w, "  Temporal UI   %s\n", r.UIURL)
	}
	fmt.Fprintf(w, "  Simulator     %s/simulator/report", r.SimulatorURL)
	if r.SimulatorKey != "" {
		fmt.Fprintf(w, "   (any name, password %s)", r.SimulatorKey)
	}
	fmt.Fprintln(w)
	if d.opts.Exit {
		return
	}
	if c, ok := finest(r.Conversations); ok && c.UI != "" {
		fmt.Fprintf(w, "  One of them   %s\n", c.UI)
	}
	if c, ok := finest(r.Conversations); ok {
		at := ""
		if r.TemporalAddress != "127.0.0.1:7233" {
			at = " --temporal-address " + r.TemporalAddress
		}
		if d.stack.Namespace != "default" {
			at += " --namespace " + d.stack.Namespace
		}
		fmt.Fprintf(w, "\nIn a second terminal\n")
		fmt.Fprintf(w, "  %s list%s\n", d.opts.Starter, at)
		fmt.Fprintf(w, "  %s show %s%s\n", d.opts.Starter, c.WorkflowID, at)
	}
	fmt.Fprintf(w, "\nCtrl-C stops everything.\n")
}
