package observability

import (
	"bytes"
	"maps"
	"net"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// read decodes a file; a key that is not among the fields is an error.
func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(into), file)
}

func TestPrometheus(t *testing.T) {
	t.Parallel()
	var config struct {
		Global struct {
			ScrapeInterval     string `yaml:"scrape_interval"`
			EvaluationInterval string `yaml:"evaluation_interval"`
		} `yaml:"global"`
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string `yaml:"job_name"`
			HonorLabels   bool   `yaml:"honor_labels"`
			StaticConfigs []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	read(t, "prometheus/prometheus.yml", &config)
	require.Equal(t, []string{"alerts.yml"}, config.RuleFiles)
	for _, job := range config.ScrapeConfigs {
		for _, targets := range job.StaticConfigs {
			for _, target := range targets.Targets {
				_, _, err := net.SplitHostPort(target)
				require.NoError(t, err)
			}
		}
	}
}

// Each component of the collector that a pipeline names is configured, and the reverse.
func TestCollector(t *testing.T) {
	t.Parallel()
	var config struct {
		Receivers  map[string]any `yaml:"receivers"`
		Processors map[string]any `yaml:"processors"`
		Exporters  map[string]any `yaml:"exporters"`
		Extensions map[string]any `yaml:"extensions"`
		Service    struct {
			Extensions []string `yaml:"extensions"`
			Pipelines  map[string]struct {
				Receivers  []string `yaml:"receivers"`
				Processors []string `yaml:"processors"`
				Exporters  []string `yaml:"exporters"`
			} `yaml:"pipelines"`
		} `yaml:"service"`
	}
	read(t, "collector/config.yaml", &config)
	used := map[string][]string{}
	for name, p := range config.Service.Pipelines {
		require.Contains(t, []string{"traces", "metrics"}, name)
		used["receivers"] = append(used["receivers"], p.Receivers...)
		used["processors"] = append(used["processors"], p.Processors...)
		used["exporters"] = append(used["exporters"], p.Exporters...)
		require.Equal(t, "memory_limiter", p.Processors[0], "the limiter comes first")
	}
	for kind, configured := range map[string]map[string]any{
		"receivers": config.Receivers, "processors": config.Processors, "exporters": config.Exporters,
	} {
		slices.Sort(used[kind])
		require.Equal(t, slices.Sorted(maps.Keys(configured)), slices.Compact(used[kind]), kind)
	}
	require.Equal(t, slices.Sorted(maps.Keys(config.Extensions)), config.Service.Extensions)
}
