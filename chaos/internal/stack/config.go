//go:build unix

package stack

import (
	"strings"
	"text/template"
	"time"
)

// Key is the platforms'.
const Key = "chaos-key"

// A setting is what configurations differ in.
type setting struct {
	Platform, Model, Tools, Pulse string // addresses
	Project, Agent                string
	MaxOpen                       int
	AdoptAfter                    time.Duration
}

// settle is longer than any network fault of a plan: a request that is held back arrives
// before Parley takes it for lost.
var configText = template.Must(template.New("").Parse(`task_queue: chaos
platforms:
  sim:
    type: onerun
    base_url: http://{{.Platform}}
    api_key: ${ONERUN_API_KEY}
    settle: 30s
    max_open: {{.MaxOpen}}
    poll_interval: 500ms
    response_timeout: 40s
    adopt_after: {{.AdoptAfter}}
  pulse:
    type: pulse
    url: http://{{.Pulse}}
    api_key: ${PULSE_API_KEY}
    poll_interval: 1s
executors:
  model:
    type: openai
    model: chaos-1
    base_url: http://{{.Model}}/v1
    api_key: ${MODEL_KEY}
    timeout: 30s
tools:
  shop:
    type: mcp
    url: http://{{.Tools}}/mcp
    ask: [pay]
    timeout: 20s
agents:
  desk:
    platform: sim
    project: {{.Project}}
    agent: {{.Agent}}
    executor: model
    tools: [shop]
    approval_timeout: 2m
  clerk:
    platform: pulse
    executor: model
`))

func (s setting) text() string {
	var out strings.Builder
	if err := configText.Execute(&out, s); err != nil {
		panic("stack: configuration: " + err.Error())
	}
	return out.String()
}
