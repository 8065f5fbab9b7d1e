package fake_test

import (
	"testing"

	"github.com/pawl-dev/pawl/engine/executor"
	"github.com/pawl-dev/pawl/engine/executor/executortest"
	"github.com/pawl-dev/pawl/engine/executor/fake"
)

func TestExecutor(t *testing.T) {
	machines := map[executor.Executor]*fake.Machine{}
	open := func(m *fake.Machine) executor.Executor {
		e := m.Executor()
		machines[e] = m
		return e
	}
	executortest.Run(t, executortest.Suite{
		New:    func(*testing.T) executor.Executor { return open(fake.NewMachine(nil, nil)) },
		Reopen: func(_ *testing.T, e executor.Executor) executor.Executor { return open(machines[e]) },
	})
}
