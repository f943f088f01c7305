package pulsetest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/robfig/cron/v3"
)

// A journal is the state file of [Open]: lines that are only appended. A line is written
// by one call of the system before the request that made the change is answered. The
// newest row of a task counts.
type journal struct {
	f       *os.File
	rows    map[string]string // as written
	claims  int               // how many are written
	acks    int
	lastErr error
}

// A line is one change.
type line struct {
	Tasks  []row   `json:"tasks,omitempty"`
	Claims []Claim `json:"claims,omitempty"`
	Acks   []Ack   `json:"acks,omitempty"`
	// Restarted is when a process opened the file, and Dropped are the tasks that the
	// restart has completed without a run: see [Server.Restart].
	Restarted *time.Time `json:"restarted,omitempty"`
	Dropped   []string   `json:"dropped,omitempty"`
}

// A row is a task.
type row struct {
	ID       string          `json:"id"`
	Type     string          `json:"type"`
	Status   string          `json:"status"`
	Created  int64           `json:"created"`
	Payload  json.RawMessage `json:"payload"`
	Metadata map[string]any  `json:"metadata,omitempty"`
	Next     int64           `json:"next,omitempty"`
	Bucket   int64           `json:"bucket"`
	When     map[string]any  `json:"when,omitempty"`
	Absolute bool            `json:"absolute,omitempty"`
	Every    int64           `json:"every,omitempty"`
	Times    int             `json:"times,omitempty"`
	Count    int             `json:"count,omitempty"`
	History  []Execution     `json:"history,omitempty"`
	Results  []string        `json:"results,omitempty"`
}

func (t *task) row() row {
	r := row{
		ID: t.id, Type: t.kind, Status: t.status, Created: t.created, Payload: t.payload, Metadata: t.metadata, Next: t.next,
		Bucket: t.bucket, When: t.when, Absolute: t.absolute, Every: t.every, Times: t.times, Count: t.count, History: t.history,
	}
	for id := range t.results {
		r.Results = append(r.Results, id)
	}
	return r
}

func (r row) task() (*task, error) {
	t := &task{
		id: r.ID, kind: r.Type, status: r.Status, created: r.Created, payload: r.Payload, metadata: r.Metadata, next: r.Next,
		bucket: r.Bucket, when: r.When, absolute: r.Absolute, every: r.Every, times: r.Times, count: r.Count, history: r.History,
		results: map[string]any{},
	}
	t.wholeNumbers()
	for _, id := range r.Results {
		t.results[id] = nil
	}
	if expression, ok := r.When["cron"].(string); ok {
		var err error
		if t.cron, err = cron.ParseStandard(expression); err != nil {
			return nil, fmt.Errorf("cron %q: %w", expression, err)
		}
	}
	return t, nil
}

// Open makes a Pulse that keeps its tasks in the file at path. Tasks that are there
// suffer what a restart of Pulse does to them: see [Server.Restart].
func Open(cfg Config, path string) (*Server, error) {
	s := New(cfg)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("pulsetest: open state: %w", err)
	}
	s.journal = &journal{f: f, rows: map[string]string{}}
	if err := s.load(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if len(s.order) == 0 {
		return s, nil
	}
	before := map[string]string{}
	for _, t := range s.order {
		before[t.id] = t.status
	}
	s.Restart()
	now := s.Now().UTC()
	restart := line{Restarted: &now}
	for _, t := range s.order {
		if t.status != before[t.id] {
			restart.Dropped = append(restart.Dropped, t.id)
		}
	}
	return s, s.journal.write(restart)
}

// load reads the file. A last line without an end was being written when its process was
// killed: it is cut off.
func (s *Server) load(f *os.File) error {
	r := bufio.NewReader(f)
	var whole int64
	for {
		text, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("pulsetest: read state: %w", err)
		}
		whole += int64(len(text))
		if err := s.restore(text); err != nil {
			return fmt.Errorf("pulsetest: read state: byte %d: %w", whole, err)
		}
	}
	if err := f.Truncate(whole); err != nil {
		return fmt.Errorf("pulsetest: read state: %w", err)
	}
	if _, err := f.Seek(whole, io.SeekStart); err != nil {
		return fmt.Errorf("pulsetest: read state: %w", err)
	}
	for _, t := range s.order {
		data, err := json.Marshal(t.row())
		if err != nil {
			return fmt.Errorf("pulsetest: read state: %w", err)
		}
		s.journal.rows[t.id] = string(data)
	}
	s.journal.claims, s.journal.acks = len(s.claims), len(s.acks)
	return nil
}

func (s *Server) restore(text []byte) error {
	var l line
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	if err := in.Decode(&l); err != nil {
		return err
	}
	for _, r := range l.Tasks {
		t, err := r.task()
		if err != nil {
			return err
		}
		if old := s.tasks[r.ID]; old != nil {
			*old = *t
			continue
		}
		s.tasks[r.ID] = t
		s.order = append(s.order, t)
	}
	s.claims, s.acks = append(s.claims, l.Claims...), append(s.acks, l.Acks...)
	return nil
}

// save appends what has changed.
func (s *Server) save() error {
	if s.journal == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.journal
	l := line{Claims: s.claims[j.claims:], Acks: s.acks[j.acks:]}
	for _, t := range s.order {
		r := t.row()
		data, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("pulsetest: save: %w", err)
		}
		if j.rows[t.id] == string(data) {
			continue
		}
		j.rows[t.id] = string(data)
		l.Tasks = append(l.Tasks, r)
	}
	if len(l.Tasks)+len(l.Claims)+len(l.Acks) == 0 {
		return nil
	}
	j.claims, j.acks = len(s.claims), len(s.acks)
	return j.write(l)
}

func (j *journal) write(l line) error {
	if j.lastErr != nil {
		return j.lastErr // what follows a gap is worth nothing
	}
	data, err := json.Marshal(l)
	if err == nil {
		_, err = j.f.Write(append(data, '\n'))
	}
	if err != nil {
		j.lastErr = fmt.Errorf("pulsetest: save: %w", err)
	}
	return j.lastErr
}
