//go:build linux && containers

package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// observe checks what the profile "observability" is for, once conversations have ended.
func observe(t *testing.T, s *stack) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, eventually(ctx, 2*time.Minute, func() error { return s.settled(ctx, map[string]bool{"tempo": false}) }))
	require.NoError(t, eventually(ctx, 2*time.Minute, func() error { return s.measured(ctx) }))
	require.NoError(t, eventually(ctx, time.Minute, func() error { return s.alerts(ctx) }))
	require.NoError(t, eventually(ctx, time.Minute, func() error { return s.traced(ctx) }))
}

// measured checks that Prometheus has the worker's metrics in both ways that they take, from
// its page and through the collector, under the same names. The collector still has those of
// the worker that was killed, which may have done what the present one has not yet.
func (s *stack) measured(ctx context.Context) error {
	var found struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := s.prometheus(ctx, "/api/v1/query?query="+url.QueryEscape(`count by (__name__, job) ({__name__=~"parley_.+"})`), &found); err != nil {
		return err
	}
	names := map[string][]string{}
	for _, one := range found.Result {
		names[one.Metric["job"]] = append(names[one.Metric["job"]], one.Metric["__name__"])
	}
	scraped, pushed := names["parley"], names["parley-worker"]
	missing := slices.DeleteFunc(slices.Clone(scraped), func(name string) bool { return slices.Contains(pushed, name) })
	if !slices.Contains(scraped, "parley_conversations_closed_total") || len(missing) > 0 {
		return fmt.Errorf("metrics of the worker by job: %v; scraped %v, of these not pushed %v", slices.Sorted(maps.Keys(names)), scraped, missing)
	}
	return nil
}

// alerts checks that Prometheus evaluates the rules, and that none fires.
func (s *stack) alerts(ctx context.Context) error {
	var found struct {
		Groups []struct {
			Rules []struct{ Name, Health, State, LastError string }
		}
	}
	if err := s.prometheus(ctx, "/api/v1/rules?type=alert", &found); err != nil {
		return err
	}
	var faults []error
	rules := 0
	for _, group := range found.Groups {
		rules += len(group.Rules)
		for _, rule := range group.Rules {
			if rule.Health != "ok" || rule.State == "firing" {
				faults = append(faults, fmt.Errorf("alert %s is %s, its rule %s: %s", rule.Name, rule.State, rule.Health, rule.LastError))
			}
		}
	}
	if rules == 0 {
		return errors.New("prometheus has no alerts")
	}
	return errors.Join(faults...)
}

// prometheus asks its API.
func (s *stack) prometheus(ctx context.Context, path string, data any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", s.ports["PROMETHEUS_PORT"], path), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("prometheus answers %s with %s: %s", path, response.Status, text)
	}
	return json.Unmarshal(text, &struct{ Data any }{data})
}

// traced checks that the collector got the worker's spans, and that all of them went on to
// Tempo, or to what is in its place.
func (s *stack) traced(ctx context.Context) error {
	found, err := s.containers(ctx)
	if err != nil {
		return err
	}
	// The collector shows its own metrics inside its container only, which has no wget.
	page, err := s.engine.run(ctx, "run", "--rm", "--network", "container:"+found["otel-collector"].ID,
		"--entrypoint", "wget", "postgres:16-alpine", "-q", "-O", "-", "http://127.0.0.1:8888/metrics")
	if err != nil {
		return err
	}
	counts := map[string]float64{}
	for line := range strings.Lines(page) {
		name, _, labelled := strings.Cut(line, "{")
		fields := strings.Fields(line)
		if !labelled || !strings.HasSuffix(name, "_spans") {
			continue
		}
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return fmt.Errorf("the collector's metric %q: %w", line, err)
		}
		counts[name] += value
	}
	got, sent := counts["otelcol_receiver_accepted_spans"], counts["otelcol_exporter_sent_spans"]
	if got == 0 || sent != got || counts["otelcol_exporter_send_failed_spans"] != 0 {
		return fmt.Errorf("of the collector's spans, not all have arrived and gone on: %v", counts)
	}
	if !s.engine.private {
		return nil
	}
	printed, err := s.compose(ctx, "logs", "--no-color", "tempo")
	if err != nil {
		return err
	}
	for _, span := range []string{"conversation", "invoke_agent", "exchange"} {
		if !strings.Contains(printed, " : "+span) {
			return fmt.Errorf("no span %q has arrived in Tempo's place", span)
		}
	}
	return nil
}
