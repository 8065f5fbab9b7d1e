//go:build !linux

package process

// fence is nothing on this system: memory limits are not kept, which Check says.
type fence struct{}

func memoryCgroup() string { return "" }

func newFence(string, *order) *fence { return nil }

func (f *fence) confine(int) {}

func (f *fence) started() {}

func (f *fence) remove() (oom bool) { return false }
