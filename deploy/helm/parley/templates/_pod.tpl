{{/* The worker's pod, for the Deployment and for the Worker Controller. */}}
{{- define "parley.pod" -}}
{{- $v := .Values -}}
metadata:
  labels:
    {{- include "parley.labels" . | nindent 4 }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or $v.podAnnotations $v.config.parley }}
  annotations:
    {{- if $v.config.parley }}
    # The worker reads parley.yaml when it starts: another text takes other pods.
    checksum/parley.yaml: {{ sha256sum $v.config.parley }}
    {{- end }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  serviceAccountName: {{ include "parley.serviceAccount" . }}
  # The worker does not call Kubernetes.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  terminationGracePeriodSeconds: {{ include "parley.graceSeconds" . }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- with $v.security.runAsUser }}
    runAsUser: {{ int64 . }}
    {{- end }}
    {{- with $v.security.runAsGroup }}
    runAsGroup: {{ int64 . }}
    {{- end }}
    {{- with $v.security.fsGroup }}
    fsGroup: {{ int64 . }}
    {{- end }}
    seccompProfile:
      type: RuntimeDefault
  {{- if $v.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range $v.topologySpread.topologyKeys }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: {{ $v.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "parley.selector" $ | nindent 10 }}
      # Each generation of pods by itself, so that a roll out does not count the old ones.
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: worker
      image: {{ include "parley.image" . | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args:
        {{- include "parley.args" . | nindent 8 }}
      {{- with include "parley.env" . }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - name: health
          containerPort: {{ int $v.health.port }}
          protocol: TCP
      # The checks of platforms and models at the start come before the pages.
      startupProbe:
        httpGet:
          path: /healthz
          port: health
        periodSeconds: 2
        failureThreshold: 60
      livenessProbe:
        httpGet:
          path: /healthz
          port: health
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          path: {{ include "parley.readyPath" . | quote }}
          port: health
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      resources:
        {{- toYaml $v.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if include "parley.configMap" . }}
        - name: config
          mountPath: /etc/parley
          readOnly: true
        {{- end }}
        {{- if $v.temporal.tls.secret }}
        - name: parley-temporal
          mountPath: /secrets-temporal
          readOnly: true
        {{- end }}
        {{- range $v.secrets.files }}
        - name: secret-{{ .name }}
          mountPath: /secrets/{{ .name }}
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ $v.tmpSize }}
    {{- with include "parley.configMap" . }}
    - name: config
      configMap:
        name: {{ . }}
        items:
          - key: {{ ternary $v.config.key "parley.yaml" (ne $v.config.existingConfigMap "") }}
            path: parley.yaml
    {{- end }}
    {{- if $v.temporal.tls.secret }}
    - name: parley-temporal
      secret:
        secretName: {{ $v.temporal.tls.secret }}
        defaultMode: 0440
        items:
          {{- range compact (list $v.temporal.tls.certKey $v.temporal.tls.keyKey $v.temporal.tls.caKey) }}
          - key: {{ . }}
            path: {{ . }}
          {{- end }}
    {{- end }}
    {{- range $v.secrets.files }}
    - name: secret-{{ .name }}
      secret:
        secretName: {{ .secret }}
        defaultMode: 0440
        {{- with .keys }}
        items:
          {{- range . }}
          - key: {{ . }}
            path: {{ . }}
          {{- end }}
        {{- end }}
    {{- end }}
{{- end }}

{{/*
A version's workers must be ready before the version is made current, and until then no
version may get the work. Without versions the whole of /readyz counts.
*/}}
{{- define "parley.readyPath" -}}
{{- if or .Values.workerController.enabled .Values.versioning.buildId -}}/readyz?scope=worker{{- else -}}/readyz{{- end -}}
{{- end }}

{{- define "parley.args" -}}
{{- $w := .Values.worker -}}
- --health-addr=:{{ int .Values.health.port }}
- --drain-timeout={{ $w.drainTimeout }}
- --log-level={{ $w.logLevel }}
- --log-format={{ $w.logFormat }}
{{- with $w.taskQueue }}
- {{ printf "--task-queue=%s" . | quote }}
{{- end }}
{{- with $w.executor }}
- {{ printf "--executor=%s" . | quote }}
{{- end }}
{{- if not $w.inboxes }}
- --no-inbox
{{- end }}
{{- with int $w.maxActivities }}
- --max-activities={{ . }}
{{- end }}
{{- with int $w.maxPollers }}
- --max-pollers={{ . }}
{{- end }}
{{- with int $w.stickyCache }}
- --sticky-cache={{ . }}
{{- end }}
{{- with int $w.transcriptCache }}
- --transcript-cache={{ . }}
{{- end }}
{{- with $w.temporalWait }}
- --temporal-wait={{ . }}
{{- end }}
{{- if not $w.replayCheck }}
- --replay-check=false
{{- end }}
{{- end }}

{{- define "parley.env" -}}
{{- $v := .Values -}}
{{- if include "parley.configMap" . }}
- name: PARLEY_CONFIG
  value: /etc/parley/parley.yaml
{{- end }}
{{- if not $v.workerController.enabled }}
- name: TEMPORAL_ADDRESS
  value: {{ $v.temporal.address | quote }}
- name: TEMPORAL_NAMESPACE
  value: {{ $v.temporal.namespace | quote }}
{{- with $v.temporal.apiKey }}
{{- if .secret }}
- name: TEMPORAL_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}
{{- end }}
{{- with $v.temporal.tls }}
{{- if or .enabled .secret $v.temporal.apiKey.secret }}
- name: TEMPORAL_TLS
  value: "true"
{{- end }}
{{- if .serverName }}
- name: TEMPORAL_TLS_SERVER_NAME
  value: {{ .serverName | quote }}
{{- end }}
{{- if .secret }}
{{- if .certKey }}
- name: TEMPORAL_TLS_CLIENT_CERT_PATH
  value: /secrets-temporal/{{ .certKey }}
- name: TEMPORAL_TLS_CLIENT_KEY_PATH
  value: /secrets-temporal/{{ .keyKey }}
{{- end }}
{{- if .caKey }}
- name: TEMPORAL_TLS_SERVER_CA_CERT_PATH
  value: /secrets-temporal/{{ .caKey }}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.versioning }}
{{- if .buildId }}
- name: TEMPORAL_DEPLOYMENT_NAME
  value: {{ .deploymentName | quote }}
- name: TEMPORAL_WORKER_BUILD_ID
  value: {{ .buildId | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- range $v.env }}
- name: {{ .name }}
  value: {{ .value | quote }}
{{- end }}
{{- range $v.secrets.env }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end }}
{{- end }}
