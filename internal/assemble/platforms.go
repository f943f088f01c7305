package assemble

import (
	"time"

	"github.com/parley-run/parley/internal/config"
	"github.com/parley-run/parley/platforms"
)

// platformSettings are those of an instance, as its type reads them.
type platformSettings struct{ of config.Platform }

func (s platformSettings) Name() string          { return s.of.Name }
func (s platformSettings) Decode(into any) error { return s.of.Settings.Decode(into, s.of.Type) }

// makePlatforms makes the instances that the configuration names.
func (a *Assembly) makePlatforms(backends Backends) []error {
	var faults []error
	for _, p := range a.Config.Platforms {
		if p.Given {
			instance := backends.Given.Platforms[p.Name]
			instance.Name = p.Name
			a.Platforms[p.Name] = instance
			continue
		}
		kind, ok := backends.platform(p.Type)
		if !ok {
			faults = append(faults, unknownType(p.Settings, p.Type, names(backends.Platforms, func(t PlatformType) string { return t.Name })))
			continue
		}
		if kind.New == nil { // there is no platform
			var none struct{}
			faults = append(faults, p.Settings.Place(p.Settings.Decode(&none, p.Type)))
			continue
		}
		instance, err := kind.New(platformSettings{p})
		if err != nil {
			faults = append(faults, p.Settings.Place(err))
			continue
		}
		instance.Platform = rotatingPlatform(p.Name, backends.Process.Logger, p.Settings, instance.Platform, func(s config.Settings) (platforms.Platform, error) {
			renewed := p
			renewed.Settings = s
			again, err := kind.New(platformSettings{renewed})
			introduce(again.Platform, backends.Process)
			return again.Platform, err
		})
		a.add(p, instance, backends.Process)
	}
	return faults
}

// add takes an instance in, with what every platform has in the configuration.
func (a *Assembly) add(p config.Platform, instance platforms.Instance, process Process) {
	instance.Name = p.Name
	a.sendTimeouts[p.Name] = instance.SendTimeout
	if p.Settle != nil {
		instance.Settle = *p.Settle
	}
	if p.MaxOpen != nil {
		instance.MaxOpen = *p.MaxOpen
	}
	instance.FixedMaxOpen = instance.FixedMaxOpen || p.FixedMaxOpen
	introduce(instance.Platform, process)
	a.Platforms[p.Name] = instance
}

func introduce(p platforms.Platform, process Process) {
	if named, ok := platforms.As[introduced](p); ok && process.Logger != nil {
		named.Introduce(process.Version, process.Logger)
	}
}

// A Connection is an instance that keeps one.
type Connection struct {
	Platform string
	Metric   string // the gauge that counts it; empty: none does
	Err      func() error
}

// Connections are the instances, in the configuration's order, that keep a connection.
func (a *Assembly) Connections() []Connection {
	var all []Connection
	for _, p := range a.Config.Platforms {
		c, ok := platforms.As[Connected](a.Platforms[p.Name].Platform)
		if !ok || p.Given {
			continue
		}
		kind, _ := a.backends.platform(p.Type)
		all = append(all, Connection{Platform: p.Name, Metric: kind.ConnectedMetric, Err: c.Connected})
	}
	return all
}

// Services make what serves conversations beside the inboxes. The Serving names what
// the process has for them.
func (a *Assembly) Services(with Serving) ([]Service, error) {
	var all []Service
	for _, p := range a.Config.Platforms {
		kind, _ := a.backends.platform(p.Type)
		if kind.Serve == nil || p.Given {
			continue
		}
		with.Config, with.Name, with.Platform = a.Config, p.Name, a.Platforms[p.Name].Platform
		service, err := kind.Serve(with)
		if err != nil {
			return nil, err
		}
		all = append(all, service)
	}
	return all, nil
}

// sendTimeout is how long one Send may take on an instance that is configured.
func (a *Assembly) sendTimeout(name string) time.Duration { return a.sendTimeouts[name] }
