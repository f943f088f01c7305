package helm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wrong values are refused before anything is installed, with the value and what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ option, fault string }{
		// The schema.
		"Unknown":        {"replica: 2", "additional properties 'replica' not allowed"},
		"UnknownBelow":   {"worker: {drain: 30s}", "at '/worker': additional properties 'drain' not allowed"},
		"NoWorkers":      {"replicas: 0", "at '/replicas': minimum: got 0, want 1"},
		"WrongType":      {"replicas: two", "at '/replicas': got string, want integer"},
		"LogLevel":       {"worker: {logLevel: loud}", "at '/worker/logLevel': value must be one of 'debug', 'info', 'warn', 'error'"},
		"Drain":          {"worker: {drainTimeout: soon}", "at '/worker/drainTimeout'"},
		"DrainZero":      {"worker: {drainTimeout: 0s}", "at '/worker/drainTimeout'"},
		"Address":        {"temporal: {address: temporal}", "at '/temporal/address'"},
		"Root":           {"security: {runAsUser: 0}", "at '/security/runAsUser': minimum: got 0, want 1"},
		"Digest":         {"image: {digest: latest}", "at '/image/digest'"},
		"Tag":            {`image: {tag: "a b"}`, "at '/image/tag'"},
		"LowPort":        {"health: {port: 80}", "at '/health/port': minimum: got 80, want 1,024"},
		"SecretValue":    {"secrets: {env: [{name: KEY, value: hush}]}", "at '/secrets/env/0'"},
		"SecretNoKey":    {"secrets: {env: [{name: A, secret: keys}]}", "at '/secrets/env/0': missing property 'key'"},
		"SecretFileName": {"secrets: {files: [{name: ../etc, secret: keys}]}", "at '/secrets/files/0/name'"},
		"ToZero":         {"keda: {enabled: true, minReplicas: 0}", "at '/keda/minReplicas': minimum: got 0, want 1"},
		"DotInName":      {"versioning: {deploymentName: a.b, buildId: c}", "at '/versioning/deploymentName'"},
		"Kind":           {"workerController: {kind: Worker}", "at '/workerController/kind': value must be one of"},
		"Ramp":           {"workerController: {rollout: {steps: [{rampPercentage: 100, pauseDuration: 1m}]}}", "at '/workerController/rollout/steps/0/rampPercentage'"},
		"EnvName":        {"env: [{name: a-b, value: c}]", "at '/env/0/name'"},
		"EnvNumber":      {"env: [{name: A, value: 1}]", "at '/env/0/value': got number, want string"},

		// What goes together.
		"NoAddress":      {`temporal: {address: ""}`, "temporal.address is empty: set it to host:port"},
		"BothConfigs":    {"config: {parley: a, existingConfigMap: b}", "config.parley and config.existingConfigMap are both set"},
		"NoYAML":         {`config: {parley: "a: ]"}`, "config.parley is no YAML"},
		"HalfVersion":    {"versioning: {buildId: v7}", "versioning.deploymentName and versioning.buildId go together"},
		"HalfTLS":        {`temporal: {tls: {secret: s, keyKey: ""}}`, "temporal.tls.certKey and temporal.tls.keyKey go together"},
		"AuthorityAlone": {"temporal: {tls: {caKey: ca.crt}}", "temporal.tls.caKey is a key of the Secret that temporal.tls.secret names"},
		"Twice":          {"{env: [{name: A, value: b}], secrets: {env: [{name: A, secret: b, key: c}]}}", "the variable A is given twice"},
		"FolderTwice":    {"secrets: {files: [{name: a, secret: b}, {name: a, secret: c}]}", "secrets.files has the name a twice"},
		"OursAlready":    {`env: [{name: TEMPORAL_ADDRESS, value: "a:1"}]`, "the chart sets the variable TEMPORAL_ADDRESS itself"},
		"SelectorLabel":  {"podLabels: {app.kubernetes.io/name: mine}", "podLabels has app.kubernetes.io/name, by which the chart selects its pods"},
		"MaxBelowMin":    {"keda: {enabled: true, minReplicas: 5, maxReplicas: 4}", "keda.maxReplicas is 4, below keda.minReplicas 5"},
		"QueueUnknown":   {`{keda: {enabled: true}, config: {parley: "task_queue: ${QUEUE}"}}`, "set keda.taskQueue to the queue's name"},

		"KEDAWithoutCertificate": {"{keda: {enabled: true}, temporal: {tls: {enabled: true}}}", "KEDA uses TLS only with an API key or a client certificate"},
		"KEDAWithAuthorityOnly":  {`{keda: {enabled: true}, temporal: {tls: {secret: ca, certKey: "", keyKey: "", caKey: ca.crt}}}`, "KEDA uses TLS only with an API key or a client certificate"},

		// The grace is above the drain timeout.
		"Grace":     {"worker: {terminationGracePeriodSeconds: 30}", "with worker.drainTimeout 30s a worker needs up to 40 seconds to stop, and Kubernetes would kill it before: set 45 or more, or 0 to have it computed"},
		"GraceMost": {"worker: {drainTimeout: 10m, terminationGracePeriodSeconds: 804}", "set 805 or more"},

		// The Worker Controller.
		"NoConnection":  {`{temporal: {address: ""}, workerController: {enabled: true}}`, "workerController.connection is empty"},
		"OwnAddress":    {"workerController: {enabled: true, connection: c}", "temporal.address, temporal.apiKey and temporal.tls do not go with workerController.enabled"},
		"OwnVersion":    {`{temporal: {address: ""}, versioning: {deploymentName: a, buildId: b}, workerController: {enabled: true, connection: c}}`, "versioning does not go with workerController.enabled"},
		"WithKEDA":      {`{temporal: {address: ""}, keda: {enabled: true}, workerController: {enabled: true, connection: c}}`, "keda.enabled does not go with workerController.enabled"},
		"NoSteps":       {`{temporal: {address: ""}, workerController: {enabled: true, connection: c, rollout: {strategy: Progressive}}}`, "rollout.steps goes with the strategy Progressive"},
		"StepsNotAfter": {`{temporal: {address: ""}, workerController: {enabled: true, connection: c, rollout: {strategy: Progressive, steps: [{rampPercentage: 50, pauseDuration: 1m}, {rampPercentage: 50, pauseDuration: 1m}]}}}`, "50 percent comes after 50: each step must be higher"},

		// No secret can be written into the values.
		"EnvKey":       {"env: [{name: OPENAI_API_KEY, value: sk-hush}]", "env has OPENAI_API_KEY, which names a secret"},
		"EnvToken":     {"env: [{name: MY_TOKEN, value: hush}]", "env has MY_TOKEN, which names a secret"},
		"EnvPassword":  {"env: [{name: PG_PASSWORD, value: hush}]", "env has PG_PASSWORD, which names a secret"},
		"EnvHeaders":   {"env: [{name: OTEL_EXPORTER_OTLP_HEADERS, value: a=hush}]", "env has OTEL_EXPORTER_OTLP_HEADERS, which names a secret"},
		"EnvInAddress": {`env: [{name: PROXY_URL, value: "http://me:hush@proxy:3128"}]`, "env has a password in the address of PROXY_URL"},
		"TemporalKey":  {"temporal: {apiKey: hush}", "at '/temporal/apiKey': got string, want object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := template(with(t, tt.option))
			require.ErrorContains(t, err, tt.fault)
			require.NotContains(t, err.Error(), "hush", "the message repeats a secret")
		})
	}
}

// secretsInConfig are texts of parley.yaml, and the setting that is a secret written out.
var secretsInConfig = []struct{ name, text, at string }{
	{"Platform", "platforms: {main: {type: onerun, base_url: 'http://x', api_key: sk-hush}}", "platforms.main.api_key"},
	{"Number", "platforms: {main: {type: onerun, base_url: 'http://x', api_key: 1234}}", "platforms.main.api_key"},
	{"Header", "executors: {mine: {type: http, url: 'http://x', headers: {Authorization: Bearer hush}}}", "executors.mine.headers.Authorization"},
	{"Dashes", "executors: {mine: {type: http, url: 'http://x', headers: {X-Api-Key: hush}}}", "executors.mine.headers.X-Api-Key"},
	{"Default", "platforms: {main: {type: onerun, base_url: 'http://x', api_key: '${KEY:-hush}'}}", "platforms.main.api_key"},
	{"Escaped", "platforms: {main: {type: onerun, base_url: 'http://x', api_key: '$${KEY}'}}", "platforms.main.api_key"},
}

func TestSecretsInConfig(t *testing.T) {
	t.Parallel()
	for _, tt := range secretsInConfig {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			given := merged(file(t, "minimal.yaml"), map[string]any{"config": map[string]any{"parley": tt.text}})
			_, err := template(given)
			require.ErrorContains(t, err, "config.parley: "+tt.at+" is written out")
			require.NotContains(t, err.Error(), "hush")
		})
	}
	for _, text := range []string{
		"platforms: {main: {api_key: '${KEY}'}}", "platforms: {main: {api_key: '${KEY:-}'}}", "platforms: {main: {api_key: '${file:/secrets/keys/onerun}'}}",
		"executors: {mine: {headers: {Authorization: 'Bearer ${TOKEN}'}}}", "platforms: {main: {api_key: ''}}", "platforms: {main: {api_key: null}}",
		"executors: {mine: {first_token: 5s, url: 'http://x'}}", "",
	} {
		given := merged(file(t, "minimal.yaml"), map[string]any{"config": map[string]any{"parley": text}})
		_, err := template(given)
		require.NoError(t, err, text)
	}
}

// Nothing but names of Secrets is a place for a secret in the schema: each value that looks
// like one is an object that refers, or a name.
func TestNoValueIsASecret(t *testing.T) {
	t.Parallel()
	c, err := load()
	require.NoError(t, err)
	var walk func(at string, v any)
	walk = func(at string, v any) {
		if m, ok := v.(map[string]any); ok {
			for k, below := range m {
				walk(at+"."+k, below)
			}
			return
		}
		for _, word := range []string{"password", "token", "credential"} {
			require.NotContains(t, strings.ToLower(at), word)
		}
	}
	walk("", c.Values)
}
