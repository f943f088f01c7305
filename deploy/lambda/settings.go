package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Variables of the environment, besides those of the worker.
const (
	idleVariable   = "PARLEY_UNTIL_IDLE"
	drainVariable  = "PARLEY_DRAIN_TIMEOUT"
	marginVariable = "PARLEY_MARGIN"
	// Those of Temporal's deployments.
	deploymentVariable = "TEMPORAL_DEPLOYMENT_NAME"
	buildVariable      = "TEMPORAL_WORKER_BUILD_ID"
	// memoryVariable is Lambda's, in MiB.
	memoryVariable = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"
)

const (
	defaultIdle  = 20 * time.Second
	defaultDrain = 15 * time.Second
	// defaultMargin is kept back before the deadline for what follows the drain: closing
	// connections, counting what is left, the answer.
	defaultMargin = 5 * time.Second
	// leastWork is what must be left for work: the start alone takes seconds.
	leastWork = 10 * time.Second
)

// settings are those of the function.
type settings struct {
	// Idle ends an invocation early when nothing is to do for so long.
	Idle time.Duration
	// Drain is how long running steps may take to end, and Margin what is kept back besides.
	Drain, Margin time.Duration
	// Deployment and Build are the worker's version. Both or neither.
	Deployment, Build string
	// Memory is the function's, in bytes. Zero: not known.
	Memory int64
}

// read reads the settings from the environment, with every fault at once.
func read(lookup func(string) (string, bool)) (settings, error) {
	s := settings{Idle: defaultIdle, Drain: defaultDrain, Margin: defaultMargin}
	var faults []error
	for _, v := range []struct {
		name  string
		to    *time.Duration
		least time.Duration
	}{
		{idleVariable, &s.Idle, time.Second}, {drainVariable, &s.Drain, 3 * time.Second}, {marginVariable, &s.Margin, time.Second},
	} {
		text, ok := lookup(v.name)
		if !ok || text == "" {
			continue
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < v.least {
			faults = append(faults, fmt.Errorf("lambda: %s is %q: use a duration of %v or more", v.name, text, v.least))
			continue
		}
		*v.to = d
	}
	s.Deployment, _ = lookup(deploymentVariable)
	s.Build, _ = lookup(buildVariable)
	if (s.Deployment == "") != (s.Build == "") {
		faults = append(faults, fmt.Errorf("lambda: %s and %s go together: set both, or neither", deploymentVariable, buildVariable))
	}
	if text, ok := lookup(memoryVariable); ok {
		if mib, err := strconv.ParseInt(text, 10, 64); err == nil {
			s.Memory = mib << 20
		}
	}
	return s, errors.Join(faults...)
}
