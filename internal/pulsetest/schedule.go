package pulsetest

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// schedule accepts the body of POST /tasks/schedule, with the simplest "natural" times
// only.
func (s *Server) schedule(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Type           *string        `json:"schedule_type"`
		When           *when          `json:"when"`
		Payload        map[string]any `json:"payload"`
		Repeat         *repeat        `json:"repeat"`
		Metadata       map[string]any `json:"metadata"`
		WebhookURL     string         `json:"webhook_url"`
		WebhookTimeout *int           `json:"webhook_timeout"`
		WebhookRetries *int           `json:"webhook_retries"`
	}
	if !body(w, r, &in) {
		return
	}
	for name, missing := range map[string]bool{
		"schedule_type": in.Type == nil, "when": in.When == nil, "payload": in.Payload == nil,
	} {
		if missing {
			unprocessable(w, "body", name, "Field required")
			return
		}
	}
	out := Schedule{Type: *in.Type, Payload: in.Payload, Metadata: in.Metadata, WebhookURL: in.WebhookURL}
	if u, err := url.Parse(in.WebhookURL); in.WebhookURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https") {
		unprocessable(w, "body", "webhook_url", "URL scheme should be 'http' or 'https'")
		return
	}
	if in.WebhookTimeout != nil {
		if out.WebhookTimeout = *in.WebhookTimeout; out.WebhookTimeout <= 0 {
			detail(w, http.StatusBadRequest, "webhook_timeout must be positive")
			return
		}
	}
	if in.WebhookRetries != nil {
		if out.WebhookRetries = *in.WebhookRetries; out.WebhookRetries < 0 {
			detail(w, http.StatusBadRequest, "webhook_retries must not be negative")
			return
		}
	}
	if in.Repeat == nil {
		in.Repeat = in.When.Repeat
	}
	if err := in.When.read(&out, in.Repeat); err != nil {
		detail(w, http.StatusBadRequest, err.Error())
		return
	}
	id := s.Add(out)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tasks[id]
	ok(w, map[string]any{
		"task_id": id, "schedule_type": t.kind, "next_execution": isoOrNull(t.next), "status": t.status,
	})
}

type when struct {
	Type    string  `json:"type"`
	Natural string  `json:"natural"`
	Time    string  `json:"time"`
	Delay   string  `json:"delay"`
	Cron    string  `json:"cron"`
	Repeat  *repeat `json:"repeat"`
}

type repeat struct {
	Interval string `json:"interval"`
	Times    *int   `json:"times"`
}

func (w when) read(out *Schedule, again *repeat) (err error) {
	switch w.Type {
	case "cron":
		if _, err := cron.ParseStandard(w.Cron); err != nil {
			return fmt.Errorf("invalid cron expression %q", w.Cron)
		}
		out.Cron = w.Cron
		return nil
	case "once":
		if w.Natural != "" && w.Time == "" && w.Delay == "" {
			out.Delay, err = natural(w.Natural)
			return err
		}
		if w.Time == "" && w.Delay == "" {
			return errors.New("could not parse when")
		}
	case "recurring":
		if again == nil {
			return errors.New("a recurring task needs repeat")
		}
	default:
		return fmt.Errorf("unknown schedule type %q", w.Type)
	}
	if w.Time != "" {
		if out.At, err = time.Parse(time.RFC3339, w.Time); err != nil {
			if out.At, err = time.Parse("2006-01-02T15:04:05", w.Time); err != nil {
				return fmt.Errorf("could not parse time %q", w.Time)
			}
		}
	} else if w.Delay != "" {
		if out.Delay, err = span(w.Delay); err != nil {
			return err
		}
	}
	if again == nil {
		return nil
	}
	if out.Every, err = span(again.Interval); err != nil {
		return err
	}
	if out.Every == 0 {
		return errors.New("the interval is zero")
	}
	if again.Times != nil {
		out.Times = *again.Times
	}
	return nil
}

var inUnits = regexp.MustCompile(`^in (\d{1,6}) (second|minute|hour|day)s?$`)

// natural reads "now" and "in 5 minutes", most of what Pulse reads.
func natural(text string) (time.Duration, error) {
	phrase := strings.ToLower(strings.TrimSpace(text))
	if phrase == "now" {
		return 0, nil
	}
	m := inUnits.FindStringSubmatch(phrase)
	if m == nil {
		return 0, fmt.Errorf("could not parse time %q", text)
	}
	return span(m[1] + m[2][:1])
}

// maxDelay keeps durations within the range of time.Duration.
const maxDelay = 100 * 365 * 24 * time.Hour

// span reads a whole number and one of s, m, h, d, w.
func span(text string) (time.Duration, error) {
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
	}
	if len(text) > 1 {
		n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
		if unit := units[text[len(text)-1]]; err == nil && unit > 0 && n >= 0 && n <= int64(maxDelay/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, fmt.Errorf("could not parse delay %q", text)
}
