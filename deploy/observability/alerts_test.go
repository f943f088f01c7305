package observability

import (
	"context"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const alertsFile = "prometheus/alerts.yml"

// alerts are the rules, checked as Prometheus checks them.
func alerts(t *testing.T, file string) []rulefmt.Rule {
	t.Helper()
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation, queries, slog.New(slog.DiscardHandler))
	require.Empty(t, errs)
	var all []rulefmt.Rule
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestAlertsAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := series(documented(t))
	for _, rule := range alerts(t, alertsFile) {
		_, err := check(rule.Expr, known)
		require.NoError(t, err, rule.Alert)
	}
}

// An alert says what to do.
func TestAlertsHaveRunbooks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, rule := range alerts(t, alertsFile) {
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["description"], rule.Alert)
		require.Contains(t, []string{"warning", "critical"}, rule.Labels["severity"], rule.Alert)
		require.Equal(t, "https://github.com/parley-run/parley/blob/main/docs/observability.md#"+strings.ToLower(rule.Alert), rule.Annotations["runbook_url"])
		require.Regexp(t, `(?m)^#+ `+rule.Alert+`$`, string(text), "the page has no section for it")
	}
	for _, found := range regexp.MustCompile(`(?m)^### (Parley\w+)$`).FindAllStringSubmatch(string(text), -1) {
		require.True(t, slices.ContainsFunc(alerts(t, alertsFile), func(r rulefmt.Rule) bool { return r.Alert == found[1] }), "there is no alert %s", found[1])
	}
}

// ruleTests is promtool's format of tests, as far as it is used here.
type ruleTests struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []struct {
		Name        string         `yaml:"name"`
		Interval    model.Duration `yaml:"interval"`
		InputSeries []struct {
			Series string `yaml:"series"`
			Values string `yaml:"values"`
		} `yaml:"input_series"`
		AlertRuleTest []struct {
			EvalTime  model.Duration `yaml:"eval_time"`
			Alertname string         `yaml:"alertname"`
			ExpAlerts []firing       `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

// firing is an alert that fires.
type firing struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// The tests of alerts run as promtool runs them, with the engine of Prometheus 3, which
// docker-compose.yml has: Debian's promtool, which TestPromtool runs, may be Prometheus 2.
// Building promtool here would need the clients of all clouds that Prometheus finds targets in.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("prometheus/alerts_test.yml")
	require.NoError(t, err)
	var tests ruleTests
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&tests))
	rules := make(map[string]rulefmt.Rule)
	for _, file := range tests.RuleFiles {
		for _, rule := range alerts(t, filepath.Join("prometheus", file)) {
			rules[rule.Alert] = rule
		}
	}
	fired, quiet := make(map[string]bool), make(map[string]bool)
	known := series(documented(t))
	for _, test := range tests.Tests {
		t.Run(test.Name, func(t *testing.T) {
			var stored memory
			for _, in := range test.InputSeries {
				stored.add(t, known, in.Series, in.Values, time.Duration(test.Interval))
			}
			for _, want := range test.AlertRuleTest {
				rule, ok := rules[want.Alertname]
				require.True(t, ok, want.Alertname)
				got := evaluate(t, rule, stored, time.Duration(want.EvalTime), time.Duration(tests.EvaluationInterval))
				require.ElementsMatch(t, want.ExpAlerts, got, "%s at %s", want.Alertname, want.EvalTime)
				fired[want.Alertname] = fired[want.Alertname] || len(got) > 0
				quiet[want.Alertname] = quiet[want.Alertname] || len(got) == 0
			}
		})
	}
	for name := range rules {
		require.True(t, fired[name], "no test has %s fire", name)
		require.True(t, quiet[name], "no test has %s not fire", name)
	}
}

var epoch = time.Unix(0, 0).UTC()

// evaluate returns what fires at a time, after evaluations on the interval since the
// beginning: what is true for as long as the rule says.
func evaluate(t *testing.T, rule rulefmt.Rule, stored memory, at, interval time.Duration) []firing {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableNegativeOffset: true, Parser: queries})
	query := func(ctx context.Context, text string, ts time.Time) (promql.Vector, error) {
		q, err := engine.NewInstantQuery(ctx, stored, nil, text, ts)
		if err != nil {
			return nil, err
		}
		defer q.Close()
		return q.Exec(ctx).Vector()
	}
	since := make(map[string]time.Time)
	var firings []firing
	for now := epoch; !now.After(epoch.Add(at)); now = now.Add(interval) {
		found, err := query(t.Context(), rule.Expr, now)
		require.NoError(t, err)
		active := make(map[string]time.Time)
		firings = nil
		for _, one := range found {
			by := one.Metric.DropReserved(func(name string) bool { return name == model.MetricNameLabel })
			key := by.String()
			active[key] = now
			if before, ok := since[key]; ok {
				active[key] = before
			}
			if now.Sub(active[key]) < time.Duration(rule.For) {
				continue
			}
			expand := func(text string) string {
				data := template.AlertTemplateData(by.Map(), nil, "", promql.Sample{F: one.F})
				out, err := template.NewTemplateExpander(t.Context(), "{{$labels := .Labels}}{{$value := .Value}}"+text, rule.Alert, data,
					model.TimeFromUnixNano(now.UnixNano()), query, &url.URL{}, nil).Expand()
				require.NoError(t, err)
				return out
			}
			f := firing{Labels: by.Map(), Annotations: make(map[string]string)}
			maps.Copy(f.Labels, rule.Labels)
			for name, text := range rule.Annotations {
				f.Annotations[name] = expand(text)
			}
			firings = append(firings, f)
		}
		since = active
	}
	return firings
}

// sample is a number at a time, in milliseconds.
type sample struct {
	at    int64
	value float64
}

func (s sample) T() int64                    { return s.at }
func (sample) ST() int64                     { return 0 }
func (s sample) F() float64                  { return s.value }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }

// memory is a store of series.
type memory []storage.Series

// add adds a series, written as promtool's tests are.
func (m *memory) add(t *testing.T, known map[string][]string, name, values string, interval time.Duration) {
	t.Helper()
	by, sequence, err := queries.ParseSeriesDesc(name + " " + values)
	require.NoError(t, err)
	by.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel {
			require.Contains(t, known[by.Get(model.MetricNameLabel)], l.Name, "a test with a label that there is not")
		}
	})
	var samples []chunks.Sample
	for i, v := range sequence {
		if !v.Omitted {
			samples = append(samples, sample{at: epoch.Add(time.Duration(i) * interval).UnixMilli(), value: v.Value})
		}
	}
	*m = append(*m, storage.NewListSeries(by, samples))
}

// Querier implements storage.Queryable.
func (m memory) Querier(int64, int64) (storage.Querier, error) { return querier{m}, nil }

type querier struct{ memory }

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var found []storage.Series
	for _, s := range q.memory {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.Labels().Get(m.Name)) }) {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &set{series: found}
}

// LabelValues and LabelNames implement storage.LabelQuerier: the engine asks for none.
func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (querier) Close() error { return nil }

type set struct {
	series []storage.Series
	next   int
}

func (s *set) Next() bool                        { s.next++; return s.next <= len(s.series) }
func (s *set) At() storage.Series                { return s.series[s.next-1] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }
