package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Accounts are what the parties have written down.
type Accounts struct {
	Platform  map[string]*Talk // by the platform's id of the conversation
	Payments  []Payment
	Effects   []Effect
	Doubled   []Doubled
	Sent      []Delivery
	Acts      []Act
	Faults    []Fault
	Samples   []Sample
	Workflows []*Workflow
	Schedules []Schedule
	Pulse     Pulse
}

type (
	// A Talk is a conversation as the platform has it.
	Talk struct {
		ID, Status, EndReason string
		Items                 []Item
		Calls                 []Call
	}
	// An Item is a message that the platform has.
	Item struct {
		ID           string    `json:"id"`
		Conversation string    `json:"conversation"`
		Role         string    `json:"role"`
		Texts        []string  `json:"texts"`
		Created      time.Time `json:"created"`
	}
	// A Call is a request that began, continued or ended a conversation.
	Call struct {
		Conversation string    `json:"conversation"`
		At           time.Time `json:"at"`
		Op           string    `json:"op"`
		Status       int       `json:"status"`
		Detail       string    `json:"detail"`
	}
	// A Payment is one answer of the model.
	Payment struct {
		At       time.Time `json:"at"`
		Token    string    `json:"token"`
		Key      string    `json:"key"`
		Digest   string    `json:"digest"`
		Previous string    `json:"previous"`
		Calls    []string  `json:"calls"`
	}
	// An Effect is something that the tool server did.
	Effect struct {
		At    time.Time `json:"at"`
		Tool  string    `json:"tool"`
		Token string    `json:"token"`
		N     int       `json:"n"`
		Key   string    `json:"key"`
	}
	// A Doubled is a POST that the network delivered twice.
	Doubled struct {
		At     time.Time `json:"at"`
		Link   string    `json:"link"`
		Target string    `json:"target"`
		Body   string    `json:"body"`
	}
	// A Delivery is one attempt of a sender at a direct message.
	Delivery struct {
		At           time.Time `json:"at"`
		Conversation string    `json:"conversation"`
		Message      string    `json:"message"`
		Text         string    `json:"text"`
		Code         int       `json:"code"`
		Reply        string    `json:"reply"`
		Turn         int       `json:"turn"`
		Detail       string    `json:"detail"`
	}
	// An Act is what an operator did.
	Act struct {
		At           time.Time `json:"at"`
		Act          string    `json:"act"`
		Conversation string    `json:"conversation"`
		OK           bool      `json:"ok"`
		Detail       string    `json:"detail"`
	}
	// A Fault is one that happened, or a stage of the run: begin, heal, end.
	Fault struct {
		At      time.Time `json:"at"`
		Kind    string    `json:"kind"`
		Target  string    `json:"target"`
		Link    string    `json:"link"`
		Seconds float64   `json:"seconds"`
		Effect  string    `json:"effect"`
	}
	// A Sample is what a worker's process used.
	Sample struct {
		At         time.Time `json:"at"`
		Name       string    `json:"name"`
		PID        int       `json:"pid"`
		RSS        int64     `json:"rss"`
		FDs        int       `json:"fds"`
		Threads    int       `json:"threads"`
		Goroutines int       `json:"goroutines"`
	}
)

// Read reads the accounts of a folder. A file that is missing is a fault: an account
// without lines exists.
func Read(dir string) (*Accounts, error) {
	a := &Accounts{Platform: map[string]*Talk{}, Pulse: Pulse{Tasks: map[string]Task{}, Dropped: map[string]bool{}}}
	err := errors.Join(
		lines(filepath.Join(dir, "platform.jsonl"), a.platformEntry),
		all(dir, "model.jsonl", &a.Payments), all(dir, "tools.jsonl", &a.Effects), all(dir, "network.jsonl", &a.Doubled),
		all(dir, "senders.jsonl", &a.Sent), all(dir, "operators.jsonl", &a.Acts), all(dir, "faults.jsonl", &a.Faults),
		all(dir, "processes.jsonl", &a.Samples), all(dir, "workflows.jsonl", &a.Workflows),
		all(dir, "schedules.jsonl", &a.Schedules), lines(filepath.Join(dir, "pulse.jsonl"), a.Pulse.entry),
	)
	if err != nil {
		return nil, err
	}
	for _, w := range a.Workflows {
		if err := w.read(filepath.Join(dir, w.File)); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(a.Workflows, func(x, y *Workflow) int { return x.Started.Compare(y.Started) })
	return a, nil
}

func all[T any](dir, name string, into *[]T) error {
	return lines(filepath.Join(dir, name), func(line []byte) error {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return err
		}
		*into = append(*into, one)
		return nil
	})
}

// lines calls each with every line. A last line without an end was being written when its
// writer was killed.
func lines(path string, each func([]byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("check: %w", err)
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("check: %s: %w", filepath.Base(path), err)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := each(line); err != nil {
			return fmt.Errorf("check: %s: line %d: %w", filepath.Base(path), n, err)
		}
	}
}

// platformEntry reads a line of the simulator's state file. A row replaces that of the
// same id.
func (a *Accounts) platformEntry(line []byte) error {
	var e struct {
		Conversations []struct {
			ID        string `json:"id"`
			Status    string `json:"status"`
			EndReason string `json:"end_reason"`
		} `json:"conversations"`
		Items  []Item `json:"items"`
		Events []Call `json:"events"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	for _, c := range e.Conversations {
		t := a.talk(c.ID)
		t.Status, t.EndReason = c.Status, c.EndReason
	}
	for _, i := range e.Items {
		t := a.talk(i.Conversation)
		t.Items = append(t.Items, i)
	}
	for _, c := range e.Events {
		t := a.talk(c.Conversation)
		t.Calls = append(t.Calls, c)
	}
	return nil
}

func (a *Accounts) talk(id string) *Talk {
	t, ok := a.Platform[id]
	if !ok {
		t = &Talk{ID: id}
		a.Platform[id] = t
	}
	return t
}

// text is a message's text as it is compared.
func (i Item) text() string { return strings.TrimSpace(strings.Join(i.Texts, "\n")) }
