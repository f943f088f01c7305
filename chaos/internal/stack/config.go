package stack

import "fmt"

// Key is the platform's.
const Key = "chaos-key"

// settle is longer than any network fault of a plan: a request that is held back arrives
// before Parley takes it for lost.
const configText = `task_queue: chaos
platforms:
  sim:
    type: onerun
    base_url: http://%s
    api_key: ${ONERUN_API_KEY}
    settle: 30s
    max_open: %d
    poll_interval: 500ms
    response_timeout: 40s
executors:
  model:
    type: openai
    model: chaos-1
    base_url: http://%s/v1
    api_key: ${MODEL_KEY}
    timeout: 30s
tools:
  shop:
    type: mcp
    url: http://%s/mcp
    ask: [pay]
    timeout: 20s
agents:
  desk:
    platform: sim
    project: %s
    agent: %s
    executor: model
    tools: [shop]
    approval_timeout: 2m
`

func config(platform, model, tools, project, agent string, maxOpen int) string {
	return fmt.Sprintf(configText, platform, maxOpen, model, tools, project, agent)
}
