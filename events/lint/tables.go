package lint

const (
	pods    = "events run inside pawl, not in pods"
	bus     = "pawl keeps events in its own store"
	durably = "pawl records a trigger before it acts and repeats it until it is done, without doing it twice"
)

// cronWorkflowTable is about CronWorkflow; its workflowSpec is checked where
// workflows are.
func cronWorkflowTable() table {
	return table{
		"spec.schedule":                      {honoured, ""},
		"spec.schedules":                     {honoured, ""},
		"spec.timezone":                      {honoured, ""},
		"spec.suspend":                       {honoured, ""},
		"spec.concurrencyPolicy":             {honoured, ""},
		"spec.startingDeadlineSeconds":       {honoured, ""},
		"spec.workflowSpec":                  {honoured, ""},
		"spec.workflowMetadata.labels":       {honoured, ""},
		"spec.workflowMetadata.annotations":  {honoured, ""},
		"spec.workflowMetadata.finalizers":   {meaningless, "runs are not Kubernetes objects"},
		"spec.workflowMetadata.name":         {meaningless, "runs are named <cron workflow>-<unix seconds>, as in Argo"},
		"spec.workflowMetadata.generateName": {meaningless, "runs are named <cron workflow>-<unix seconds>, as in Argo"},
		"spec.workflowMetadata.namespace":    {meaningless, "runs are in the namespace of the cron workflow, as in Argo"},
		"spec.successfulJobsHistoryLimit":    {meaningless, "pawl keeps finished runs until they are deleted"},
		"spec.failedJobsHistoryLimit":        {meaningless, "pawl keeps finished runs until they are deleted"},
		"spec.when":                          {refused, "remove it, or give the workflow's first step a when"},
		"spec.stopStrategy":                  {refused, "remove it, and set suspend: true when it shall stop"},
	}
}

// eventSourceTable is about EventSource; every kind but file is refused.
func eventSourceTable() table {
	return table{
		"spec.file.*.eventType":                  {honoured, ""},
		"spec.file.*.watchPathConfig.directory":  {honoured, ""},
		"spec.file.*.watchPathConfig.path":       {honoured, ""},
		"spec.file.*.watchPathConfig.pathRegexp": {honoured, ""},
		"spec.file.*.polling":                    {honoured, ""},
		"spec.file.*.metadata":                   {honoured, ""},
		"spec.file.*.filter":                     {refused, "filter in the Sensor: spec.dependencies[].filters"},
		"spec.template":                          {meaningless, pods},
		"spec.replicas":                          {meaningless, pods},
		"spec.service":                           {meaningless, pods},
		"spec.eventBusName":                      {meaningless, bus},
	}
}

// sensorTable is about Sensor.
func sensorTable() table {
	const trigger = "spec.triggers[]."
	const template = trigger + "template."
	t := table{
		"spec.dependencies[].name":                        {honoured, ""},
		"spec.dependencies[].eventSourceName":             {honoured, ""},
		"spec.dependencies[].eventName":                   {honoured, ""},
		"spec.dependencies[].filtersLogicalOperator":      {honoured, ""},
		"spec.dependencies[].filters.data":                {honoured, ""},
		"spec.dependencies[].filters.exprs":               {honoured, ""},
		"spec.dependencies[].filters.time":                {honoured, ""},
		"spec.dependencies[].filters.dataLogicalOperator": {honoured, ""},
		"spec.dependencies[].filters.exprLogicalOperator": {honoured, ""},
		"spec.dependencies[].filters.script":              {refused, "say it by data or exprs"},
		"spec.dependencies[].transform.jq":                {honoured, ""},
		"spec.dependencies[].transform.script":            {refused, "say it by jq"},

		"spec.template":             {meaningless, pods},
		"spec.replicas":             {meaningless, pods},
		"spec.revisionHistoryLimit": {meaningless, pods},
		"spec.eventBusName":         {meaningless, bus},
		"spec.loggingFields":        {meaningless, "pawl's log names sensor and trigger already"},
		"spec.errorOnFailedRound":   {meaningless, "Argo Events does not read it either"},

		trigger + "parameters":    {honoured, ""},
		trigger + "atLeastOnce":   {meaningless, durably},
		trigger + "retryStrategy": {meaningless, durably},
		trigger + "policy":        {refused, "follow the run instead: its phase is its own"},
		trigger + "rateLimit":     {refused, "use spec.parallelism or a mutex of the workflow"},
		trigger + "dlqTrigger":    {refused, "give the workflow an onExit handler"},

		template + "name":            {honoured, ""},
		template + "conditions":      {honoured, ""},
		template + "conditionsReset": {honoured, ""},
		template + "log":             {honoured, ""},

		template + "argoWorkflow.operation":  {honoured, ""}, // the sensor refuses others than submit
		template + "argoWorkflow.args":       {honoured, ""}, // and those
		template + "argoWorkflow.parameters": {honoured, ""},
		template + "k8s.operation":           {honoured, ""}, // and others than create
		template + "k8s.parameters":          {honoured, ""},
		template + "k8s.patchStrategy":       {refused, "only the creation of an Argo Workflow is"},
		template + "k8s.liveObject":          {refused, "only the creation of an Argo Workflow is"},
	}
	for _, action := range []string{"argoWorkflow", "k8s"} {
		t[template+action+".source.resource"] = rule{honoured, ""}
		t[template+action+".source.inline"] = rule{honoured, ""}
	}
	for _, member := range []string{"type", "subject", "source", "datacontenttype"} {
		t["spec.dependencies[].filters.context."+member] = rule{honoured, ""}
	}
	for _, member := range []string{"id", "time", "specversion"} {
		t["spec.dependencies[].filters.context."+member] = rule{meaningless, "Argo Events does not compare it either"}
	}
	return t
}
