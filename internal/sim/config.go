package sim

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"
)

// Config is what a [Simulator] is made from. The zero value works.
type Config struct {
	// Scenario has the personas. Nil: [Builtin].
	Scenario *Scenario
	// APIKey is the key that callers must send. Empty: any caller is accepted.
	APIKey string
	// Seed determines what personas say and which calls fail.
	Seed int64
	// StateFile keeps the state over restarts. Empty: memory only. Only one simulator may
	// use a file at a time.
	StateFile string
	// Latency is how long personas think.
	Latency Latency
	// Faults are switched off by default.
	Faults Faults
	// Player plays the personas. Nil: the scenario's script.
	Player Player
	// Pass limits the rate at which conversations are made. Zero: all at once.
	Pass Pass
	// Clock is used for time stamps and expiry. Nil: [time.Now].
	Clock func() time.Time
	// Logger receives the log. Nil: none.
	Logger *slog.Logger
	// Lenient lists what the simulator does better than OneRun. Zero: nothing.
	Lenient Lenient
	// Freeze is the pause of all answers after too many simultaneous responses calls.
	// Zero: 30 s, as in OneRun.
	Freeze time.Duration
	// Origins are the web origins that may call the simulator from a browser, such as
	// http://localhost:3000. Nil: none. Their pages must send the key themselves: the
	// simulator never permits browsers to send credentials.
	Origins []string
}

// Latency is the time that a persona thinks about each answer, drawn evenly between Min
// and Max. A Max below Min counts as Min.
type Latency struct {
	Min time.Duration `json:"min" yaml:"min"`
	Max time.Duration `json:"max" yaml:"max"`
}

// Pass makes conversations in portions, as OneRun does (ten a minute).
type Pass struct {
	// Size is the most conversations one pass makes in one simulation. Zero: no
	// limit.
	Size int
	// Every is the time between passes. Zero: a second, if Size is set.
	Every time.Duration
}

func (cfg Config) validate() error {
	var errs []error
	if cfg.Latency.Min < 0 || cfg.Latency.Max < 0 {
		errs = append(errs, fmt.Errorf("latency %v..%v: must not be negative", cfg.Latency.Min, cfg.Latency.Max))
	}
	if cfg.Freeze < 0 {
		errs = append(errs, fmt.Errorf("freeze %v: must not be negative", cfg.Freeze))
	}
	for _, origin := range cfg.Origins {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.Scheme+"://"+u.Host != origin {
			errs = append(errs, fmt.Errorf("origin %q: use one such as http://localhost:3000, without a path; no pattern allows all", origin))
		}
	}
	if cfg.Pass.Size < 0 || cfg.Pass.Every < 0 {
		errs = append(errs, fmt.Errorf("pass of %d every %v: must not be negative", cfg.Pass.Size, cfg.Pass.Every))
	}
	errs = append(errs, cfg.Faults.Validate())
	return errors.Join(errs...)
}

func (cfg Config) withDefaults() Config {
	if cfg.Scenario == nil {
		cfg.Scenario = Builtin()
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Player == nil {
		cfg.Player = ScriptPlayer{}
	}
	cfg.Freeze = cmp.Or(cfg.Freeze, defaultFreeze)
	if cfg.Pass.Size > 0 {
		cfg.Pass.Every = cmp.Or(cfg.Pass.Every, time.Second)
	}
	return cfg
}
