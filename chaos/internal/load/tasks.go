package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/parley-run/parley/internal/httpclient"
	"github.com/parley-run/parley/internal/pause"
)

// Pulse is where tasks are scheduled.
type Pulse struct{ Addr, Key string }

var pulseClient = httpclient.New(httpclient.Config{Timeout: 10 * time.Second})

func (p Pulse) call(ctx context.Context, method, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("load: pulse: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.Addr+path, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("load: pulse: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+p.Key)
	req.Header.Set("Content-Type", "application/json")
	res, err := pulseClient.Do(req)
	if err != nil {
		return fmt.Errorf("load: pulse: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("load: pulse: %s %s: status %d", method, path, res.StatusCode)
	}
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		return fmt.Errorf("load: pulse: %s %s: %w", method, path, err)
	}
	return nil
}

// schedule schedules one run, or times runs at an interval. Pulse's state file is the
// account of what it has accepted.
func (p Pulse) schedule(ctx context.Context, name string, in, every time.Duration, times int) error {
	when := map[string]any{"type": "once", "time": time.Now().Add(in).UTC().Format("2006-01-02T15:04:05Z")}
	if times > 0 {
		when["type"] = "recurring"
		when["repeat"] = map[string]any{"interval": fmt.Sprintf("%ds", int(every.Seconds())), "times": times}
	}
	var out map[string]any
	return p.call(ctx, http.MethodPost, "/tasks/schedule", map[string]any{
		"schedule_type": "run_agent", "when": when, "payload": map[string]any{"agent_id": "a-1", "params": map[string]any{"task": name}},
	}, &out)
}

// active is how many tasks are still to be claimed.
func (p Pulse) active(ctx context.Context) (int, error) {
	var out struct {
		Tasks []json.RawMessage `json:"tasks"`
	}
	err := p.call(ctx, http.MethodGet, "/tasks?status=active&limit=1000", nil, &out)
	return len(out.Tasks), err
}

// Some tasks are due after the last fault: these must be on time.
const tasksAfter = 12 * time.Second

const recurringEvery = 15 * time.Second

// assignTasks schedules tasks at Pulse until a while after open ends.
func (l *Load) assignTasks(ctx, open context.Context, random *rand.Rand) {
	if deadline, ok := open.Deadline(); ok {
		times := max(2, int(time.Until(deadline)/recurringEvery)-1)
		for n := range 2 {
			for l.Pulse.schedule(ctx, fmt.Sprintf("again-%d", n), 5*time.Second, recurringEvery, times) != nil && pause.For(ctx, time.Second) == nil {
			}
		}
	}
	until, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(open, func() {
		_ = pause.For(ctx, tasksAfter)
		cancel()
	})()
	for n := 0; pause.For(until, time.Duration(1500+random.IntN(4000))*time.Millisecond) == nil; n++ {
		_ = l.Pulse.schedule(ctx, fmt.Sprintf("once-%d", n), time.Duration(2+random.IntN(10))*time.Second, 0, 0)
	}
}
