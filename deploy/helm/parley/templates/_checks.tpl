{{/*
What the schema cannot say. Each check fails with the value's name and what to do.
*/}}

{{- define "parley.drainSeconds" -}}
{{- $drain := .Values.worker.drainTimeout -}}
{{- if hasSuffix "m" $drain -}}{{- mul 60 (trimSuffix "m" $drain | int) -}}{{- else -}}{{- trimSuffix "s" $drain | int -}}{{- end -}}
{{- end }}

{{/*
A worker that stops lets calls under way end for a third of the drain timeout, and then
drains; what it closes afterwards takes a moment.
*/}}
{{- define "parley.graceSeconds" -}}
{{- $drain := include "parley.drainSeconds" . | int -}}
{{- $stop := add $drain (div $drain 3) -}}
{{- $grace := .Values.worker.terminationGracePeriodSeconds | int -}}
{{- if eq $grace 0 -}}
{{- add $stop 15 -}}
{{- else if lt $grace (add $stop 5 | int) -}}
{{- fail (printf "worker.terminationGracePeriodSeconds is %d: with worker.drainTimeout %s a worker needs up to %d seconds to stop, and Kubernetes would kill it before: set %d or more, or 0 to have it computed" $grace .Values.worker.drainTimeout $stop (add $stop 5)) -}}
{{- else -}}
{{- $grace -}}
{{- end -}}
{{- end }}

{{/* Whether a name is that of a secret: "true" or nothing. The worker's rule for parley.yaml. */}}
{{- define "parley.isSecret" -}}
{{- if regexMatch "(^|_)(api_key|apikey|access_token|auth_token|api_token|secret|password|authorization|private_key)$|^token$" (. | lower | replace "-" "_") -}}true{{- end -}}
{{- end }}

{{/* Fails if a value below a node of parley.yaml is a secret that is written out. */}}
{{- define "parley.checkSecrets" -}}
{{- $at := .at -}}
{{- $secret := .secret -}}
{{- if kindIs "map" .node -}}
{{- range $name, $value := .node -}}
{{- include "parley.checkSecrets" (dict "at" (ternary $name (printf "%s.%s" $at $name) (eq $at "")) "node" $value "secret" (or $secret (eq (include "parley.isSecret" $name) "true"))) -}}
{{- end -}}
{{- else if kindIs "slice" .node -}}
{{- range $i, $value := .node -}}
{{- include "parley.checkSecrets" (dict "at" (printf "%s[%d]" $at $i) "node" $value "secret" $secret) -}}
{{- end -}}
{{- else if and $secret (not (kindIs "invalid" .node)) (ne (toString .node) "") -}}
{{- $refs := regexReplaceAll "\\$\\$\\{[^}]*\\}" (toString .node) "" -}}
{{- if or (not (regexMatch "\\$\\{[^}]*\\}" $refs)) (regexMatch "\\$\\{[A-Za-z_][A-Za-z0-9_]*:-[^}]+\\}" $refs) -}}
{{- fail (printf "config.parley: %s is written out: a ConfigMap is no place for secrets. Write ${NAME} and give NAME with secrets.env, or ${file:/secrets/…} and give the file with secrets.files" $at) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "parley.checkConfig" -}}
{{- if and .Values.config.parley .Values.config.existingConfigMap -}}
{{- fail "config.parley and config.existingConfigMap are both set: give the text, or the ConfigMap that has it" -}}
{{- end -}}
{{- with .Values.config.parley -}}
{{- $parsed := fromYaml . -}}
{{- if and (hasKey $parsed "Error") (eq (len $parsed) 1) -}}
{{- fail (printf "config.parley is no YAML: %s" $parsed.Error) -}}
{{- end -}}
{{- include "parley.checkSecrets" (dict "at" "" "node" $parsed "secret" false) -}}
{{- end -}}
{{- end }}

{{- define "parley.checkEnv" -}}
{{- $seen := dict -}}
{{- range concat .Values.env .Values.secrets.env -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "the variable %s is given twice: once in env or secrets.env is enough" .name) -}}
{{- end -}}
{{- if regexMatch "^(PARLEY_CONFIG|HOME|PATH|TEMPORAL_(ADDRESS|NAMESPACE|API_KEY|TLS.*|DEPLOYMENT_NAME|WORKER_BUILD_ID))$" .name -}}
{{- fail (printf "the chart sets the variable %s itself: use the values below temporal, config and versioning" .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- range .Values.env -}}
{{- if or (eq (include "parley.isSecret" .name) "true") (regexMatch "(TOKEN|_KEY|_HEADERS|CREDENTIALS?|PASSPHRASE)$" .name) -}}
{{- fail (printf "env has %s, which names a secret: put its value into a Secret and name that in secrets.env" .name) -}}
{{- end -}}
{{- if regexMatch "://[^/@ ]*:[^/@ ]+@" .value -}}
{{- fail (printf "env has a password in the address of %s: put the whole value into a Secret and name that in secrets.env" .name) -}}
{{- end -}}
{{- end -}}
{{- $files := dict -}}
{{- range .Values.secrets.files -}}
{{- if hasKey $files .name -}}
{{- fail (printf "secrets.files has the name %s twice: each is a folder /secrets/<name> of its own" .name) -}}
{{- end -}}
{{- $_ := set $files .name true -}}
{{- end -}}
{{- end }}

{{- define "parley.checkTemporal" -}}
{{- $t := .Values.temporal -}}
{{- if .Values.workerController.enabled -}}
{{- if or $t.address $t.apiKey.secret $t.tls.enabled $t.tls.secret $t.tls.serverName -}}
{{- fail "temporal.address, temporal.apiKey and temporal.tls do not go with workerController.enabled: the Connection that workerController.connection names has them" -}}
{{- end -}}
{{- if not .Values.workerController.connection -}}
{{- fail "workerController.connection is empty: name a Connection of the Worker Controller in the release's namespace" -}}
{{- end -}}
{{- if or .Values.versioning.deploymentName .Values.versioning.buildId -}}
{{- fail "versioning does not go with workerController.enabled: the controller gives each version its name" -}}
{{- end -}}
{{- if .Values.keda.enabled -}}
{{- fail "keda.enabled does not go with workerController.enabled: the controller has a Deployment for each version. Scale them with a WorkerResourceTemplate (docs/kubernetes.md)" -}}
{{- end -}}
{{- $w := .Values.workerController.rollout -}}
{{- if ne (eq $w.strategy "Progressive") (gt (len $w.steps) 0) -}}
{{- fail "workerController.rollout.steps goes with the strategy Progressive: give both, or neither" -}}
{{- end -}}
{{- $last := 0 -}}
{{- range $w.steps -}}
{{- if le (int .rampPercentage) $last -}}
{{- fail (printf "workerController.rollout.steps: %d percent comes after %d: each step must be higher" (int .rampPercentage) $last) -}}
{{- end -}}
{{- $last = int .rampPercentage -}}
{{- end -}}
{{- else if not $t.address -}}
{{- fail "temporal.address is empty: set it to host:port of Temporal's frontend, such as temporal-frontend.temporal:7233" -}}
{{- end -}}
{{- if and $t.tls.secret (ne (empty $t.tls.certKey) (empty $t.tls.keyKey)) -}}
{{- fail "temporal.tls.certKey and temporal.tls.keyKey go together: set both, or both to \"\"" -}}
{{- end -}}
{{- if and $t.tls.caKey (not $t.tls.secret) -}}
{{- fail "temporal.tls.caKey is a key of the Secret that temporal.tls.secret names: set that too" -}}
{{- end -}}
{{- if ne (empty .Values.versioning.deploymentName) (empty .Values.versioning.buildId) -}}
{{- fail "versioning.deploymentName and versioning.buildId go together: give both, or neither" -}}
{{- end -}}
{{- $certificate := and $t.tls.secret $t.tls.certKey -}}
{{- if and .Values.keda.enabled (or $t.tls.enabled $t.tls.secret) (not (or $certificate $t.apiKey.secret .Values.keda.authentication)) -}}
{{- fail "keda.enabled: KEDA uses TLS only with an API key or a client certificate, and temporal has neither: give temporal.apiKey.secret or temporal.tls.secret with certKey, or name a TriggerAuthentication in keda.authentication" -}}
{{- end -}}
{{- if and .Values.keda.enabled (lt (int .Values.keda.maxReplicas) (int .Values.keda.minReplicas)) -}}
{{- fail (printf "keda.maxReplicas is %d, below keda.minReplicas %d" (int .Values.keda.maxReplicas) (int .Values.keda.minReplicas)) -}}
{{- end -}}
{{- end }}

{{- define "parley.checkLabels" -}}
{{- $selector := include "parley.selector" . | fromYaml -}}
{{- range $name, $_ := .Values.podLabels -}}
{{- if hasKey $selector $name -}}
{{- fail (printf "podLabels has %s, by which the chart selects its pods: choose another label" $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "parley.check" -}}
{{- include "parley.checkTemporal" . -}}
{{- include "parley.checkConfig" . -}}
{{- include "parley.checkEnv" . -}}
{{- include "parley.checkLabels" . -}}
{{- end }}
