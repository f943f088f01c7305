package command

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/parley-run/parley/internal/duration"
	"github.com/parley-run/parley/internal/sim"
)

// flags are the command line, with defaults from the environment.
type flags struct {
	addr, apiKey, scenario, state, latency, logLevel string
	personaModel, personaURL, personaKey             string
	keyFile, envFile                                 string
	origins, lenient                                 []string
	nextFreePort, strict, exitWhenDone               bool
	printEnv, version, help                          bool
	seed                                             int64
	simulations, conversations, maxTurns             int
	pass                                             sim.Pass
	faults                                           sim.Faults
}

// register makes the flags.
func (f *flags) register() *pflag.FlagSet {
	set := pflag.NewFlagSet("simulator", pflag.ContinueOnError)
	set.Usage = func() {} // help is printed by run
	set.SortFlags = false
	set.StringVar(&f.addr, "addr", "127.0.0.1:3001", "")
	set.BoolVar(&f.nextFreePort, "next-free-port", false, "")
	set.StringVar(&f.apiKey, "api-key", "", "")
	set.StringVar(&f.keyFile, "api-key-file", "", "")
	set.StringVar(&f.envFile, "env-file", "", "")
	set.StringArrayVar(&f.origins, "allow-origin", nil, "")
	set.StringVar(&f.state, "state", "", "")
	set.StringVar(&f.scenario, "scenario", "", "")
	set.IntVar(&f.simulations, "simulations", 1, "")
	set.IntVar(&f.conversations, "conversations", 8, "")
	set.IntVar(&f.maxTurns, "max-turns", 12, "")
	set.IntVar(&f.pass.Size, "pass-size", 0, "")
	set.Var(duration.NewFlag(&f.pass.Every, 0), "pass-every", "")
	set.Int64Var(&f.seed, "seed", 1, "")
	set.StringVar(&f.latency, "latency", "", "")
	set.BoolVar(&f.strict, "strict", true, "")
	set.StringSliceVar(&f.lenient, "lenient", nil, "")
	set.BoolVar(&f.exitWhenDone, "exit-when-done", false, "")
	set.StringVar(&f.personaModel, "persona-model", "", "")
	set.StringVar(&f.personaURL, "persona-base-url", "", "")
	set.Float64Var(&f.faults.ErrorRate, "error-rate", 0, "")
	set.Float64Var(&f.faults.RateLimitRate, "rate-limit-rate", 0, "")
	set.Var(duration.NewFlag(&f.faults.RetryAfter, time.Second), "retry-after", "")
	set.Float64Var(&f.faults.LostAnswerRate, "lost-answer-rate", 0, "")
	set.Float64Var(&f.faults.SlowRate, "slow-rate", 0, "")
	set.Var(duration.NewFlag(&f.faults.SlowBy, 5*time.Second), "slow-by", "")
	set.Float64Var(&f.faults.MalformedRate, "malformed-rate", 0, "")
	set.StringSliceVar(&f.faults.Only, "fault-only", nil, "")
	set.BoolVar(&f.printEnv, "print-env", false, "")
	set.StringVar(&f.logLevel, "log-level", "info", "")
	set.BoolVar(&f.version, "version", false, "")
	set.BoolVarP(&f.help, "help", "h", false, "")
	return set
}

func parseFlags(args []string, lookup func(string) (string, bool)) (flags, error) {
	var f flags
	set := f.register()
	if err := set.Parse(args); err != nil {
		return f, fmt.Errorf("%w; simulator --help lists the flags", err)
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q; simulator --help lists the flags", set.Arg(0))
	}
	env := func(name string) string {
		value, _ := lookup(name)
		return strings.TrimSpace(value)
	}
	if f.apiKey != "" && f.keyFile != "" {
		return f, errors.New("--api-key and --api-key-file: give one of them")
	}
	if f.keyFile == "" {
		f.apiKey = cmp.Or(f.apiKey, env("ONERUN_API_KEY"))
	}
	f.personaKey = env("OPENAI_API_KEY")
	if f.personaURL != "" && f.personaModel == "" {
		return f, errors.New("--persona-base-url needs --persona-model: name the model that plays the personas")
	}
	f.personaURL = cmp.Or(f.personaURL, env("OPENAI_BASE_URL"))
	return f, nil
}

// config turns the flags into the simulator's configuration. It reports every fault that
// can be found without starting.
func (f flags) config() (sim.Config, error) {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	cfg := sim.Config{
		Seed: f.seed, StateFile: f.state, Faults: f.faults, Pass: f.pass, Origins: f.origins,
	}
	var err error
	if cfg.Lenient, err = sim.LenientIn(f.lenient...); err != nil {
		fault("--%w", err)
	}
	if !f.strict {
		cfg.Lenient = sim.LenientInAll()
	}
	if _, _, err := net.SplitHostPort(f.addr); err != nil {
		fault("--addr %q: %w; give one like 127.0.0.1:3001", f.addr, err)
	}
	if !plainKey(f.apiKey) {
		fault("--api-key: it must be plain characters without spaces")
	}
	for _, n := range []struct {
		name     string
		value    int
		smallest int
	}{
		{"--simulations", f.simulations, 1}, {"--conversations", f.conversations, 0}, {"--max-turns", f.maxTurns, 1}, {"--pass-size", f.pass.Size, 0},
	} {
		if n.value < n.smallest || n.value > 100_000 {
			fault("%s %d: want a number between %d and 100000", n.name, n.value, n.smallest)
		}
	}
	if f.pass.Every < 0 {
		fault("--pass-every %v: it must not be negative", f.pass.Every)
	}
	if f.pass.Every > 0 && f.pass.Size == 0 {
		fault("--pass-every needs --pass-size")
	}
	if cfg.Latency, err = parseLatency(f.latency); err != nil {
		fault("--latency: %w", err)
	}
	if err := f.faults.Validate(); err != nil {
		errs = append(errs, err)
	}
	if f.scenario != "" {
		if cfg.Scenario, err = sim.LoadScenario(f.scenario); err != nil {
			errs = append(errs, err)
		}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		fault("--log-level %q: want debug, info, warn or error", f.logLevel)
	}
	if f.personaModel != "" {
		if cfg.Player, err = modelPlayer(f); err != nil {
			errs = append(errs, err)
		}
	}
	return cfg, errors.Join(errs...)
}

// parseLatency reads "200ms" or "200ms..800ms".
func plainKey(key string) bool {
	return !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

func parseLatency(text string) (sim.Latency, error) {
	if text == "" {
		return sim.Latency{}, nil
	}
	low, high, isRange := strings.Cut(text, "..")
	if !isRange {
		high = low
	}
	least, err1 := time.ParseDuration(low)
	most, err2 := time.ParseDuration(high)
	if err1 != nil || err2 != nil || least < 0 || most < least {
		return sim.Latency{}, fmt.Errorf("%q: want a duration or two, such as 200ms or 200ms..800ms", text)
	}
	return sim.Latency{Min: least, Max: most}, nil
}
