//go:build linux && containers

package containers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// projectName keeps containers, networks and volumes of the test apart from those that a
// developer has brought up.
const projectName = "parley-compose-test"

// A stack is docker-compose.yml with settings of the test.
type stack struct {
	engine *engine
	root   string   // of the repository
	files  []string // further compose files
	ports  map[string]int
	env    []string
}

// newStack chooses free ports and slow personas, so that there is a middle to break.
func newStack(e *engine, root string, conversations int, files ...string) (*stack, error) {
	s := &stack{engine: e, root: root, files: files, ports: map[string]int{}}
	for _, name := range []string{
		"TEMPORAL_PORT", "TEMPORAL_UI_PORT", "SIMULATOR_PORT", "WORKER_PORT",
		"OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "PROMETHEUS_PORT", "TEMPO_PORT", "GRAFANA_PORT",
	} {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s.ports[name] = port
		s.env = append(s.env, name+"="+strconv.Itoa(port))
	}
	// Nothing of the shell's reaches the agent: the script answers.
	s.env = append(s.env, "COMPOSE_PROFILES=practice,observability", "OPENAI_API_KEY=", "OPENAI_BASE_URL=",
		"PRACTICE_CONVERSATIONS="+strconv.Itoa(conversations), "PRACTICE_LATENCY=3s..5s",
		"OTEL_METRICS_EXPORTER=prometheus,otlp") // both ways that metrics take
	return s, nil
}

// freePort finds a port below those that this machine gives to others meanwhile.
func freePort() (int, error) {
	var last error
	for range 100 {
		port := 20000 + rand.IntN(10000)
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return 0, last
}

// compose runs a command of docker compose.
func (s *stack) compose(ctx context.Context, args ...string) (string, error) {
	return s.command(args...).run(ctx)
}

func (s *stack) command(args ...string) command {
	c := command{dir: s.root, env: append(slices.Clone(s.env), s.engine.builder()...)}
	c.args = append(c.args, s.engine.compose...)
	c.args = append(c.args, "--project-name", projectName, "--env-file", "deploy/observability/compose.env", "--file", "docker-compose.yml")
	for _, file := range s.files {
		c.args = append(c.args, "--file", file)
	}
	c.args = append(c.args, args...)
	return c
}

// A container as "docker inspect" describes it.
type container struct {
	ID           string `json:"Id"`
	Name         string
	RestartCount int
	State        struct {
		Status   string
		Running  bool
		Pid      int
		ExitCode int
		Health   *struct {
			Status string
			Log    []struct{ Output string }
		}
	}
	Config struct {
		User   string
		Image  string
		Labels map[string]string
	}
	HostConfig struct {
		ReadonlyRootfs bool
		CapAdd         []string
		CapDrop        []string
		SecurityOpt    []string
		Memory         int64
	}
}

func (c container) service() string { return c.Config.Labels["com.docker.compose.service"] }

// containers returns those of the project, by service.
func (s *stack) containers(ctx context.Context) (map[string]container, error) {
	ids, err := s.compose(ctx, "ps", "--all", "--quiet")
	if err != nil {
		return nil, err
	}
	found := map[string]container{}
	if len(strings.Fields(ids)) == 0 {
		return found, nil
	}
	text, err := s.engine.run(ctx, append([]string{"container", "inspect"}, strings.Fields(ids)...)...)
	if err != nil {
		return nil, err
	}
	var list []container
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	for _, c := range list {
		found[c.service()] = c
	}
	return found, nil
}

// settled checks that each of the services has ended well, if it is to end, or is healthy.
func (s *stack) settled(ctx context.Context, services map[string]bool) error {
	found, err := s.containers(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(services)) {
		c, ok := found[name]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("%s has no container", name))
		case services[name]:
			if c.State.Running || c.State.ExitCode != 0 {
				faults = append(faults, fmt.Errorf("%s has not ended well: it is %s, exit code %d", name, c.State.Status, c.State.ExitCode))
			}
		case c.State.Health == nil || c.State.Health.Status != "healthy":
			faults = append(faults, fmt.Errorf("%s does not serve: it is %s%s", name, c.State.Status, lastProbe(c)))
		}
	}
	return errors.Join(faults...)
}

func lastProbe(c container) string {
	if c.State.Health == nil {
		return ", without a health check"
	}
	if len(c.State.Health.Log) == 0 {
		return ", " + c.State.Health.Status
	}
	return ", " + c.State.Health.Status + ": " + lastLines(c.State.Health.Log[len(c.State.Health.Log)-1].Output, 30)
}

// A conversation as "starter list" shows it.
type conversation struct {
	ID      string `json:"id"`
	Open    bool   `json:"open"`
	Turns   int    `json:"turns"`
	Outcome string `json:"outcome"`
}

// conversations asks starter, in the worker's container.
func (s *stack) conversations(ctx context.Context) ([]conversation, error) {
	text, err := s.compose(ctx, "exec", "--no-TTY", "worker", "starter", "list", "--output", "json")
	if err != nil {
		return nil, err
	}
	var list struct {
		Conversations []conversation `json:"conversations"`
	}
	return list.Conversations, json.Unmarshal([]byte(text), &list)
}

// answers checks that a published port answers a request with a status.
func (s *stack) answers(ctx context.Context, port, path string, want int) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	address := fmt.Sprintf("http://127.0.0.1:%d%s", s.ports[port], path)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	if err := response.Body.Close(); err != nil {
		return err
	}
	if response.StatusCode != want {
		return fmt.Errorf("GET %s: %s", address, response.Status)
	}
	return nil
}

// onHost runs a shell in a container that sees the processes of the engine's machine, which
// may be another than this one.
func (s *stack) onHost(ctx context.Context, script string, args ...string) (string, error) {
	return s.engine.run(ctx, append([]string{
		"run", "--rm", "--pid", "host", "--network", "none", "--user", "0", "--entrypoint", "sh",
		"--cap-add", "SYS_PTRACE", "--security-opt", "apparmor=unconfined", // to read other users' mounts
		"postgres:16-alpine", "-c", script, "sh",
	}, args...)...)
}

// A process as the kernel describes it.
type process struct {
	uid, capabilities, bounding, noNewPrivileges, seccomp string
	rootMount                                             string // options of "/"
}

// process returns what holds for a container's first process.
func (s *stack) process(ctx context.Context, pid int) (process, error) {
	text, err := s.onHost(ctx, `cat "/proc/$1/status" && sed 's/^/mount: /' "/proc/$1/mountinfo"`, strconv.Itoa(pid))
	if err != nil {
		return process{}, err
	}
	var p process
	for _, line := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch name {
		case "Uid":
			p.uid = fields[1] // the effective one
		case "CapEff":
			p.capabilities = fields[0]
		case "CapBnd":
			p.bounding = fields[0]
		case "NoNewPrivs":
			p.noNewPrivileges = fields[0]
		case "Seccomp":
			p.seccomp = fields[0]
		case "mount":
			if len(fields) > 5 && fields[4] == "/" {
				p.rootMount = fields[5]
			}
		}
	}
	return p, nil
}

// left lists what the project has in the engine.
func (s *stack) left(ctx context.Context) ([]string, error) {
	var left []string
	filter := "label=com.docker.compose.project=" + projectName
	for _, kind := range [][]string{{"container", "ls", "--all"}, {"volume", "ls"}, {"network", "ls"}} {
		text, err := s.engine.run(ctx, append(kind, "--quiet", "--filter", filter)...)
		if err != nil {
			return nil, err
		}
		for _, id := range strings.Fields(text) {
			left = append(left, kind[0]+" "+id)
		}
	}
	return left, nil
}
