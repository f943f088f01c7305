package observability

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"
)

const page = "../../docs/observability.md"

// A metric is one of the page's, which a test of the worker keeps equal to the code.
type metric struct {
	kind   string // "counter", "gauge" or "histogram"
	labels []string
}

var (
	row  = regexp.MustCompile("^\\| `[^`]+` \\| `([a-z0-9_]+)` \\| (counter|gauge|histogram) \\| s? ?\\| ([^|]*)\\|")
	sdk  = regexp.MustCompile("^\\| `((?:temporal|go|process)_[a-z0-9_]+)` \\| (counter|gauge|histogram) \\| ([^|]*)\\|")
	code = regexp.MustCompile("`([^`]+)`")
)

// target are the labels that Prometheus itself adds.
var target = []string{"job", "instance"}

// documented are the metrics of the page by their names in Prometheus.
func documented(t *testing.T) map[string]metric {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	all := map[string]metric{"up": {kind: "gauge"}}
	for line := range strings.Lines(string(text)) {
		found := row.FindStringSubmatch(line)
		if found == nil {
			found = sdk.FindStringSubmatch(line)
		}
		if found == nil {
			continue
		}
		m := metric{kind: found[2]}
		for _, label := range code.FindAllStringSubmatch(found[3], -1) {
			m.labels = append(m.labels, label[1])
		}
		all[found[1]] = m
	}
	require.Greater(t, len(all), 40)
	return all
}

// series are the series that Prometheus has of them, with their labels.
func series(metrics map[string]metric) map[string][]string {
	all := make(map[string][]string)
	for name, m := range metrics {
		labels := slices.Concat(m.labels, target)
		if m.kind != "histogram" {
			all[name] = labels
			continue
		}
		all[name+"_bucket"] = append(slices.Clone(labels), "le")
		all[name+"_count"], all[name+"_sum"] = labels, labels
	}
	return all
}

var queries = parser.NewParser(parser.Options{})

// check reports an error if a query cannot be parsed, or asks for something that does not
// exist. It returns the metrics that it asks for.
func check(query string, known map[string][]string) (names []string, err error) {
	expr, err := queries.ParseExpr(query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	has := labelsBelow(expr, known)
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			names = append(names, n.Name)
			labels, ok := known[n.Name]
			if !ok {
				err = errors.Join(err, fmt.Errorf("no worker has the metric %q of %s", n.Name, query))
			}
			for _, m := range n.LabelMatchers {
				if m.Name != "__name__" && !slices.Contains(labels, m.Name) {
					err = errors.Join(err, fmt.Errorf("%s has no label %q, in %s", n.Name, m.Name, query))
				}
			}
		case *parser.AggregateExpr:
			below := labelsBelow(n.Expr, known)
			for _, label := range n.Grouping {
				if !below[label] {
					err = errors.Join(err, fmt.Errorf("what is grouped by %q has no such label, in %s", label, query))
				}
			}
		case *parser.BinaryExpr:
			if n.VectorMatching == nil {
				break
			}
			for _, label := range n.VectorMatching.MatchingLabels {
				if !has[label] {
					err = errors.Join(err, fmt.Errorf("nothing has the label %q of %s", label, query))
				}
			}
		}
		return nil
	})
	if len(names) == 0 {
		err = errors.Join(err, fmt.Errorf("%s asks for nothing", query))
	}
	return names, err
}

// labelsBelow are the labels of the metrics in an expression.
func labelsBelow(in parser.Expr, known map[string][]string) map[string]bool {
	all := make(map[string]bool)
	parser.Inspect(in, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			for _, label := range known[s.Name] {
				all[label] = true
			}
		}
		return nil
	})
	return all
}

// The check finds what it is for.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	known := series(map[string]metric{"a_total": {"counter", []string{"x"}}, "b": {"histogram", []string{"y"}}})
	for _, query := range []string{
		`sum by (x) (rate(a_total{x="1"}[5m]))`, `histogram_quantile(0.9, sum by (le, y) (rate(b_bucket[5m])))`, `a_total{job="j"} > b_count`,
	} {
		_, err := check(query, known)
		require.NoError(t, err)
	}
	for _, query := range []string{
		`rate(a_total[5m]`, `c`, `a_total{y="1"}`, `sum by (y) (a_total)`, `b`, `sum by (le) (b_sum)`, `sum by (y) (a_total) / sum by (y) (b_count)`, `1`,
	} {
		_, err := check(query, known)
		require.Error(t, err, query)
	}
}
