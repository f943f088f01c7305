package check

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// A Workflow is one run of a workflow, with its history.
type Workflow struct {
	ID         string               `json:"id"`
	Run        string               `json:"run"`
	Type       string               `json:"type"`
	Status     string               `json:"status"`
	Shown      string               `json:"shown"`
	Started    time.Time            `json:"started"`
	File       string               `json:"file"`
	Heartbeats map[string]time.Time `json:"heartbeats"`

	Steps   []Step
	Outcome Outcome
	Updates []Update
	// Reset is when this run was made by a reset: what was before is another run's. Zero: it
	// was not.
	Reset time.Time
	// Closed is when it ended. Zero: it has not.
	Closed time.Time
}

// A Step is an activity that has a result, a failure, or none yet.
type Step struct {
	ID        int64  // of its first event
	Name      string // the activity's type
	Scheduled time.Time
	Closed    time.Time // zero: it is pending
	Ended     string    // completed, failed, timed out, cancelled
	Attempt   int
	Failure   string
	// Heartbeat is the heartbeat timeout.
	Heartbeat time.Duration
	Input     Input
	Result    Result
}

type (
	// A Message is a message as histories have it.
	Message struct {
		Role  string `json:"role"`
		Parts []struct {
			Type     string `json:"type"`
			Text     string `json:"text"`
			ToolCall *struct {
				ID        string          `json:"id"`
				Name      string          `json:"name"`
				Arguments json.RawMessage `json:"arguments"`
			} `json:"tool_call"`
			ToolResult *struct {
				CallID  string `json:"call_id"`
				Content string `json:"content"`
				IsError bool   `json:"is_error"`
			} `json:"tool_result"`
		} `json:"parts"`
	}
	// Input is what the checker needs of an activity's input, of any type.
	Input struct {
		Turn     int       `json:"turn"`
		Round    int       `json:"round"`
		Before   int       `json:"before"`
		Messages []Message `json:"messages"`
		New      []Message `json:"new"`
		Call     struct {
			CallID    string          `json:"call_id"`
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"call"`
	}
	// Result is the same of a result.
	Result struct {
		Claimed    *bool     `json:"claimed"`
		HandedOver bool      `json:"handed_over"`
		Message    *Message  `json:"message"`
		Messages   []Message `json:"messages"`
		Taken      int       `json:"taken"`
		Content    string    `json:"content"`
		IsError    bool      `json:"is_error"`
		Raw        string    `json:"-"`
	}
	// Outcome is a conversation's result.
	Outcome struct {
		Kind    string `json:"outcome"`
		EndedBy string `json:"ended_by"`
		Detail  string `json:"detail"`
	}
	// An Update is one that the workflow accepted.
	Update struct {
		Accepted, Completed time.Time
		Name                string
		ID                  string // of the message that it sends
		Reply               string
		Failed              bool
	}
)

func (m Message) text() string {
	var parts []string
	for _, p := range m.Parts {
		if p.Type == "text" {
			parts = append(parts, p.Text)
		}
	}
	return strings.TrimSpace(strings.Join(parts, "\n"))
}

type payloads struct {
	Payloads []struct {
		Data []byte `json:"data"`
	} `json:"payloads"`
}

// into decodes the first payload. What has another form than expected stays empty.
func (p payloads) into(v any) string {
	if len(p.Payloads) == 0 {
		return ""
	}
	_ = json.Unmarshal(p.Payloads[0].Data, v)
	return string(p.Payloads[0].Data)
}

type event struct {
	ID   int64     `json:"eventId,string"`
	Time time.Time `json:"eventTime"`
	Type string    `json:"eventType"`

	Scheduled *struct {
		Type struct {
			Name string `json:"name"`
		} `json:"activityType"`
		Input     payloads `json:"input"`
		Heartbeat string   `json:"heartbeatTimeout"`
	} `json:"activityTaskScheduledEventAttributes"`
	Started *struct {
		Scheduled int64 `json:"scheduledEventId,string"`
		Attempt   int   `json:"attempt"`
	} `json:"activityTaskStartedEventAttributes"`
	Completed *struct {
		Scheduled int64    `json:"scheduledEventId,string"`
		Result    payloads `json:"result"`
	} `json:"activityTaskCompletedEventAttributes"`
	Failed   *closed `json:"activityTaskFailedEventAttributes"`
	TimedOut *closed `json:"activityTaskTimedOutEventAttributes"`
	Canceled *closed `json:"activityTaskCanceledEventAttributes"`

	Accepted *struct {
		Request request `json:"acceptedRequest"`
		// Admitted is the event that has the request, if this one has none: after a reset.
		Admitted int64 `json:"acceptedRequestSequencingEventId,string"`
	} `json:"workflowExecutionUpdateAcceptedEventAttributes"`
	Admitted *struct {
		Request request `json:"request"`
	} `json:"workflowExecutionUpdateAdmittedEventAttributes"`
	Answered *struct {
		Accepted int64 `json:"acceptedEventId,string"`
		Outcome  struct {
			Success *payloads       `json:"success"`
			Failure json.RawMessage `json:"failure"`
		} `json:"outcome"`
	} `json:"workflowExecutionUpdateCompletedEventAttributes"`

	Done *struct {
		Result payloads `json:"result"`
	} `json:"workflowExecutionCompletedEventAttributes"`
	Broken *struct {
		Failure struct {
			Message string `json:"message"`
		} `json:"failure"`
	} `json:"workflowExecutionFailedEventAttributes"`
	Cancelled  json.RawMessage `json:"workflowExecutionCanceledEventAttributes"`
	Terminated json.RawMessage `json:"workflowExecutionTerminatedEventAttributes"`
	TaskFailed *struct {
		Cause string `json:"cause"`
	} `json:"workflowTaskFailedEventAttributes"`
}

// A request is that of an update.
type request struct {
	Input struct {
		Name string   `json:"name"`
		Args payloads `json:"args"`
	} `json:"input"`
}

type closed struct {
	Scheduled int64 `json:"scheduledEventId,string"`
	Failure   struct {
		Message string `json:"message"`
	} `json:"failure"`
}

// read reads the run's history.
func (w *Workflow) read(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	var h struct {
		Events []event `json:"events"`
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("check: history of %s: %w", w.ID, err)
	}
	steps, updates, admitted := map[int64]int{}, map[int64]int{}, map[int64]request{}
	for _, e := range h.Events {
		if e.Admitted != nil {
			admitted[e.ID] = e.Admitted.Request
		}
		if e.Accepted != nil && e.Accepted.Request.Input.Name == "" {
			e.Accepted.Request = admitted[e.Accepted.Admitted]
		}
		w.apply(e, steps, updates)
	}
	return nil
}

func (w *Workflow) apply(e event, steps, updates map[int64]int) {
	step := func(scheduled int64) *Step {
		if i, ok := steps[scheduled]; ok {
			return &w.Steps[i]
		}
		return &Step{}
	}
	end := func(c *closed, how string) {
		s := step(c.Scheduled)
		s.Closed, s.Ended, s.Failure = e.Time, how, c.Failure.Message
	}
	switch {
	case e.Scheduled != nil:
		s := Step{ID: e.ID, Name: e.Scheduled.Type.Name, Scheduled: e.Time}
		s.Heartbeat, _ = time.ParseDuration(e.Scheduled.Heartbeat)
		e.Scheduled.Input.into(&s.Input)
		steps[e.ID] = len(w.Steps)
		w.Steps = append(w.Steps, s)
	case e.Started != nil:
		step(e.Started.Scheduled).Attempt = e.Started.Attempt
	case e.Completed != nil:
		s := step(e.Completed.Scheduled)
		s.Closed, s.Ended = e.Time, "completed"
		s.Result.Raw = e.Completed.Result.into(&s.Result)
	case e.Failed != nil:
		end(e.Failed, "failed")
	case e.TimedOut != nil:
		end(e.TimedOut, "timed out")
	case e.Canceled != nil:
		end(e.Canceled, "cancelled")
	case e.Accepted != nil:
		u := Update{Accepted: e.Time, Name: e.Accepted.Request.Input.Name}
		var in struct {
			ID string `json:"id"`
		}
		e.Accepted.Request.Input.Args.into(&in)
		u.ID = in.ID
		updates[e.ID] = len(w.Updates)
		w.Updates = append(w.Updates, u)
	case e.Answered != nil:
		if i, ok := updates[e.Answered.Accepted]; ok {
			u := &w.Updates[i]
			u.Completed, u.Failed = e.Time, e.Answered.Outcome.Success == nil
			if !u.Failed {
				var reply struct {
					Message Message `json:"message"`
				}
				e.Answered.Outcome.Success.into(&reply)
				u.Reply = reply.Message.text()
			}
		}
	case e.TaskFailed != nil && e.TaskFailed.Cause == "WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW":
		w.Reset = e.Time
	case e.Terminated != nil, e.Cancelled != nil:
		w.Closed = e.Time
	case e.Done != nil:
		w.Closed = e.Time
		e.Done.Result.into(&w.Outcome)
	case e.Broken != nil:
		w.Closed = e.Time
		w.Outcome = Outcome{Kind: "failed", Detail: e.Broken.Failure.Message}
	}
}
