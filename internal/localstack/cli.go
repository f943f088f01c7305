package localstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/parley-run/parley/internal/localstack/build"
)

// cliVersion checks that a temporal command is Temporal's CLI.
func cliVersion(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("temporal --version: %w", err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !strings.HasPrefix(line, "temporal version") {
		return "", fmt.Errorf("temporal --version says %q", line)
	}
	return line, nil
}

// startCLI runs the Temporal CLI's development server. The CLI neither chooses free
// ports nor announces that it is ready: this package does both.
func startCLI(ctx context.Context, opts Options, path, version string) (*Stack, error) {
	opts.OnProgress(build.Progress{Step: build.StepStart, Detail: path})
	port, err := freePort(opts.Port, nil)
	if err != nil {
		return nil, err
	}
	args := []string{
		"server", "start-dev", "--ip", "127.0.0.1", "--port", strconv.Itoa(port),
		"--namespace", opts.Namespace, "--log-level", "error",
		// The default of 20 a second per shard delays every activity.
		"--dynamic-config-value", "history.transferProcessorMaxPollRPS=1000",
	}
	stack := &Stack{Address: loopback(port), Namespace: opts.Namespace, Server: version}
	if opts.UI {
		uiPort, err := freePort(opts.UIPort, []int{port})
		if err != nil {
			return nil, err
		}
		args = append(args, "--ui-port", strconv.Itoa(uiPort))
		stack.UIURL = "http://" + loopback(uiPort)
	} else {
		args = append(args, "--headless")
	}
	if opts.DBFile != "" {
		args = append(args, "--db-filename", opts.DBFile)
	}
	for _, key := range opts.SearchAttributes {
		args = append(args, "--search-attribute", key.GetName()+"="+key.GetValueType().String())
	}

	s, err := launch("the Temporal CLI", exec.Command(path, args...), opts, func(string) {})
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, answering(ctx, opts, stack.Address, s.proc.Done())); err != nil {
		return nil, err
	}
	stack.server = s
	return stack, nil
}

// answering returns a channel that is closed once the server answers. It stops when ctx
// or the server ends.
func answering(ctx context.Context, opts Options, address string, ended <-chan struct{}) <-chan struct{} {
	ready := make(chan struct{})
	go func() {
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ended:
				return
			case <-ticker.C:
			}
			attempt, cancel := context.WithTimeout(ctx, 2*time.Second)
			err := dialable(attempt, address)
			if err == nil {
				err = check(attempt, opts, address)
			}
			cancel()
			if err == nil {
				close(ready)
				return
			}
		}
	}()
	return ready
}

func dialable(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// maxPortSteps bounds the search for a free port.
const maxPortSteps = 1000

// freePort returns the first free port from there upwards that is not in taken. Another
// process may take it at any time.
func freePort(from int, taken []int) (int, error) {
	for port := from; port <= 65535 && port < from+maxPortSteps; port++ {
		if slices.Contains(taken, port) {
			continue
		}
		l, err := net.Listen("tcp", loopback(port))
		switch {
		case err == nil:
			defer func() { _ = l.Close() }()
			return l.Addr().(*net.TCPAddr).Port, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return 0, fmt.Errorf("find a free port: %w", err)
		}
	}
	return 0, fmt.Errorf("find a free port: none from %d on", from)
}
