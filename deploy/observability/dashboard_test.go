package observability

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dashboard is the part of Grafana's model that is checked.
type dashboard struct {
	UID        string `json:"uid"`
	Panels     []panel
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int               `json:"id"`
	Title      string            `json:"title"`
	Type       string            `json:"type"`
	Datasource map[string]string `json:"datasource"`
	GridPos    struct {
		H, W, X, Y int
	} `json:"gridPos"`
	Targets []struct {
		Expr         string            `json:"expr"`
		LegendFormat string            `json:"legendFormat"`
		Datasource   map[string]string `json:"datasource"`
	} `json:"targets"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("grafana/dashboards/parley.json")
	require.NoError(t, err)
	var d dashboard
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

var (
	variable    = regexp.MustCompile(`\$\{?(\w+)\}?`)
	labelValues = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)
	legend      = regexp.MustCompile(`\{\{(\w+)\}\}`)
)

// plainQuery is a query as Grafana sends it.
func plainQuery(expr string) string { return strings.ReplaceAll(expr, "$__rate_interval", "5m") }

func TestDashboardAsksForMetricsThatExist(t *testing.T) {
	t.Parallel()
	d, known := readDashboard(t), series(documented(t))
	variables := map[string]bool{"__rate_interval": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
		if v.Type != "query" {
			continue
		}
		found := labelValues.FindStringSubmatch(v.Definition)
		require.NotNil(t, found, v.Definition)
		_, err := check(found[1], known)
		require.NoError(t, err)
		name, _, _ := strings.Cut(found[1], "{")
		require.Contains(t, known[name], found[2], v.Definition)
	}
	for _, name := range []string{"datasource", "platform", "agent"} {
		require.True(t, variables[name], name)
	}
	queries := 0
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			queries++
			_, err := check(plainQuery(target.Expr), known)
			require.NoError(t, err, p.Title)
			require.Equal(t, "${datasource}", target.Datasource["uid"], p.Title)
			for _, v := range variable.FindAllStringSubmatch(target.Expr, -1) {
				require.True(t, variables[v[1]], "%s has the variable %s", p.Title, v[1])
			}
			for _, label := range legend.FindAllStringSubmatch(target.LegendFormat, -1) {
				require.Contains(t, target.Expr, label[1], "%s: a legend with a label that the query drops", p.Title)
			}
		}
	}
	require.Greater(t, queries, 60)
}

// A gauge that every worker reads from Temporal is never added up over workers.
func TestSharedGaugesAreNotAddedUp(t *testing.T) {
	t.Parallel()
	direct := regexp.MustCompile(`sum(?: by \([^)]*\))? ?\((parley_(?:conversations_(?:open|parked|stranded|assigned|waiting)|approvals_\w+|capacity_(?:reserved|limit|free)|inbox_state))\b`)
	require.Regexp(t, direct, `sum by (x) (parley_conversations_open{x="y"})`)
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			require.NotRegexp(t, direct, target.Expr, p.Title)
		}
	}
	for _, rule := range alerts(t, alertsFile) {
		require.NotRegexp(t, direct, rule.Expr, rule.Alert)
	}
}

// Every metric of the page is on the dashboard, but for those that say the same as another.
func TestDashboardShowsEveryMetric(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("grafana/dashboards/parley.json")
	require.NoError(t, err)
	elsewhere := map[string]bool{
		"processing_tasks":                true, // OneRun's names
		"queued_tasks":                    true,
		"max_concurrent_tasks":            true,
		"poll_interval":                   true,
		"parley_transcript_lookups_total": true, // for tuning
		"parley_limit_wait_seconds":       true,
		"parley_limit_queued_total":       true,
		"parley_iii_connected":            true, // /readyz says so
		"parley_missing_keys":             true, // an alert
	}
	for name := range documented(t) {
		if name == "up" {
			continue // Prometheus' own
		}
		shown := strings.Contains(string(text), name)
		require.Equal(t, !elsewhere[name], shown, name)
	}
}

func TestDashboardIsWellFormed(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	ids, taken := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		require.NotEmpty(t, p.Title)
		require.Empty(t, ids[p.ID], "%s has the id of another", p.Title)
		ids[p.ID] = p.Title
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			require.Less(t, x, 24, p.Title)
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				require.Empty(t, taken[[2]int{x, y}], "%s lies on another", p.Title)
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// Grafana's dashboards are those in the folder that the provisioning names.
func TestGrafanaFindsTheDashboard(t *testing.T) {
	t.Parallel()
	var found struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name           string            `yaml:"name"`
			Type           string            `yaml:"type"`
			AllowUIUpdates bool              `yaml:"allowUiUpdates"`
			Options        map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	read(t, "grafana/provisioning/dashboards/dashboards.yaml", &found)
	require.Equal(t, "/etc/grafana/dashboards", found.Providers[0].Options["path"])
	files, err := filepath.Glob("grafana/dashboards/*.json")
	require.NoError(t, err)
	require.Len(t, files, 1)
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name      string         `yaml:"name"`
			UID       string         `yaml:"uid"`
			Type      string         `yaml:"type"`
			Access    string         `yaml:"access"`
			URL       string         `yaml:"url"`
			IsDefault bool           `yaml:"isDefault"`
			JSONData  map[string]any `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	read(t, "grafana/provisioning/datasources/datasources.yaml", &sources)
	require.Len(t, sources.Datasources, 2)
}
