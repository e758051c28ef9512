{{- /*
The pod of a control plane, or of a gateway if a zone is said: one program, told different things.
Takes (dict "root" $ "component" "control-plane"|"gateway" "gateway" nil|{zone, …}).
*/}}
{{- define "cloudmgr.pod" -}}
{{- $own := ternary .root.Values.gateway .root.Values.controlPlane (not (not .gateway)) -}}
{{- $place := .gateway | default .root.Values.controlPlane -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "cloudmgr.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with .gateway }}
    cloudmgr.io/zone: {{ .zone }}
    {{- end }}
  annotations:
    checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
spec:
  serviceAccountName: {{ include "cloudmgr.fullname" .root }}
  automountServiceAccountToken: {{ not (not (include "cloudmgr.here" .root)) }}
  # A Service called cloudmgr would set CLOUDMGR_PORT, which is a setting of the program's own.
  enableServiceLinks: false
  # Ten seconds for what is in flight, on each of two servers, and then the leases are given back.
  terminationGracePeriodSeconds: 60
  {{- with $own.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with $place.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $place.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if not .gateway }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "cloudmgr.selector" $.root | nindent 10 }}
          app.kubernetes.io/component: control-plane
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    # What is mounted of Secrets may be read by this group and by nobody else.
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: cloudmgr
      image: {{ include "cloudmgr.image" .root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [serve, --log-level, {{ $values.logLevel }}]
      envFrom:
        - configMapRef:
            name: {{ include "cloudmgr.fullname" .root }}
      env:
        - name: CLOUDMGR_DATABASE_URL
          valueFrom:
            secretKeyRef:
              name: {{ $values.database.secret.name }}
              key: {{ $values.database.secret.key }}
        - name: CLOUDMGR_GATEWAY_PORTS
          value: {{ if .gateway }}{{ dict .gateway.zone 8090 | toJson | quote }}{{ else }}"{}"{{ end }}
      ports:
        - {name: http, containerPort: 8080, protocol: TCP}
        - {name: waker, containerPort: 8081, protocol: TCP}
        {{- if .gateway }}
        - {name: web, containerPort: 8090, protocol: TCP}
        {{- end }}
      # The tables are brought up to date before anything answers: a large database may take minutes.
      startupProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 300
      # Whether the process answers, and nothing else: a slow database restarts nobody.
      livenessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        {{- if .gateway }}
        # Traefik listens once it has its routes; it goes on without a database.
        tcpSocket: {port: web}
        {{- else }}
        httpGet: {path: /readyz, port: http}
        {{- end }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      lifecycle:
        preStop:
          # So long those who send here may take to see that they should not any more.
          sleep: {seconds: 5}
      resources:
        {{- toYaml $own.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: state, mountPath: /var/lib/cloudmgr}
        - {name: tmp, mountPath: /tmp}
        {{- if $values.policies.configMap }}
        - {name: policies, mountPath: /etc/cloudmgr/policies, readOnly: true}
        {{- end }}
        {{- if $values.secretsKey.secret }}
        - {name: secrets-key, mountPath: /etc/cloudmgr/secrets, readOnly: true}
        {{- end }}
        {{- if $values.database.ca.secret }}
        - {name: database-ca, mountPath: /etc/cloudmgr/database, readOnly: true}
        {{- end }}
        {{- range $values.pools }}
        {{- if or .kubeconfig .cloudsYaml }}
        - {name: pool-{{ .name }}, mountPath: /etc/cloudmgr/pools/{{ .name }}, readOnly: true}
        {{- end }}
        {{- end }}
  volumes:
    # A gateway's routes and logs. Nothing in it is missed: all state is in the database.
    - name: state
      emptyDir: {sizeLimit: 1Gi}
    - name: tmp
      emptyDir: {sizeLimit: 256Mi}
    {{- with $values.policies.configMap }}
    - name: policies
      configMap:
        name: {{ . }}
    {{- end }}
    {{- with $values.secretsKey }}
    {{- if .secret }}
    - name: secrets-key
      secret:
        secretName: {{ .secret }}
        defaultMode: 288 # 0440
        items: [{key: {{ .key }}, path: secrets.key}]
    {{- end }}
    {{- end }}
    {{- with $values.database.ca }}
    {{- if .secret }}
    - name: database-ca
      secret:
        secretName: {{ .secret }}
        defaultMode: 288 # 0440
        items: [{key: {{ .key }}, path: ca.crt}]
    {{- end }}
    {{- end }}
    {{- range $values.pools }}
    {{- if .kubeconfig }}
    - name: pool-{{ .name }}
      secret:
        secretName: {{ .kubeconfig.secret }}
        defaultMode: 288 # 0440
        items: [{key: {{ .kubeconfig.key | default "kubeconfig" }}, path: kubeconfig}]
    {{- else if .cloudsYaml }}
    - name: pool-{{ .name }}
      secret:
        secretName: {{ .cloudsYaml.secret }}
        defaultMode: 288 # 0440
        items: [{key: {{ .cloudsYaml.key | default "clouds.yaml" }}, path: clouds.yaml}]
    {{- end }}
    {{- end }}
{{- end }}
