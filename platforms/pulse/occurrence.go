package pulse

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/platforms/internal/rest"
)

// An occurrence is a task at one due second. It is what runs once.
type occurrence struct {
	task string
	due  time.Time
}

// ref names the occurrence: "<task id>@<unix second>".
func (p *Platform) ref(o occurrence, agent string) conversation.Ref {
	return conversation.Ref{
		Platform: p.name, Simulation: o.task, Agent: agent,
		ID: fmt.Sprintf("%s@%d", o.task, o.due.Unix()),
	}
}

// occurrenceOf reads a ref.
func occurrenceOf(ref conversation.Ref) (occurrence, error) {
	at := strings.LastIndexByte(ref.ID, '@')
	if at > 0 {
		second, err := strconv.ParseInt(ref.ID[at+1:], 10, 64)
		if task := ref.ID[:at]; err == nil && second > 0 && (ref.Simulation == "" || ref.Simulation == task) {
			return occurrence{task: task, due: time.Unix(second, 0).UTC()}, nil
		}
	}
	return occurrence{}, &conversation.Error{
		Kind: conversation.Invalid, Op: fmt.Sprintf("pulse: conversation %q", rest.Clip(ref.ID)),
		Err:    fmt.Errorf("it names no occurrence of task %q", rest.Clip(ref.Simulation)),
		Remedy: "write <task id>@<unix second at which it is due>",
	}
}

// over says why the occurrence is not to be run any more. Empty: it is.
func (o occurrence) over(t Task) string {
	switch t.Status {
	case StatusActive, StatusProcessing:
	case StatusExpired:
		return "it has expired: no worker claimed it in time"
	case StatusFailed:
		return "it has failed: its webhook could not be delivered"
	default:
		return fmt.Sprintf("it is %s", rest.Clip(t.Status))
	}
	if o.moved(t) {
		return fmt.Sprintf("it is due at %s now, no longer at %s", iso(t.NextExecution.Time), iso(o.due))
	}
	return ""
}

// moved reports whether the task is at another occurrence.
func (o occurrence) moved(t Task) bool {
	return !t.NextExecution.IsZero() && !t.NextExecution.Equal(o.due)
}

func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }
