{{- define "cloudmgr.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-cloudmgr" .Release.Name) (contains "cloudmgr" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- /* app.kubernetes.io/name is what hosted namespaces know gateways by: it has no setting. */}}
{{- define "cloudmgr.selector" -}}
app.kubernetes.io/name: cloudmgr
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cloudmgr.labels" -}}
{{ include "cloudmgr.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "cloudmgr.image" -}}
{{- $repository := required "image.repository: say where the image is that you built from deploy/Dockerfile" .Values.image.repository -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* "true" if a pool is this cluster, reached as the pods' own ServiceAccount; else nothing. */}}
{{- define "cloudmgr.here" -}}
{{- range .Values.pools -}}
{{- if and (eq .kind "kubernetes") (not .kubeconfig) (not (dig "kubeconfig" "" .settings)) }}true{{ end -}}
{{- end -}}
{{- end }}

{{- /* What CLOUDMGR_POOLS is, as JSON. */}}
{{- define "cloudmgr.pools" -}}
{{- $pools := list -}}
{{- range $index, $pool := .Values.pools -}}
{{- $settings := deepCopy $pool.settings -}}
{{- if eq $pool.kind "local" -}}
{{- fail (printf "pools.%d.kind: the replicas of a local pool would be processes of a pod, and end with it" $index) -}}
{{- end -}}
{{- if eq $pool.kind "kubernetes" -}}
{{- if not (hasKey $settings "gateway_namespace") -}}
{{- $_ := set $settings "gateway_namespace" $.Release.Namespace -}}
{{- end -}}
{{- if $pool.kubeconfig -}}
{{- $_ := set $settings "kubeconfig" (printf "/etc/cloudmgr/pools/%s/kubeconfig" $pool.name) -}}
{{- end -}}
{{- end -}}
{{- if eq $pool.kind "openstack" -}}
{{- if $pool.cloudsYaml -}}
{{- $_ := set $settings "clouds_file" (printf "/etc/cloudmgr/pools/%s/clouds.yaml" $pool.name) -}}
{{- else if not (hasKey $settings "clouds_file") -}}
{{- fail (printf "pools.%d.cloudsYaml: name the Secret with the clouds.yaml of this pool" $index) -}}
{{- end -}}
{{- end -}}
{{- $pools = append $pools (dict "name" $pool.name "kind" $pool.kind "zone" $pool.zone "protection_level" (int $pool.protectionLevel) "settings" $settings) -}}
{{- end -}}
{{- $pools | toJson -}}
{{- end }}
