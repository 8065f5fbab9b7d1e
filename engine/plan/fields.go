package plan

import (
	"sort"

	"github.com/pawl-dev/pawl/api"
)

// class is what becomes of a field of a manifest.
type class uint8

const (
	// honoured fields do what Argo's documentation says.
	honoured class = iota
	// unused fields have no meaning for a local executor: accepted, said once.
	unused
	// refused fields are not run yet: an error before the run.
	refused
)

// rule is the class of a field and, where only some of the fields below it are
// honoured, their rules. Lists have the rules of their entries.
type rule struct {
	class  class
	below  fields
	advice string // what to do about a refused field
}

type fields map[string]rule

func (f fields) with(more fields) fields {
	all := fields{}
	for k, v := range f {
		all[k] = v
	}
	for k, v := range more {
		all[k] = v
	}
	return all
}

var (
	yes  = rule{class: honoured}
	idle = rule{class: unused}
	no   = rule{class: refused}
)

func instead(advice string) rule { return rule{class: refused, advice: advice} }

// The tables below name every field that Argo knows at its place; a test holds
// them against Argo's types. What is in none of them nobody knows, which
// decoding has said already.

var workflowFields = fields{
	"templates":                    {below: templateFields},
	"entrypoint":                   yes,
	"arguments":                    {below: argumentsFields},
	"volumes":                      {below: volumeFields},
	"volumeClaimTemplates":         yes,
	"parallelism":                  yes,
	"onExit":                       yes,
	"activeDeadlineSeconds":        yes,
	"workflowTemplateRef":          yes,
	"retryStrategy":                {below: retryFields},
	"templateDefaults":             {below: templateFields},
	"hooks":                        {below: fields{"exit": {below: hookFields}}},
	"workflowMetadata":             {below: fields{"labels": yes, "annotations": yes, "labelsFrom": instead("write the labels out under workflowMetadata.labels")}},
	"serviceAccountName":           idle,
	"automountServiceAccountToken": idle,
	"executor":                     idle,
	"nodeSelector":                 idle,
	"affinity":                     idle,
	"tolerations":                  idle,
	"imagePullSecrets":             idle,
	"hostNetwork":                  idle,
	"dnsPolicy":                    idle,
	"dnsConfig":                    idle,
	"ttlStrategy":                  idle,
	"priority":                     idle,
	"schedulerName":                idle,
	"podGC":                        idle,
	"podPriorityClassName":         idle,
	"hostAliases":                  idle,
	"securityContext":              idle,
	"podDisruptionBudget":          idle,
	"volumeClaimGC":                idle,
	"podMetadata":                  idle,
	"archiveLogs":                  idle,
	"artifactGC":                   idle,
	"artifactRepositoryRef":        instead("remove it: artifacts are kept in the local store"),
	"suspend":                      instead("remove it, and start the run when it is to run"),
	"podSpecPatch":                 patch,
	"metrics":                      metrics,
	"shutdown":                     instead("remove it: `pawl stop` and `pawl terminate` end a run"),
	"synchronization":              locks,
}

// What to do about fields that occur in several places.
var (
	patch    = instead("set the fields themselves")
	metrics  = instead("remove it: how runs ended and how long they took is known of every run")
	locks    = instead("remove it; parallelism limits what a run does at once")
	handlers = instead("run the template as a task or step of its own, by depends or continueOn, or as spec.onExit")
	global   = instead("pass the output on as an argument, up through the outputs of steps or dag templates")
	secrets  = instead("pawl hands no Secret to a step: have the step read it from a file of this machine, or use a parameter if it may be read in the run's record")
)

var templateFields = fields{
	"name":                         yes,
	"inputs":                       {below: fields{"parameters": {below: inputParameterFields}, "artifacts": {below: inputArtifactFields}}},
	"outputs":                      {below: fields{"parameters": {below: outputParameterFields}, "artifacts": {below: outputArtifactFields}, "result": instead("remove it: it is known of every task and step"), "exitCode": instead("remove it: it is known of every task and step")}},
	"container":                    {below: containerFields},
	"script":                       {below: containerFields.with(fields{"source": yes})},
	"steps":                        {below: stepFields},
	"dag":                          {below: fields{"tasks": {below: stepFields.with(fields{"dependencies": yes, "depends": yes})}, "target": yes, "failFast": yes}},
	"volumes":                      {below: volumeFields},
	"activeDeadlineSeconds":        yes,
	"timeout":                      yes,
	"retryStrategy":                {below: retryFields},
	"parallelism":                  yes,
	"failFast":                     yes,
	"nodeSelector":                 idle,
	"affinity":                     idle,
	"metadata":                     idle,
	"tolerations":                  idle,
	"schedulerName":                idle,
	"priorityClassName":            idle,
	"serviceAccountName":           idle,
	"automountServiceAccountToken": idle,
	"executor":                     idle,
	"hostAliases":                  idle,
	"securityContext":              idle,
	"annotations":                  idle,
	"archiveLocation":              idle,
	"daemon":                       instead("start it in the background of the step that needs it"),
	"containerSet":                 instead("give each container a template of its own"),
	"resource":                     instead("use a container template that runs kubectl"),
	"suspend":                      instead("split the workflow there in two"),
	"data":                         instead("use a script template that prints the list as JSON"),
	"http":                         instead("use a container template that runs curl"),
	"plugin":                       no,
	"initContainers":               instead("do their work in the container's command"),
	"sidecars":                     instead("start them in the background of the step's command"),
	"podSpecPatch":                 patch,
	"metrics":                      metrics,
	"synchronization":              locks,
	"memoize":                      instead("remove it: the step then runs each time"),
}

var containerFields = fields{
	"name":                     yes, // of one container nobody asks
	"image":                    yes, // in the Spec: whether it is used, the executor says
	"command":                  yes,
	"args":                     yes,
	"workingDir":               yes,
	"env":                      {below: fields{"name": yes, "value": yes, "valueFrom": {below: fields{"configMapKeyRef": yes, "secretKeyRef": secrets, "fieldRef": instead("use a tag such as {{workflow.name}} or {{pod.name}} as value"), "resourceFieldRef": instead("write the value out"), "fileKeyRef": no}}}},
	"envFrom":                  {below: fields{"prefix": yes, "configMapRef": yes, "secretRef": secrets}},
	"resources":                yes,
	"volumeMounts":             {below: fields{"name": yes, "readOnly": yes, "mountPath": yes, "subPath": yes, "recursiveReadOnly": idle, "mountPropagation": idle, "subPathExpr": no}},
	"ports":                    idle,
	"resizePolicy":             idle,
	"restartPolicy":            idle,
	"restartPolicyRules":       idle,
	"livenessProbe":            idle,
	"readinessProbe":           idle,
	"startupProbe":             idle,
	"terminationMessagePath":   idle,
	"terminationMessagePolicy": idle,
	"imagePullPolicy":          idle,
	"securityContext":          idle,
	"stdin":                    idle,
	"stdinOnce":                idle,
	"tty":                      idle,
	"volumeDevices":            no,
	"lifecycle":                no,
}

var stepFields = fields{
	"name":         yes,
	"template":     yes,
	"templateRef":  yes,
	"inline":       {below: nil}, // its template is walked when it is compiled
	"arguments":    {below: argumentsFields},
	"withItems":    yes,
	"withParam":    yes,
	"withSequence": yes,
	"when":         yes,
	"continueOn":   yes,
	"onExit":       handlers,
	"hooks":        handlers,
}

var hookFields = fields{
	"template": yes, "templateRef": yes, "arguments": {below: argumentsFields}, "expression": yes,
}

var retryFields = fields{
	"limit": yes, "retryPolicy": yes, "expression": yes, "affinity": idle,
	"backoff": {below: fields{"duration": yes, "factor": yes, "maxDuration": yes, "cap": yes}},
}

var argumentsFields = fields{
	"parameters": {below: fields{
		"name": yes, "value": yes, "default": yes, "enum": yes, "description": yes, "globalName": global,
		"valueFrom": {below: valueFromFields.with(fields{"configMapKeyRef": yes, "default": yes})},
	}},
	"artifacts": {below: artifactFields.with(fields{"from": yes, "raw": yes, "subPath": yes, "optional": yes})},
}

var valueFromFields = fields{
	"path": no, "jsonPath": no, "jqFilter": no, "event": no, "parameter": no,
	"supplied": no, "configMapKeyRef": no, "default": no, "expression": no,
}

var inputParameterFields = fields{
	"name": yes, "value": yes, "default": yes, "enum": yes, "description": yes, "globalName": global,
	"valueFrom": {below: valueFromFields.with(fields{"configMapKeyRef": yes, "default": yes})},
}

var outputParameterFields = fields{
	"name": yes, "description": yes, "globalName": global, "value": yes, "default": no, "enum": no,
	"valueFrom": {below: valueFromFields.with(fields{"path": yes, "parameter": yes, "expression": yes, "default": yes})},
}

// artifactFields refuses what only some places of an artifact allow.
var artifactFields = fields{
	"name": yes, "path": no, "mode": no, "from": no, "raw": no, "optional": no, "subPath": no,
	"archive": idle, "archiveLogs": idle, "artifactGC": idle, "globalName": global, "recurseMode": no,
	"fromExpression": no, "deleted": no,
}.with(locations(instead("have the step fetch it, or pass it as an output of another step or as raw content")))

// locations are the fields that say where an artifact is kept.
func locations(r rule) fields {
	return fields{"s3": r, "git": r, "http": r, "artifactory": r, "hdfs": r, "oss": r, "gcs": r, "azure": r}
}

var store = instead("remove it: artifacts are kept in the local store")

var inputArtifactFields = artifactFields.with(fields{"path": yes, "mode": yes, "optional": yes, "raw": yes})

var outputArtifactFields = artifactFields.with(locations(store)).with(fields{"path": yes, "optional": yes, "from": yes, "subPath": yes})

var volumeFields = fields{
	"name": yes, "emptyDir": yes, "configMap": yes,
	"hostPath": instead("remove it: a step sees this machine's files read-only, and other places are its own"), "gcePersistentDisk": no, "awsElasticBlockStore": no, "gitRepo": no, "secret": secrets, "nfs": no,
	"iscsi": no, "glusterfs": no, "rbd": no, "flexVolume": no, "cinder": no, "cephfs": no, "flocker": no,
	"downwardAPI": no, "fc": no, "azureFile": no, "vsphereVolume": no, "quobyte": no, "azureDisk": no,
	"photonPersistentDisk": no, "projected": no, "portworxVolume": no, "scaleIO": no, "storageos": no, "csi": no,
	"ephemeral": no, "image": no,
	"persistentVolumeClaim": instead("use volumeClaimTemplates: a folder that the run's steps share"),
}

// walk classes every field below value, reporting the refused ones as problems
// and the unused ones as notes.
func (c *compiler) walk(at place, value any, table fields) {
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			c.walk(at.index(i), item, table)
		}
	case map[string]any:
		names := make([]string, 0, len(v))
		for k := range v {
			names = append(names, k)
		}
		sort.Strings(names)
		for _, name := range names {
			r, known := table[name]
			if !known || empty(v[name]) {
				continue
			}
			c.classed(at.field(name), v[name], r)
		}
	}
}

func (c *compiler) classed(at place, value any, r rule) {
	switch r.class {
	case refused:
		advice := r.advice
		if advice == "" {
			advice = "remove it"
		}
		c.problem(at, "is not run by pawl yet", advice)
	case unused:
		if m, ok := value.(map[string]any); !ok || len(m) > 0 {
			c.unused(at)
		}
	case honoured:
		if r.below != nil {
			c.walk(at, value, r.below)
		}
	}
}

// unused notes a field without meaning here, once a kind of field.
func (c *compiler) unused(at place) {
	name := at.last()
	if c.said[name] {
		return
	}
	c.said[name] = true
	c.plan.Unused = append(c.plan.Unused, api.Problem{
		Severity: api.SeverityNote, Position: at.position(), Path: at.path,
		Message: name + " has no meaning for local processes",
	})
}

// empty reports whether a value says nothing, such as `daemon: false`.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	}
	return false
}
