//go:build unix

package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/parley-run/parley/chaos/internal/account"
	"github.com/parley-run/parley/internal/pause"
)

// A sample is a line of processes.jsonl: what a worker's process uses.
type sample struct {
	At         time.Time `json:"at"`
	Name       string    `json:"name"`
	PID        int       `json:"pid"`
	RSS        int64     `json:"rss"` // bytes
	FDs        int       `json:"fds"`
	Threads    int       `json:"threads"`
	Goroutines int       `json:"goroutines,omitempty"`
}

// Sample measures the workers until ctx is done.
func (s *Stack) Sample(ctx context.Context) error {
	to, err := account.Open(s.Path("processes.jsonl"))
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	for pause.For(ctx, 3*time.Second) == nil {
		for i, w := range s.Workers {
			pid := w.PID()
			if pid == 0 || w.Frozen() {
				continue
			}
			one := sample{At: time.Now().UTC(), Name: w.Name, PID: pid}
			if one.read() != nil {
				continue
			}
			if n, ok := metrics(ctx, s.health[i], "go_goroutines"); ok {
				one.Goroutines = int(n)
			}
			if err := to.Write(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads what Linux knows of the process.
func (s *sample) read() error {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID))
	if err != nil {
		return err
	}
	s.FDs = len(entries)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		number, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		switch name {
		case "VmRSS":
			kib, _ := strconv.ParseInt(number, 10, 64)
			s.RSS = kib << 10
		case "Threads":
			s.Threads, _ = strconv.Atoi(number)
		}
	}
	return nil
}

// Unclaimed is how many conversations the platform still has for its agent: those that
// no worker has claimed yet.
func (s *Stack) Unclaimed(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Addr["platform"]+"/simulator/report", nil)
	if err != nil {
		return 0, fmt.Errorf("stack: %w", err)
	}
	req.Header.Set("X-Api-Key", Key)
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("stack: report: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var report struct {
		Simulations []struct {
			Conversations map[string]int `json:"conversations"`
		} `json:"simulations"`
	}
	if err := json.NewDecoder(res.Body).Decode(&report); err != nil {
		return 0, fmt.Errorf("stack: report: %w", err)
	}
	n := 0
	for _, one := range report.Simulations {
		n += one.Conversations["queued"]
	}
	return n, nil
}
