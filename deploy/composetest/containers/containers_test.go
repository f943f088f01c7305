//go:build linux && containers

package containers

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	keep     = flag.Bool("keep", false, "leave the containers running if the test fails")
	override = flag.String("override", "", "a compose `file` that changes docker-compose.yml")
)

const image = "parley:dev"

// conversations is how many the simulator offers.
const conversations = 8

// services are those of the profile "practice", and those of "observability" that are the same
// with every engine. True: it ends when it has done its work.
var services = map[string]bool{
	"postgresql": false, "temporal": false, "temporal-ui": false, "simulator": false, "worker": false,
	"temporal-schema": true, "temporal-namespace": true, "setup": true, "practice-ids": true,
	"otel-collector": false, "prometheus": false,
}

// From nothing to conversations that have ended, through the death of the worker, to nothing.
func TestDockerCompose(t *testing.T) {
	s := start(t)
	ctx := t.Context()

	step(t, "every profile is valid", func() {
		for _, profiles := range []string{"practice", "onerun", "practice,observability", "onerun,observability"} {
			c := s.command("config", "--quiet")
			c.env = append(c.env, "COMPOSE_PROFILES="+profiles)
			_, err := c.run(ctx)
			require.NoError(t, err, profiles)
		}
	})
	step(t, "build the image", func() {
		build := s.command("--progress", "plain", "build", "worker")
		build.shown = true
		_, err := build.run(ctx)
		require.NoError(t, err)
	})
	step(t, "the image has three programs, and no shell or user root", func() {
		confined := []string{"run", "--rm", "--read-only", "--cap-drop", "ALL", "--network", "none"}
		for _, program := range []string{"worker", "starter", "simulator"} {
			_, err := s.engine.run(ctx, append(confined, "--entrypoint", program, image, "--version")...)
			require.NoError(t, err)
		}
		_, err := s.engine.run(ctx, append(confined, "--entrypoint", "sh", image, "-c", "true")...)
		require.ErrorContains(t, err, "executable file not found")
		user, err := s.engine.run(ctx, "image", "inspect", "--format", "{{.Config.User}}", image)
		require.NoError(t, err)
		require.Equal(t, "65532:65532", strings.TrimSpace(user))
	})
	step(t, "up", func() {
		up := s.command(append([]string{"up", "--detach", "--no-build"}, slices.Sorted(maps.Keys(services))...)...)
		up.args = append(up.args, "tempo")
		if !s.engine.private {
			up.args = append(up.args, "grafana") // no image of it can be built without a registry
		}
		up.shown = true
		_, err := up.run(ctx)
		require.NoError(t, err)
	})
	step(t, "kill the worker in the middle", func() { killWorker(t, s) })
	step(t, "all conversations end, and everything serves", func() {
		require.NoError(t, eventually(ctx, 3*time.Minute, func() error { return s.ended(ctx) }))
		require.NoError(t, eventually(ctx, 2*time.Minute, func() error { return s.settled(ctx, services) }))
	})
	step(t, "published ports answer", func() {
		require.NoError(t, s.answers(ctx, "TEMPORAL_UI_PORT", "/healthz", http.StatusOK))
		require.NoError(t, s.answers(ctx, "WORKER_PORT", "/readyz", http.StatusOK))
		require.NoError(t, s.answers(ctx, "WORKER_PORT", "/metrics", http.StatusOK))
		require.NoError(t, s.answers(ctx, "SIMULATOR_PORT", "/simulator/report", http.StatusUnauthorized), "nothing without the key")
		connection, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.ports["TEMPORAL_PORT"]))
		require.NoError(t, err)
		require.NoError(t, connection.Close())
	})
	step(t, "metrics, alerts and traces arrive", func() { observe(t, s) })
	step(t, "containers may do nothing that they need not", func() { checkConfinement(t, s) })
	step(t, "a worker with a wrong command is noticed", func() {
		broken := filepath.Join(t.TempDir(), "broken.yaml")
		require.NoError(t, os.WriteFile(broken, []byte("services: {worker: {command: [--health-addr, '0.0.0.0:8089', --no-such-flag]}}\n"), 0o600))
		wrong := *s
		wrong.files = append(wrong.files, broken)
		_, err := wrong.compose(ctx, "up", "--detach", "--no-build", "--no-deps", "worker")
		require.NoError(t, err)
		err = eventually(ctx, 5*time.Second, func() error { return s.settled(ctx, services) })
		require.ErrorContains(t, err, "worker does not serve")
		require.Error(t, s.answers(ctx, "WORKER_PORT", "/readyz", http.StatusOK))
	})
	step(t, "a worker for OneRun serves", func() { serveOneRun(t, s) })
	step(t, "down", func() {
		require.NoError(t, s.down(ctx))
		left, err := s.left(ctx)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// start finds or starts an engine with all images but the one that is built.
func start(t *testing.T) *stack {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	var e *engine
	step(t, "find a container engine", func() {
		e, err = findEngine(t.Context())
		require.NoError(t, err)
	})
	t.Cleanup(func() { require.NoError(t, e.stop()) })
	// Sooner than for people: pushes of metrics, and the first look at the collector's health.
	soon := filepath.Join(t.TempDir(), "soon.yaml")
	require.NoError(t, os.WriteFile(soon, []byte(`services:
  worker: {environment: {OTEL_METRIC_EXPORT_INTERVAL: "5000"}}
  otel-collector: {healthcheck: {interval: 10s}}
`), 0o600))
	files := []string{soon}
	if *override != "" {
		file := *override
		if !filepath.IsAbs(file) {
			file = filepath.Join(root, file)
		}
		files = append(files, file)
	}
	if e.private {
		// No network for builds but this machine's.
		host := filepath.Join(t.TempDir(), "private.yaml")
		require.NoError(t, os.WriteFile(host, []byte("services: {worker: {build: {network: host}}}\n"), 0o600))
		files = append(files, host, filepath.Join(root, "deploy", "composetest", "standin", "tempo.yaml"))
	}
	s, err := newStack(e, root, conversations, files...)
	require.NoError(t, err)
	require.NoError(t, s.down(t.Context()), "what an earlier test has left")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if t.Failed() {
			s.explain(t, ctx)
			if *keep {
				t.Logf("left running: %s, with %s", strings.Join(s.command("down", "--volumes").args, " "), strings.Join(s.command().env, " "))
				select {} // the engine ends with this process
			}
		}
		require.NoError(t, s.down(ctx))
		if err := e.forget(ctx); err != nil {
			t.Logf("what builds have left stays: %v", err)
		}
	})
	step(t, "images", func() {
		if e.private {
			require.NoError(t, e.buildStandIns(t.Context(), filepath.Join(root, "deploy", "composetest", "standin")))
			return
		}
		pull := s.command("pull", "--ignore-buildable")
		pull.shown = true
		_, err := pull.run(t.Context())
		require.NoError(t, err, "the engine that runs here must reach the registries; stop it, and this test starts one of its own")
	})
	return s
}

// step says what takes how long.
func step(t *testing.T, name string, do func()) {
	t.Helper()
	fmt.Fprintf(os.Stderr, "--- %s\n", name)
	began := time.Now()
	do()
	fmt.Fprintf(os.Stderr, "    %.1f s\n", time.Since(began).Seconds())
}

// checkConfinement compares what containers were started with, and what the kernel says.
func checkConfinement(t *testing.T, s *stack) {
	t.Helper()
	found, err := s.containers(t.Context())
	require.NoError(t, err)
	for name, once := range services {
		c := found[name]
		require.True(t, c.HostConfig.ReadonlyRootfs, "%s: read_only", name)
		require.Equal(t, []string{"ALL"}, c.HostConfig.CapDrop, "%s: cap_drop", name)
		require.Contains(t, c.HostConfig.SecurityOpt, "no-new-privileges:true", name)
		require.Positive(t, c.HostConfig.Memory, "%s: mem_limit", name)
		if once {
			continue
		}
		p, err := s.process(t.Context(), c.State.Pid)
		require.NoError(t, err)
		require.NotEqual(t, "0", p.uid, "%s runs as root", name)
		require.Equal(t, "0000000000000000", p.capabilities, "%s: effective capabilities", name)
		if len(c.HostConfig.CapAdd) == 0 {
			require.Equal(t, "0000000000000000", p.bounding, "%s: capabilities that it could get", name)
		}
		require.Equal(t, "1", p.noNewPrivileges, name)
		require.Equal(t, "2", p.seccomp, "%s: seccomp filter", name)
		require.Contains(t, strings.Split(p.rootMount, ","), "ro", "%s: its root", name)
	}
	for _, name := range []string{"worker", "simulator"} {
		p, err := s.process(t.Context(), found[name].State.Pid)
		require.NoError(t, err)
		require.Equal(t, "65532", p.uid, name)
	}
}

// killWorker kills the worker's process, as the kernel would for memory, once there have been
// turns and while conversations are open, and waits until the engine has started it anew.
func killWorker(t *testing.T, s *stack) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, eventually(ctx, time.Minute, func() error {
		list, err := s.conversations(ctx)
		if err != nil {
			return err
		}
		open, begun := 0, false
		for _, c := range list {
			if c.Open {
				open++
			}
			begun = begun || c.Turns > 0 // those that are open may show none until they end
		}
		if open == 0 || !begun {
			return fmt.Errorf("%d of %d conversations are open, has one had a turn: %t", open, len(list), begun)
		}
		return nil
	}))
	found, err := s.containers(ctx)
	require.NoError(t, err)
	before := found["worker"]
	_, err = s.onHost(ctx, `kill -9 "$1"`, strconv.Itoa(before.State.Pid))
	require.NoError(t, err)
	require.NoError(t, eventually(ctx, time.Minute, func() error {
		found, err := s.containers(ctx)
		if err != nil {
			return err
		}
		after := found["worker"]
		if after.ID != before.ID || after.RestartCount != before.RestartCount+1 || after.State.Pid == before.State.Pid || !after.State.Running {
			return fmt.Errorf("the worker is %s with process %d (%d before the kill), started %d times again", after.State.Status, after.State.Pid, before.State.Pid, after.RestartCount)
		}
		return nil
	}))
	list, err := s.conversations(ctx)
	require.NoError(t, err)
	open := 0
	for _, c := range list {
		if c.Open {
			open++
		}
	}
	require.Positive(t, open, "no conversation was open when the worker came back")
	t.Logf("killed process %d while %d of %d conversations were open", before.State.Pid, open, len(list))
}

// serveOneRun brings up the worker of the profile "onerun", with the simulator in OneRun's
// place.
func serveOneRun(t *testing.T, s *stack) {
	t.Helper()
	ctx := t.Context()
	settings := []string{
		"COMPOSE_PROFILES=practice,onerun", "OTEL_METRICS_EXPORTER=", "OTEL_TRACES_EXPORTER=", "OTEL_EXPORTER_OTLP_ENDPOINT=", // as without the collector
		"ONERUN_API_BASE_URL=http://simulator:3001",
	}
	for name, file := range map[string]string{"ONERUN_API_KEY": "key", "ONERUN_PROJECT_ID": "project", "ONERUN_AGENT_ID": "agent"} {
		value, err := s.engine.run(ctx, "run", "--rm", "--network", "none", "--volume", projectName+"_practice:/data:ro", "--entrypoint", "cat", "postgres:16-alpine", "/data/"+file)
		require.NoError(t, err)
		settings = append(settings, name+"="+strings.TrimSpace(value))
	}
	port, err := freePort()
	require.NoError(t, err)
	other := *s
	other.ports = map[string]int{"WORKER_ONERUN_PORT": port}
	other.env = append(slices.Clone(s.env), append(settings, fmt.Sprintf("WORKER_ONERUN_PORT=%d", port))...)
	_, err = other.compose(ctx, "up", "--detach", "--no-build", "--no-deps", "worker-onerun")
	require.NoError(t, err)
	require.NoError(t, eventually(ctx, time.Minute, func() error {
		return other.settled(ctx, map[string]bool{"worker-onerun": false})
	}))
	require.NoError(t, other.answers(ctx, "WORKER_ONERUN_PORT", "/readyz", http.StatusOK))
}

// ended checks that all conversations have.
func (s *stack) ended(ctx context.Context) error {
	list, err := s.conversations(ctx)
	if err != nil {
		return err
	}
	ended := 0
	for _, c := range list {
		if !c.Open && c.Outcome == "ended" && c.Turns > 0 {
			ended++
		}
	}
	if len(list) != conversations || ended != conversations {
		return fmt.Errorf("%d of %d conversations have ended: %+v", ended, conversations, list)
	}
	return nil
}

func (s *stack) down(ctx context.Context) error {
	down := s.command("down", "--volumes", "--remove-orphans", "--timeout", "10")
	down.env = append(down.env, "COMPOSE_PROFILES=practice,onerun,observability")
	_, err := down.run(ctx)
	return err
}

// explain prints what helps to find out why the test has failed.
func (s *stack) explain(t *testing.T, ctx context.Context) {
	for _, args := range [][]string{{"ps", "--all"}, {"logs", "--no-color", "--tail", "20"}} {
		text, err := s.compose(ctx, args...)
		if err != nil {
			text += err.Error()
		}
		t.Logf("docker compose %s\n%s", args[0], text)
	}
}
