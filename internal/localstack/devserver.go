package localstack

import (
	"context"
	"encoding/json"
	"os/exec"
	"sync"

	"github.com/parley-run/parley/internal/localstack/build"
)

// startDevserver runs a devserver and waits for the line with its address.
func startDevserver(ctx context.Context, opts Options, binary string) (*Stack, error) {
	opts.OnProgress(build.Progress{Step: build.StepStart, Detail: "the Temporal server"})
	args := []string{
		"--frontend-address", loopback(opts.Port),
		"--next-free-port",
		"--namespace", opts.Namespace,
		"--db-file", opts.DBFile,
		"--exit-with-stdin",
		"--log-level", "error",
	}
	if opts.UI {
		args = append(args, "--ui-address", loopback(opts.UIPort))
	} else {
		args = append(args, "--ui-address", "")
	}
	for _, key := range opts.SearchAttributes {
		args = append(args, "--search-attribute", key.GetName()+"="+key.GetValueType().String())
	}

	var (
		stack = &Stack{Server: "devserver"}
		ready = make(chan struct{})
		once  sync.Once
	)
	s, err := launch("the devserver", exec.Command(binary, args...), opts, func(line string) {
		var at struct {
			Address   string `json:"address"`
			UIURL     string `json:"ui_url"`
			Namespace string `json:"namespace"`
		}
		if json.Unmarshal([]byte(line), &at) != nil || at.Address == "" {
			return
		}
		once.Do(func() {
			stack.Address, stack.UIURL, stack.Namespace = at.Address, at.UIURL, at.Namespace
			close(ready)
		})
	})
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, ready); err != nil {
		return nil, err
	}
	stack.server = s
	return stack, nil
}
