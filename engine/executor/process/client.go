package process

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// client speaks to one holder.
type client struct {
	conn  net.Conn
	hello hello

	write sync.Mutex // one line at a time
	mu    sync.Mutex
	next  uint64
	calls map[uint64]chan response
	lost  error // why the connection ended

	gone chan struct{} // closed when the connection has ended
}

var errHolderGone = errors.New("the holder of the attempts has ended")

// newClient greets the holder at the other end of conn. ended is called, one
// at a time, for every attempt whose end the holder tells.
func newClient(conn net.Conn, ended func(exit)) (*client, error) {
	c := &client{conn: conn, calls: map[uint64]chan response{}, gone: make(chan struct{})}
	go c.read(ended)
	resp, err := c.call(request{Op: opHello})
	if err != nil {
		c.close()
		return nil, fmt.Errorf("greeting the holder: %w", err)
	}
	c.hello = *resp.Hello
	return c, nil
}

func (c *client) close() {
	c.conn.Close()
	<-c.gone
}

// call sends a request and waits for its answer, which a holder gives at once.
func (c *client) call(r request) (response, error) {
	answer := make(chan response, 1)
	c.mu.Lock()
	if c.lost != nil {
		c.mu.Unlock()
		return response{}, c.lost
	}
	c.next++
	r.ID = c.next
	c.calls[r.ID] = answer
	c.mu.Unlock()

	c.write.Lock()
	_, err := c.conn.Write(encodeLine(r))
	c.write.Unlock()
	if err != nil {
		c.conn.Close() // read ends and answers every call
	}
	resp, ok := <-answer
	if !ok {
		return response{}, errHolderGone
	}
	if resp.Err != "" {
		return resp, errors.New(resp.Err)
	}
	return resp, nil
}

func (c *client) read(ended func(exit)) {
	lines := bufio.NewReader(c.conn)
	var err error
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err != nil {
			break
		}
		var resp response
		if err = json.Unmarshal(line, &resp); err != nil {
			break
		}
		if resp.Ended != nil {
			ended(*resp.Ended)
			continue
		}
		c.mu.Lock()
		answer := c.calls[resp.ID]
		delete(c.calls, resp.ID)
		c.mu.Unlock()
		if answer != nil {
			answer <- resp
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = errHolderGone
	}
	c.conn.Close()
	c.mu.Lock()
	c.lost = err
	for id, answer := range c.calls {
		delete(c.calls, id)
		close(answer)
	}
	c.mu.Unlock()
	close(c.gone)
}
