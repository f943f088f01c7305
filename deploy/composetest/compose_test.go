// Package composetest checks docker-compose.yml without a container engine; package
// containers below it runs the file.
package composetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// load reads the file as "docker compose --profile … up" does, with the
// environment given in place of the shell's. No profile: what .env says.
func load(t *testing.T, environment []string, profiles ...string) *types.Project {
	t.Helper()
	return loadWith(t, environment, nil, profiles...)
}

// loadWith has files in the place of .env.
func loadWith(t *testing.T, environment, envFiles []string, profiles ...string) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "docker-compose.yml")},
		cli.WithWorkingDirectory(dir),
		cli.WithEnv(environment),
		cli.WithEnvFiles(envFiles...),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...),
	)
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestSchema(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	require.NoError(t, err)
	var document map[string]any
	require.NoError(t, yaml.Unmarshal(text, &document))
	require.NoError(t, schema.Validate(document))

	// The schema is really asked.
	document["services"].(map[string]any)["worker"].(map[string]any)["port"] = "8089"
	require.Error(t, schema.Validate(document))
}

var (
	base     = []string{"postgresql", "setup", "temporal", "temporal-namespace", "temporal-schema", "temporal-ui"}
	practice = append([]string{"practice-ids", "simulator", "worker"}, base...)
	onerun   = append([]string{"worker-onerun"}, base...)
	// observe stands beside any of them.
	observe = []string{"grafana", "otel-collector", "prometheus", "tempo"}
	// unbuilt are those of which make compose-test cannot build images.
	unbuilt = []string{"grafana", "tempo"}
)

func TestProfiles(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		profiles []string
		services []string
	}{
		{"PlainUp", nil, practice},
		{"Practice", []string{"practice"}, practice},
		{"OneRun", []string{"onerun"}, onerun},
		{"PracticeObserved", []string{"practice", "observability"}, append(slices.Clone(practice), observe...)},
		{"OneRunObserved", []string{"onerun", "observability"}, append(slices.Clone(onerun), observe...)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			require.ElementsMatch(t, tc.services, load(t, nil, tc.profiles...).ServiceNames())
		})
	}
}

// oneShots end when they have done their work; the others go on and are healthy
// or not.
var oneShots = []string{"practice-ids", "setup", "temporal-namespace", "temporal-schema"}

func TestStartOrder(t *testing.T) {
	t.Parallel()
	project := load(t, nil, "practice", "onerun", "observability")
	for name, service := range project.Services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			oneShot := slices.Contains(oneShots, name)
			require.Equal(t, oneShot, service.HealthCheck == nil, "one or the other: a health check, or an end")
			if oneShot {
				require.Regexp(t, `^on-failure:\d+$`, service.Restart, "it must end, but may try again")
			} else {
				require.Equal(t, "unless-stopped", service.Restart)
			}
			for on, dependency := range service.DependsOn {
				want := types.ServiceConditionHealthy
				if slices.Contains(oneShots, on) {
					want = types.ServiceConditionCompletedSuccessfully
				}
				require.Equal(t, want, dependency.Condition, "how it waits for %s", on)
			}
		})
	}
	// Everything that talks to Temporal comes after the namespace.
	for _, worker := range []string{"worker", "worker-onerun"} {
		for _, earlier := range []string{"postgresql", "temporal-schema", "temporal", "temporal-namespace", "setup"} {
			require.True(t, comesAfter(project, worker, earlier), "%s before %s", earlier, worker)
		}
	}
	require.True(t, comesAfter(project, "worker", "simulator"))
	require.False(t, comesAfter(project, "worker-onerun", "simulator"))
}

func comesAfter(project *types.Project, name, earlier string) bool {
	for on := range project.Services[name].DependsOn {
		if on == earlier || comesAfter(project, on, earlier) {
			return true
		}
	}
	return false
}

func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	for name, service := range load(t, nil, "practice", "onerun", "observability").Services {
		if service.Build != nil {
			require.Equal(t, "parley:dev", service.Image, name)
			continue
		}
		_, tag, _ := strings.Cut(service.Image, ":")
		require.NotEmpty(t, tag, "%s: %s has no tag", name, service.Image)
		require.NotEqual(t, "latest", tag, name)
	}
}

// What a container may do is as little as it needs.
func TestContainersAreConfined(t *testing.T) {
	t.Parallel()
	for name, service := range load(t, nil, "practice", "onerun", "observability").Services {
		require.Equal(t, []string{"ALL"}, service.CapDrop, name)
		require.Equal(t, []string{"no-new-privileges:true"}, service.SecurityOpt, name)
		require.Positive(t, service.MemLimit, "%s: mem_limit", name)
		if slices.Contains(unbuilt, name) {
			continue // images that no test of ours has run: where they write is theirs to say
		}
		require.True(t, service.ReadOnly, name)
		require.NotEmpty(t, service.Tmpfs, name)
	}
}

// make compose-test has an image in the place of each that it would pull, of that name, with
// programs of that version.
func TestStandIns(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for name, service := range load(t, nil, "practice", "observability").Services {
		if service.Build == nil && !slices.Contains(unbuilt, name) {
			want[service.Image] = true
		}
	}
	version := regexp.MustCompile(`(?m)^ARG GO_VERSION=(\S+)$`).FindStringSubmatch(read(t, "Dockerfile"))
	require.NotEmpty(t, version)
	base := regexp.MustCompile(`(?m)^ARG GO_IMAGE=(golang:\S+)$`).FindStringSubmatch(read(t, "Dockerfile"))
	require.NotEmpty(t, base)
	want[strings.ReplaceAll(base[1], "${GO_VERSION}", version[1])] = true

	var standIns struct {
		Services map[string]struct{ Image string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/composetest/standin/compose.yaml")), &standIns))
	built := map[string]bool{}
	for _, service := range standIns.Services {
		built[service.Image] = true
	}
	require.Equal(t, want, built)

	programs := read(t, "deploy/composetest/standin/programs/go.mod")
	require.Contains(t, want, "temporalio/server:"+required(t, programs, "go.temporal.io/server"))
	require.Contains(t, want, "temporalio/admin-tools:"+required(t, programs, "go.temporal.io/server"))
	collector := read(t, "deploy/composetest/standin/collector/go.mod")
	require.Contains(t, want, "otel/opentelemetry-collector-contrib:"+required(t, collector, "go.opentelemetry.io/collector/otelcol"))
	require.Contains(t, want, "temporalio/ui:"+required(t, programs, "github.com/temporalio/ui-server/v2"))
	// Compiled once for both.
	require.Equal(t, required(t, read(t, "devserver/go.mod"), "go.temporal.io/server"), required(t, programs, "go.temporal.io/server"))
}

// required returns the version of a module in a go.mod, without the v.
func required(t *testing.T, mod, module string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^\s(` + regexp.QuoteMeta(module) + `) v(\S+)`).FindStringSubmatch(mod)
	require.NotEmpty(t, found, module)
	return found[2]
}

func TestPortsAreLoopbackOnly(t *testing.T) {
	t.Parallel()
	taken := map[string]string{}
	for name, service := range load(t, nil, "practice", "onerun", "observability").Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s publishes %s to everyone", name, port.Published)
			require.Empty(t, taken[port.Published], "%s and another publish %s", name, port.Published)
			taken[port.Published] = name
		}
	}
	require.NotEmpty(t, taken)
}

// What is mounted must exist: an engine would make an empty folder of it.
func TestMountsExist(t *testing.T) {
	t.Parallel()
	for name, service := range load(t, nil, "practice", "onerun", "observability").Services {
		for _, volume := range service.Volumes {
			if volume.Type != types.VolumeTypeBind {
				continue
			}
			info, err := os.Stat(volume.Source)
			require.NoError(t, err, name)
			require.True(t, info.Mode().IsRegular(), "%s mounts %s", name, volume.Source)
			require.True(t, volume.ReadOnly, "%s may write %s", name, volume.Source)
		}
	}
}

func TestWorkerForOneRun(t *testing.T) {
	t.Parallel()
	settings := []string{
		"ONERUN_API_BASE_URL=http://host.docker.internal:3001", "ONERUN_API_KEY=key", "ONERUN_PROJECT_ID=pr_1", "ONERUN_AGENT_ID=ag_1",
	}
	project := load(t, settings, "onerun")
	environment := project.Services["worker-onerun"].Environment
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		require.NotNil(t, environment[name], name)
		require.Equal(t, value, *environment[name])
	}

	// A file serves as well: docker compose --env-file onerun.env.
	file := filepath.Join(t.TempDir(), "onerun.env")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(settings, "\n")), 0o600))
	require.Equal(t, environment, loadWith(t, nil, []string{file}, "onerun").Services["worker-onerun"].Environment)

	// The practice worker never meets a real OneRun, whatever the shell has set.
	text, err := json.Marshal(load(t, settings, "practice").Services["worker"].Environment)
	require.NoError(t, err)
	require.NotContains(t, string(text), "host.docker.internal")
	require.NotContains(t, string(text), "pr_1")
}

// Two workers may run at once, on one Temporal: on queues of their own.
func TestPracticeHasAQueueOfItsOwn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "deploy/practice/parley.yaml"))
	require.NoError(t, err)
	var settings struct {
		TaskQueue string `yaml:"task_queue"`
	}
	require.NoError(t, yaml.Unmarshal(text, &settings))
	require.Equal(t, "practice", settings.TaskQueue)
}

// The worker pushes to the collector when that runs, and to nothing when it does not:
// pushes that fail are a line in its log.
func TestObservability(t *testing.T) {
	t.Parallel()
	environment := func(p *types.Project) map[string]string {
		found := make(map[string]string)
		for name, value := range p.Services["worker"].Environment {
			if strings.HasPrefix(name, "OTEL_") {
				require.NotNil(t, value, name)
				found[name] = *value
			}
		}
		return found
	}
	require.Equal(t, map[string]string{
		"OTEL_METRICS_EXPORTER": "prometheus", "OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
	}, environment(load(t, nil)))

	// docker compose --env-file deploy/observability/compose.env up
	project := loadWith(t, nil, []string{filepath.Join(root, "deploy/observability/compose.env")})
	require.ElementsMatch(t, append(slices.Clone(practice), observe...), project.ServiceNames())
	endpoint := environment(project)["OTEL_EXPORTER_OTLP_ENDPOINT"]
	require.Equal(t, "otlp", environment(project)["OTEL_TRACES_EXPORTER"])
	service, ports := read(t, "deploy/observability/collector/config.yaml"), endpoint[strings.LastIndex(endpoint, ":"):]
	require.Contains(t, service, "endpoint: 0.0.0.0"+ports, "the collector listens there")
	require.Contains(t, project.Services, strings.TrimSuffix(strings.TrimPrefix(endpoint, "http://"), ports))

	// Addresses in the settings are those of services.
	for file, addresses := range map[string][]string{
		"deploy/observability/prometheus/prometheus.yml":                         {"worker:8089", "worker-onerun:8089", "otel-collector:8889"},
		"deploy/observability/grafana/provisioning/datasources/datasources.yaml": {"prometheus:9090", "tempo:3200"},
		"deploy/observability/collector/config.yaml":                             {"tempo:4317"},
	} {
		for _, address := range addresses {
			require.Contains(t, read(t, file), address)
			name, _, _ := strings.Cut(address, ":")
			_, err := load(t, nil, "practice", "onerun", "observability").GetService(name)
			require.NoError(t, err)
		}
	}
	for _, worker := range []string{"worker", "worker-onerun"} {
		command := load(t, nil, "practice", "onerun", "observability").Services[worker].Command
		require.Contains(t, strings.Join(command, " "), "--health-addr 0.0.0.0:8089", "Prometheus reaches its page")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	return string(text)
}
