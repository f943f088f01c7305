{{/* A name without dots: Temporal allows none in names of deployments, and DNS labels neither. */}}
{{- define "parley.label" -}}
{{- . | replace "." "-" | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "parley.name" -}}
{{- include "parley.label" (default .Chart.Name .Values.nameOverride) -}}
{{- end }}

{{- define "parley.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- include "parley.label" .Values.fullnameOverride -}}
{{- else if contains (include "parley.name" .) .Release.Name -}}
{{- include "parley.label" .Release.Name -}}
{{- else -}}
{{- include "parley.label" (printf "%s-%s" .Release.Name (include "parley.name" .)) -}}
{{- end -}}
{{- end }}

{{- define "parley.serviceAccount" -}}
{{- default (ternary (include "parley.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name -}}
{{- end }}

{{- define "parley.configMap" -}}
{{- if .Values.config.existingConfigMap -}}
{{- .Values.config.existingConfigMap -}}
{{- else if .Values.config.parley -}}
{{- include "parley.fullname" . -}}
{{- end -}}
{{- end }}

{{/* A selector cannot be changed: these never depend on a version or on a setting. */}}
{{- define "parley.selector" -}}
app.kubernetes.io/name: {{ include "parley.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: worker
{{- end }}

{{- define "parley.labels" -}}
{{ include "parley.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | replace "+" "_" | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: parley
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "parley.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end }}
