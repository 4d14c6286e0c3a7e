{{- define "bursar.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "bursar.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "bursar.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "bursar.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "bursar.selector" -}}
app.kubernetes.io/name: {{ include "bursar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bursar.labels" -}}
{{ include "bursar.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "bursar.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "bursar.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: name the existing account, or set serviceAccount.create" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "bursar.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{/* The name of one of the four Secrets: (list $ "keys"). Empty if the Secret is not given at all. */}}
{{- define "bursar.secret" -}}
{{- $root := index . 0 -}}
{{- $which := index . 1 -}}
{{- $secret := index $root.Values.secrets $which -}}
{{- $ways := 0 -}}
{{- range list $secret.existingSecret $secret.external $secret.files }}{{ if . }}{{ $ways = add1 $ways }}{{ end }}{{ end -}}
{{- if gt $ways 1 -}}
{{- fail (printf "secrets.%s: set one of existingSecret, external and files, not several" $which) -}}
{{- end -}}
{{- if $secret.existingSecret -}}
{{- $secret.existingSecret -}}
{{- else if eq $ways 1 -}}
{{- printf "%s-%s" (include "bursar.fullname" $root) $which -}}
{{- end -}}
{{- end }}

{{/* The same for a Secret without which nothing works. */}}
{{- define "bursar.requiredSecret" -}}
{{- $which := index . 1 -}}
{{- required (printf "secrets.%s: set existingSecret, external or files" $which) (include "bursar.secret" .) -}}
{{- end }}

{{/* The security of a Pod: the image's user, and files that its group may read. */}}
{{- define "bursar.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "bursar.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Variables of every role. */}}
{{- define "bursar.env" -}}
- name: BURSAR_CONFIG
  value: /etc/bursar/bursar.toml
- name: BURSAR_REDIS__URL
  valueFrom:
    secretKeyRef: { name: {{ include "bursar.requiredSecret" (list . "redis") }}, key: url }
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Mounts of every role. */}}
{{- define "bursar.mounts" -}}
- { name: config, mountPath: /etc/bursar/bursar.toml, subPath: bursar.toml, readOnly: true }
{{- if include "bursar.secret" (list . "public") }}
- { name: public, mountPath: /etc/bursar/public, readOnly: true }
{{- end }}
{{- end }}

{{- define "bursar.volumes" -}}
- name: config
  configMap: { name: {{ include "bursar.fullname" . }}, defaultMode: 0440 }
{{- with include "bursar.secret" (list . "public") }}
- name: public
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}

{{/* What signs for gateways: workers and jobs that call gateways, never the server. */}}
{{- define "bursar.keysMount" -}}
- { name: keys, mountPath: /etc/bursar/keys, readOnly: true }
{{- end }}

{{- define "bursar.keysVolume" -}}
- name: keys
  secret: { secretName: {{ include "bursar.requiredSecret" (list . "keys") }}, defaultMode: 0440 }
{{- end }}

{{/* A change of the configuration, or of a Secret of this release, replaces the Pods. */}}
{{- define "bursar.checksums" -}}
checksum/config: {{ .Values.config | sha256sum }}
checksum/secrets: {{ .Values.secrets | toJson | sha256sum }}
{{- end }}

{{/* The spread of one role: (list $ "worker"). */}}
{{- define "bursar.spread" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: {{ $root.Values.topologySpread.whenUnsatisfiable }}
  labelSelector:
    matchLabels:
      {{- include "bursar.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $role }}
{{- end }}
{{- end }}

{{/* Where Pods of a role may run. */}}
{{- define "bursar.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "bursar.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Addresses of a role's listeners, for every address family of the cluster's Pods. */}}
{{- define "bursar.listen" -}}
{{- $root := index . 0 -}}
{{- $port := index . 1 -}}
{{- if contains ":" $root.Values.listenAddress }}[{{ $root.Values.listenAddress }}]{{ else }}{{ $root.Values.listenAddress }}{{ end }}:{{ $port }}
{{- end }}
