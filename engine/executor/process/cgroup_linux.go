package process

// memoryCgroup is the folder in which cgroups that limit memory can be made,
// or "".
func memoryCgroup() string { return "" }
