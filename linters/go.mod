// The linters of this repository, pinned. A module of its own keeps what they
// depend on out of the product's build list; "make lint" builds them from here.
module github.com/parley-run/parley/linters

go 1.26.0

tool (
	github.com/parley-run/parley/linters/analyze
	github.com/parley-run/parley/linters/vulncheck
	go.temporal.io/sdk/contrib/tools/workflowcheck
)

require (
	github.com/OpenPeeDeeP/depguard/v2 v2.3.0
	github.com/gobwas/glob v1.0.0
	github.com/kisielk/errcheck v1.30.0
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/tools v0.52.0
	golang.org/x/vuln v1.9.0
	honnef.co/go/tools v0.8.2
)

require (
	github.com/BurntSushi/toml v1.6.0 // indirect
	go.temporal.io/sdk/contrib/tools/workflowcheck v0.6.0 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/mod v0.42.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/telemetry v0.0.0-20261010193011-f71dc92da45e // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
)
