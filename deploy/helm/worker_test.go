package helm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

// patience is how long what must happen may take on a busy machine.
const patience = 2 * time.Minute

// programs are the worker and the simulator of this checkout, and the Temporal server of its
// tests, by name.
var programs = sync.OnceValues(func() (map[string]string, error) {
	bin, err := os.MkdirTemp("", "parley-helm-")
	if err != nil {
		return nil, err
	}
	builtIn = bin
	built := map[string]string{"worker": filepath.Join(bin, "worker"), "simulator": filepath.Join(bin, "simulator")}
	for _, args := range [][]string{
		{"build", "-C", "../..", "-o", bin + "/", "./worker", "./simulator"},
		{"run", "-C", "../..", "./internal/localstack/prepare", "devserver"},
	} {
		var stderr bytes.Buffer
		cmd := exec.Command("go", args...)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
		}
		built["devserver"] = strings.TrimSpace(string(out))
	}
	return built, nil
})

// builtIn is the folder of the programs, if a test has needed them.
var builtIn string

func TestMain(m *testing.M) {
	code := m.Run()
	if builtIn != "" {
		_ = os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

func program(t testing.TB, name string) string {
	t.Helper()
	built, err := programs()
	require.NoError(t, err)
	return built[name]
}

// A log is what a process has written so far.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A child is a process of a test.
type child struct {
	cmd  *exec.Cmd
	log  *log
	done chan error
}

// start starts a process, which is killed at the end of the test at the latest.
func start(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{cmd: cmd, log: new(log), done: make(chan error, 1)}
	cmd.Stderr = c.log
	if cmd.Stdout == nil {
		cmd.Stdout = c.log
	}
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() { c.done <- cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	return c
}

// temporal starts a Temporal server of this test, and returns its address.
func temporal(t testing.TB) string {
	t.Helper()
	cmd := exec.Command(program(t, "devserver"), "--frontend-address", "127.0.0.1:0", "--ui-address", "", "--exit-with-stdin", "--log-level", "error")
	_, err := cmd.StdinPipe() // stays open: the server ends with this process
	require.NoError(t, err)
	out, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	cmd.Stdout = out
	c := start(t, cmd)
	var at struct {
		Address string `json:"address"`
	}
	eventually(t, c, func() bool {
		text, err := os.ReadFile(out.Name())
		return err == nil && json.Unmarshal(text, &at) == nil && at.Address != ""
	})
	return at.Address
}

// simulator starts a practice platform, and returns the environment that it prints for workers.
func simulator(t testing.TB) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "practice.env")
	c := start(t, exec.Command(program(t, "simulator"), "--addr", "127.0.0.1:0", "--env-file", file, "--conversations", "2"))
	env := map[string]string{}
	eventually(t, c, func() bool {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(lines.Text()), "export "), "=")
			if ok {
				env[name] = strings.Trim(value, `'"`)
			}
		}
		return env["ONERUN_API_KEY"] != "" && env["ONERUN_AGENT_ID"] != ""
	})
	return env
}

// eventually waits for a condition, or for the process to end.
func eventually(t testing.TB, c *child, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !condition() {
		select {
		case err := <-c.done:
			c.done <- err
			require.FailNow(t, "the process has ended", "%v: %v\n%s", c.cmd.Args, err, c.log)
		case <-ctx.Done():
			require.FailNow(t, "it has not happened", "%v\n%s", c.cmd.Args, c.log)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().(*net.TCPAddr).Port
}

// A node runs the container of a release as a process of this machine: with its arguments
// and environment alone, and with its volumes in a folder. Paths of mounts are those of the
// folder, in variables and in files too, since a process has the machine's root.
type node struct {
	r       *rendered
	secrets map[string]map[string]string // by name of the Secret and key
	further map[string]string            // variables that a controller adds
}

func (n node) run(t testing.TB) *child {
	t.Helper()
	folder, c := t.TempDir(), n.r.container(t)
	var moved []string
	for _, m := range c.VolumeMounts {
		moved = append(moved, m.MountPath, filepath.Join(folder, m.MountPath))
	}
	here := strings.NewReplacer(moved...)
	for _, m := range c.VolumeMounts {
		to := filepath.Join(folder, m.MountPath)
		require.NoError(t, os.MkdirAll(to, 0o755))
		for name, text := range n.files(t, m.Name) {
			require.NoError(t, os.WriteFile(filepath.Join(to, name), []byte(here.Replace(text)), 0o400))
		}
	}
	cmd := exec.Command(program(t, "worker"), c.Args...)
	cmd.Dir = folder
	cmd.Env = []string{"HOME=" + here.Replace("/tmp")}
	for _, e := range c.Env {
		value := here.Replace(e.Value)
		if e.ValueFrom != nil {
			value = n.secret(t, e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key)
		}
		cmd.Env = append(cmd.Env, e.Name+"="+value)
	}
	for _, name := range slices.Sorted(maps.Keys(n.further)) {
		cmd.Env = append(cmd.Env, name+"="+n.further[name])
	}
	return start(t, cmd)
}

// files are those of a volume.
func (n node) files(t testing.TB, volume string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, v := range n.r.pod(t).Spec.Volumes {
		switch {
		case v.Name != volume:
		case v.ConfigMap != nil:
			for _, item := range v.ConfigMap.Items {
				files[item.Path] = get[*corev1.ConfigMap](t, n.r).Data[item.Key]
			}
		case v.Secret != nil:
			for _, item := range v.Secret.Items {
				files[item.Path] = n.secret(t, v.Secret.SecretName, item.Key)
			}
		}
	}
	return files
}

func (n node) secret(t testing.TB, name, key string) string {
	t.Helper()
	value, ok := n.secrets[name][key]
	require.True(t, ok, "no Secret %s with the key %s", name, key)
	return value
}

// probe asks a page of the container as the kubelet does.
func (n node) probe(t testing.TB, path string) (code int, body string) {
	t.Helper()
	url := fmt.Sprintf("http://127.0.0.1:%d%s", n.r.container(t).Ports[0].ContainerPort, path)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	res, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

// stop ends the container as the kubelet does, and fails if it has to be killed.
func (n node) stop(t testing.TB, c *child) {
	t.Helper()
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGTERM))
	grace := time.Duration(*n.r.pod(t).Spec.TerminationGracePeriodSeconds) * time.Second
	select {
	case err := <-c.done:
		c.done <- err
		require.NoError(t, err, "%s", c.log)
	case <-time.After(grace):
		require.FailNow(t, "the worker would have been killed", "%v\n%s", grace, c.log)
	}
}

const practice = `
task_queue: practice
platforms:
  sim: {type: onerun, base_url: "${ONERUN_API_BASE_URL}", api_key: "${file:/secrets/keys/onerun}"}
agents:
  support: {platform: sim, project: "${ONERUN_PROJECT_ID}", agent: "${ONERUN_AGENT_ID}", executor: auto}
`

// release are values for a worker of the practice platform.
func (n *node) release(t testing.TB, sim map[string]string, further string) {
	t.Helper()
	n.secrets = map[string]map[string]string{"parley-keys": {"onerun": sim["ONERUN_API_KEY"], "project": sim["ONERUN_PROJECT_ID"]}}
	given := values(t, fmt.Sprintf(`
health: {port: %d}
worker: {drainTimeout: 10s}
env:
  - {name: ONERUN_API_BASE_URL, value: %q}
  - {name: ONERUN_AGENT_ID, value: %q}
secrets:
  env: [{name: ONERUN_PROJECT_ID, secret: parley-keys, key: project}]
  files: [{name: keys, secret: parley-keys, keys: [onerun]}]
`, freePort(t), sim["ONERUN_API_BASE_URL"], sim["ONERUN_AGENT_ID"]))
	given = merged(given, map[string]any{"config": map[string]any{"parley": practice}})
	n.r = render(t, merged(given, values(t, further)))
}

// A worker that is started as the chart says serves conversations of a real platform on a
// real Temporal, is ready, and stops in time.
func TestWorkerOfTheDeployment(t *testing.T) {
	t.Parallel()
	address, sim := temporal(t), simulator(t)
	var n node
	n.release(t, sim, fmt.Sprintf("temporal: {address: %q}", address))
	worker := n.run(t)
	c := n.r.container(t)
	for _, probe := range []string{c.StartupProbe.HTTPGet.Path, c.LivenessProbe.HTTPGet.Path, c.ReadinessProbe.HTTPGet.Path} {
		eventually(t, worker, func() bool { code, _ := n.probe(t, probe); return code == http.StatusOK })
	}
	eventually(t, worker, func() bool {
		_, metrics := n.probe(t, "/metrics")
		return strings.Contains(metrics, `parley_conversations_closed_total{`)
	})
	n.stop(t, worker)
	require.NotContains(t, worker.log.String(), sim["ONERUN_API_KEY"])
}

// A worker of the Worker Controller takes address and version from what the controller adds,
// and is ready before its version is current: the controller waits for that.
func TestWorkerOfTheWorkerController(t *testing.T) {
	t.Parallel()
	address, sim := temporal(t), simulator(t)
	var n node
	n.release(t, sim, "workerController: {enabled: true, connection: production}")
	n.further = map[string]string{
		"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": get[*workerDeployment](t, n.r).Spec.WorkerOptions.TemporalNamespace,
		"TEMPORAL_DEPLOYMENT_NAME": namespace + "/" + get[*workerDeployment](t, n.r).Name, "TEMPORAL_WORKER_BUILD_ID": "1.2.3-9f3c",
	}
	worker := n.run(t)
	ready := n.r.container(t).ReadinessProbe.HTTPGet.Path
	eventually(t, worker, func() bool { code, _ := n.probe(t, ready); return code == http.StatusOK })
	// No version is current, so that no inbox polls: the whole is not ready, the worker is.
	eventually(t, worker, func() bool {
		code, body := n.probe(t, "/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "agents/shop-parley:1.2.3-9f3c")
	})
	code, body := n.probe(t, ready)
	require.Equal(t, http.StatusOK, code, body)
	n.stop(t, worker)
}

// The chart refuses what the worker would refuse: a secret written out in parley.yaml.
func TestSecretsInConfigAsTheWorkerSees(t *testing.T) {
	t.Parallel()
	for _, tt := range secretsInConfig {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "parley.yaml")
			require.NoError(t, os.WriteFile(file, []byte(tt.text), 0o600))
			out, err := exec.CommandContext(t.Context(), program(t, "worker"), "--config", file).CombinedOutput()
			var failed *exec.ExitError
			require.True(t, errors.As(err, &failed), "%v", err)
			require.Equal(t, 2, failed.ExitCode(), "%s", out)
			require.Regexp(t, `(?m)`+tt.at+`.* written out`, string(out))
		})
	}
}
