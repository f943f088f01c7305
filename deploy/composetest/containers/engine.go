//go:build linux && containers

package containers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// composeVersion is built where no plugin is installed. It is the last that speaks with
// the engine of Debian 12.
const composeVersion = "v2.40.3"

// An engine runs containers.
type engine struct {
	docker  string   // the client
	compose []string // the command with which compose begins
	env     []string // says where the engine is, for both
	// private engines have been started here: they pull nothing and use the network of this
	// machine for builds.
	private bool
	// cache is the folder of what is kept between runs.
	cache string
	stop  func() error
}

// findEngine returns the engine that answers, or starts one.
func findEngine(ctx context.Context) (*engine, error) {
	caches, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	e := &engine{docker: "docker", cache: filepath.Join(caches, "parley", "containers"), stop: func() error { return nil }}
	if err := os.MkdirAll(e.cache, 0o700); err != nil {
		return nil, err
	}
	if _, err := e.run(ctx, "info"); err != nil {
		if err := e.start(ctx); err != nil {
			return nil, err
		}
	}
	if e.compose, err = e.findCompose(ctx); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	return e, nil
}

// run runs the client.
func (e *engine) run(ctx context.Context, args ...string) (string, error) {
	return command{env: e.env, args: append([]string{e.docker}, args...)}.run(ctx)
}

// forget bounds what builds leave in an engine of our own: images without a name, and all but
// the last few gigabytes of what saves the next build its work.
func (e *engine) forget(ctx context.Context) error {
	if !e.private {
		return nil
	}
	_, images := e.run(ctx, "image", "prune", "--force")
	_, builds := e.run(ctx, "builder", "prune", "--force", "--keep-storage", "6gb")
	return errors.Join(images, builds)
}

// start runs dockerd.
func (e *engine) start(ctx context.Context) error {
	daemon, err := exec.LookPath("dockerd")
	if err != nil {
		return errors.New("no container engine answers, and there is no dockerd to start: on Debian, apt-get install docker.io")
	}
	if os.Geteuid() != 0 {
		return errors.New("no container engine answers (docker info), and only root can start one: start it, or run this test as root")
	}
	// The client of the daemon's release: a later one builds with a plugin only.
	if sibling := "/usr/bin/docker"; filepath.Dir(daemon) == "/usr/sbin" && exists(sibling) {
		e.docker = sibling
	}
	lock, err := os.OpenFile(filepath.Join(e.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("another test uses the engine in %s: %w", e.cache, err), lock.Close())
	}
	folder, err := os.MkdirTemp("", "parley-engine-") // short: sockets are in it
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	socket := "unix://" + filepath.Join(folder, "docker.sock")
	e.env = []string{"DOCKER_HOST=" + socket, "DOCKER_CONFIG=" + folder}
	e.private = true
	log, err := os.Create(filepath.Join(e.cache, "dockerd.log"))
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	cmd := exec.Command(daemon,
		"--data-root", filepath.Join(e.cache, "data"), "--exec-root", filepath.Join(folder, "run"),
		"--pidfile", filepath.Join(e.cache, "dockerd.pid"), "--host", socket, "--group", "root",
		"--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
		"--host-gateway-ip", "127.0.0.1", // without a bridge there is none
		"--log-level", "warn")
	cmd.Stdout, cmd.Stderr = log, log
	// In a process group of its own: an interrupt reaches the test first, which takes
	// everything down. The daemon ends with this process, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // Pdeathsig is about the thread that has started the program
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return errors.Join(err, log.Close(), lock.Close())
	}
	e.stop = func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		var err error
		select {
		case <-ended:
		case <-time.After(time.Minute):
			err = errors.Join(fmt.Errorf("dockerd has not stopped within a minute: its log is %s", log.Name()), cmd.Process.Kill())
			<-ended
		}
		return errors.Join(err, os.RemoveAll(folder), log.Close(), lock.Close())
	}
	err = eventually(ctx, time.Minute, func() error {
		select {
		case <-ended:
			text, _ := os.ReadFile(log.Name())
			return final(fmt.Errorf("dockerd has ended: %s", lastLines(string(text), 10)))
		default:
		}
		_, err := e.run(ctx, "info")
		return err
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start a container engine: %w", err), e.stop())
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// findCompose returns the command of the installed plugin, or builds it.
func (e *engine) findCompose(ctx context.Context) ([]string, error) {
	if _, err := e.run(ctx, "compose", "version"); err == nil {
		return []string{e.docker, "compose"}, nil
	}
	program := filepath.Join(e.cache, "docker-compose-"+composeVersion)
	if exists(program) {
		return []string{program}, nil
	}
	const module = "github.com/docker/compose/v2"
	if err := buildModule(ctx, module, composeVersion, "./cmd", "-X "+module+"/internal.Version="+composeVersion, program); err != nil {
		return nil, err
	}
	return []string{program}, nil
}
