package command

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/duration"
)

// globalFlags are the flags of every command.
type globalFlags struct {
	config    string
	taskQueue string
	address   string
	namespace string
	uiAddress string
	output    string
	timeout   time.Duration
	as        string // the operator
	// timeoutGiven tells a default from a given value.
	timeoutGiven func() bool
}

const (
	outputText = "text"
	outputJSON = "json"
)

func (f *globalFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.config, "config", "", "configuration `file` (default: parley.yaml, if there is one)")
	flags.StringVar(&f.address, "temporal-address", "", "`host:port` of Temporal (default: TEMPORAL_ADDRESS, else localhost:7233)")
	flags.StringVar(&f.namespace, "namespace", "", "Temporal `namespace` (default: TEMPORAL_NAMESPACE, else default)")
	flags.StringVar(&f.uiAddress, "ui-address", "", "`address` of Temporal's web interface, for links (default: TEMPORAL_UI_ADDRESS, else the one found on this machine)")
	flags.StringVar(&f.taskQueue, "task-queue", "", "task `queue` of the workers (default: the configuration's, else parley)")
	flags.StringVarP(&f.output, "output", "o", outputText, "output `format`: text or json")
	flags.Var(duration.NewFlag(&f.timeout, 15*time.Second), "timeout", "how long to wait for Temporal and for workers; 0 waits for ever")
	f.timeoutGiven = func() bool { return flags.Changed("timeout") }
}

func (f *globalFlags) validate() error {
	switch {
	case f.output != outputText && f.output != outputJSON:
		return usagef("unknown output format %q: use text or json", f.output)
	case f.timeout < 0:
		return usagef("--timeout %v is negative", f.timeout)
	}
	return nil
}
